"""From the curves of many runs to one table: a line a method and strategy, over seeds.

Runs share most of their training patients, so intervals are those of the corrected resampled t-test. "best" is the
highest point of each curve on test patients, which the papers print: it is optimistic, and its column says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
import polars as pl

from fibrostage.results.estimate_columns import TableRow, Versus, estimate_cells
from fibrostage.results.rounds import AT_CUT, FIGURES, OVER_CANDIDATES
from fibrostage.stats.resampled import resampled_mean, resampled_share

K = TypeVar("K")


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


def results_table(
    curves: pl.DataFrame,
    ratios: Mapping[str, float],
    simulated: bool,
    cuts: Sequence[str],
    best: Mapping[str, Mapping[str, float]] | None = None,
) -> pl.DataFrame:
    """One row a (method, strategy): figures with all labels, the mean over the curve, the optimistic best point.

    By method, `ratios` are test over training patients, and `best` what the best reader of a simulated cohort reaches.
    """
    known = best or {}
    rows = [
        results_row(str(method), str(strategy), group, ratios[str(method)], simulated, cuts)
        | {f"best_reader_{name}": value for name, value in known.get(str(method), {}).items()}
        for (method, strategy), group in curves.group_by("method", "strategy", maintain_order=True)
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def results_row(
    method: str, strategy: str, group: pl.DataFrame, ratio: float, simulated: bool, cuts: Sequence[str]
) -> TableRow:
    """The row of one method and strategy, over the curves of its runs."""
    runs = [run.sort("round") for _, run in group.group_by("seed", "fold", maintain_order=True)]
    last = pl.concat([run.tail(1) for run in runs], how="diagonal_relaxed")
    row: TableRow = {
        "method": method,
        "strategy": strategy,
        "runs": len(runs),
        "n_patients": round(float(last["n_patients"].to_numpy().mean())),
        "share": float(last["share"].to_numpy().mean()),
    }
    for figure in (*FIGURES, *OVER_CANDIDATES, *(AT_CUT + cut for cut in cuts)):
        if figure in last.columns and last[figure].null_count() < len(last):
            row |= estimate_cells(figure, resampled_share(last[figure].drop_nulls().to_numpy(), ratio))
    if all(run["auc_macro"].null_count() == 0 for run in runs):
        along = [float(run["auc_macro"].to_numpy().mean()) for run in runs]
        row |= estimate_cells("curve_mean_auc", resampled_share(along, ratio))
    best = [run.sort("auc_macro", descending=True, nulls_last=True).head(1) for run in runs]
    tops = [top["auc_macro"][0] for top in best if top["auc_macro"][0] is not None]
    if tops:
        row["best_auc_macro_optimistic"] = float(np.mean(tops))
        row["best_share_optimistic"] = float(np.mean([top["share"][0] for top in best]))
    row["simulated"] = simulated
    return row
