"""From the curves of many runs to one table: a line a method and strategy, over seeds.

The interval is Student's over independent divisions of the patients: over folds (seeds averaged within a fold)
where a study has several, else over seeds, each of which draws its own split. "best" is the highest point of each
curve on test patients, which the papers print: it is optimistic, and its column says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
import polars as pl
from scipy.stats import t as student

from fibrostage.results.estimate_columns import TableRow, Versus, estimate_cells
from fibrostage.results.rounds import AT_CUT, FIGURES
from fibrostage.stats.estimate import Estimate
from fibrostage.stats.resampled import resampled_mean

K = TypeVar("K")


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> Estimate:
    """The mean of proportions or AUCs with Student's interval, cut to [0, 1]; one value has none."""
    x = np.asarray(values, dtype=np.float64)
    mean = float(x.mean())
    if len(x) < 2:
        return Estimate(mean, None, None)
    half = float(student.ppf(0.5 + confidence / 2, len(x) - 1) * x.std(ddof=1) / np.sqrt(len(x)))
    return Estimate(mean, max(0.0, mean - half), min(1.0, mean + half))


def over_divisions(values: Sequence[float | None], folds: Sequence[str]) -> Estimate:
    """Mean and interval of one value a run: over folds when there are several, else over runs."""
    known = [(value, fold) for value, fold in zip(values, folds, strict=True) if value is not None]
    names = list(dict.fromkeys(fold for _, fold in known))
    if len(names) > 1:
        return mean_interval([float(np.mean([v for v, fold in known if fold == name])) for name in names])
    return mean_interval([value for value, _ in known])


def against(
    runs: Mapping[K, Mapping[str, float]],
    baseline: Mapping[K, Mapping[str, float]],
    figure: str,
    ratio: float,
    confidence: float = 0.95,
) -> Versus | None:
    """A figure's mean difference to the baseline's on the divisions that both have; None where there is none.

    `ratio` is test over training patients: the interval and p are of the corrected resampled t-test.
    """
    common = [key for key in runs if figure in runs[key] and figure in baseline.get(key, {})]
    if not common:
        return None
    return Versus(*resampled_mean([runs[key][figure] - baseline[key][figure] for key in common], ratio, confidence))


def results_table(curves: pl.DataFrame, simulated: bool, cuts: Sequence[str]) -> pl.DataFrame:
    """One row a (method, strategy): figures with all labels, the mean over the curve, the optimistic best point."""
    rows = [
        results_row(str(method), str(strategy), group, simulated, cuts)
        for (method, strategy), group in curves.group_by("method", "strategy", maintain_order=True)
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def results_row(method: str, strategy: str, group: pl.DataFrame, simulated: bool, cuts: Sequence[str]) -> TableRow:
    """The row of one method and strategy, over the curves of its runs."""
    runs = [run.sort("round") for _, run in group.group_by("seed", "fold", maintain_order=True)]
    last = pl.concat([run.tail(1) for run in runs], how="diagonal_relaxed")
    folds = last["fold"].to_list()
    row: TableRow = {
        "method": method,
        "strategy": strategy,
        "runs": len(runs),
        "n_patients": round(float(last["n_patients"].to_numpy().mean())),
        "share": float(last["share"].to_numpy().mean()),
    }
    for figure in (*FIGURES, *(AT_CUT + cut for cut in cuts)):
        if last[figure].null_count() < len(last):
            row |= estimate_cells(figure, over_divisions(last[figure].to_list(), folds))
    if all(run["auc_macro"].null_count() == 0 for run in runs):
        along = [float(run["auc_macro"].to_numpy().mean()) for run in runs]
        row |= estimate_cells("curve_mean_auc", over_divisions(along, folds))
    best = [run.sort("auc_macro", descending=True, nulls_last=True).head(1) for run in runs]
    tops = [top["auc_macro"][0] for top in best if top["auc_macro"][0] is not None]
    if tops:
        row["best_auc_macro_optimistic"] = float(np.mean(tops))
        row["best_share_optimistic"] = float(np.mean([top["share"][0] for top in best]))
    row["simulated"] = simulated
    return row
