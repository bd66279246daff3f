"""From the curves of many runs to one table: a line a method and strategy, over seeds.

The interval is Student's over runs (each with its own split and start). "best" is the highest point of each
curve on test patients, which the papers print: it is optimistic, and its column says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import t as student


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float, float]:
    """Mean with Student's interval over runs; the interval of one run is not a number."""
    x = np.asarray(values, dtype=np.float64)
    if len(x) < 2:
        return float(x.mean()), float("nan"), float("nan")
    half = float(student.ppf(0.5 + confidence / 2, len(x) - 1) * x.std(ddof=1) / np.sqrt(len(x)))
    return float(x.mean()), float(x.mean()) - half, float(x.mean()) + half


def results_table(curves: pl.DataFrame, metrics: Sequence[dict[str, Any]], cuts: Sequence[str]) -> pl.DataFrame:
    """One row a (method, strategy): figures with all labels, the mean over the curve, the optimistic best point."""
    figures = ["accuracy", "auc_macro", *[f"auc_at_{cut}" for cut in cuts]]
    rows = []
    for (method, strategy), group in curves.group_by("method", "strategy", maintain_order=True):
        row: dict[str, Any] = {"method": method, "strategy": strategy}
        runs = [run.sort("round") for _, run in group.group_by("seed", "fold", maintain_order=True)]
        last = [run.row(-1, named=True) for run in runs]
        row["runs"] = len(runs)
        row["n_patients"] = round(float(np.mean([end["n_patients"] for end in last])))
        row["share"] = float(np.mean([end["share"] for end in last]))
        for figure in figures:
            values = [end[figure] for end in last if end[figure] is not None]
            if values:
                mean, lo, hi = mean_interval(values)
                row |= {figure: mean, f"{figure}_lo": lo, f"{figure}_hi": hi}
        along = [float(np.mean(run["auc_macro"].to_numpy())) for run in runs if run["auc_macro"].null_count() == 0]
        if along:
            mean, lo, hi = mean_interval(along)
            row |= {"curve_mean_auc": mean, "curve_mean_auc_lo": lo, "curve_mean_auc_hi": hi}
        best = [run.sort("auc_macro", descending=True, nulls_last=True).row(0, named=True) for run in runs]
        tops = [top["auc_macro"] for top in best if top["auc_macro"] is not None]
        if tops:
            row["best_auc_macro_optimistic"] = float(np.mean(tops))
            row["best_share_optimistic"] = float(np.mean([top["share"] for top in best]))
        row["simulated"] = any(m["simulated"] for m in metrics)
        rows.append(row)
    return pl.DataFrame(rows, infer_schema_length=None)
