"""From the curves of many runs to one table: a line a method and strategy, over seeds.

The interval is Student's over independent divisions of the patients: over folds (seeds averaged within a fold)
where a study has several, else over seeds, each of which draws its own split. "best" is the highest point of each
curve on test patients, which the papers print: it is optimistic, and its column says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import polars as pl
from scipy.stats import t as student

from fibrostage.stats.multiplicity import holm
from fibrostage.stats.resampled import resampled_mean


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float | None, float | None]:
    """Mean of proportions or AUCs with Student's interval, cut to [0, 1]; one value has none."""
    x = np.asarray(values, dtype=np.float64)
    if len(x) < 2:
        return float(x.mean()), None, None
    half = float(student.ppf(0.5 + confidence / 2, len(x) - 1) * x.std(ddof=1) / np.sqrt(len(x)))
    mean = float(x.mean())
    return mean, max(0.0, mean - half), min(1.0, mean + half)


def over_divisions(values: Sequence[float | None], folds: Sequence[str]) -> tuple[float, float | None, float | None]:
    """Mean and interval of one value a run: over folds when there are several, else over runs."""
    known = [(value, fold) for value, fold in zip(values, folds, strict=True) if value is not None]
    names = list(dict.fromkeys(fold for _, fold in known))
    if len(names) > 1:
        return mean_interval([float(np.mean([v for v, fold in known if fold == name])) for name in names])
    return mean_interval([value for value, _ in known])


K = TypeVar("K")


def against(
    runs: Mapping[K, Mapping[str, float]],
    baseline: Mapping[K, Mapping[str, float]],
    figure: str,
    ratio: float,
    name: str,
    confidence: float = 0.95,
) -> dict[str, float | None]:
    """The mean difference of a figure to the baseline's on the divisions that both have, with interval and p."""
    common = [key for key in runs if figure in runs[key] and figure in baseline.get(key, {})]
    if not common:
        return {}
    difference, p = resampled_mean([runs[key][figure] - baseline[key][figure] for key in common], ratio, confidence)
    return {name: difference.value, f"{name}_lo": difference.lo, f"{name}_hi": difference.hi, f"{name}_p": p}


def with_holm(rows: list[dict[str, Any]], suffix: str) -> list[dict[str, Any]]:
    """Adds Holm's p over the rows, figure by figure, beside every column that ends in `suffix`."""
    for name in sorted({key for row in rows for key in row if key.endswith(suffix)}):
        tested = [row for row in rows if row.get(name) is not None]
        for row, p in zip(tested, holm([row[name] for row in tested]), strict=True):
            row[f"{name}_holm"] = float(p)
    return rows


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
        folds = [end["fold"] for end in last]
        for figure in figures:
            values = [end[figure] for end in last]
            if any(value is not None for value in values):
                mean, lo, hi = over_divisions(values, folds)
                row |= {figure: mean, f"{figure}_lo": lo, f"{figure}_hi": hi}
        if all(run["auc_macro"].null_count() == 0 for run in runs):
            along = [float(np.mean(run["auc_macro"].to_numpy())) for run in runs]
            mean, lo, hi = over_divisions(along, folds)
            row |= {"curve_mean_auc": mean, "curve_mean_auc_lo": lo, "curve_mean_auc_hi": hi}
        best = [run.sort("auc_macro", descending=True, nulls_last=True).row(0, named=True) for run in runs]
        tops = [top["auc_macro"] for top in best if top["auc_macro"] is not None]
        if tops:
            row["best_auc_macro_optimistic"] = float(np.mean(tops))
            row["best_share_optimistic"] = float(np.mean([top["share"] for top in best]))
        row["simulated"] = any(m["simulated"] for m in metrics)
        rows.append(row)
    return pl.DataFrame(rows, infer_schema_length=None)
