"""Methods beside each other on the patients that all of them could be tested on.

Methods that see different modalities have one division of the patients, but each tests only those whom it can see. What
one has over another is asked of the patients that both saw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fibrostage.analysis.over_runs import against
from fibrostage.ground.errors import StatisticsError
from fibrostage.ground.stage import Staging
from fibrostage.results.estimate_columns import Figure, TableRow, figure_cells, with_holm
from fibrostage.results.predictions import scores_of
from fibrostage.results.rounds import FIGURES
from fibrostage.results.run_folder import RunFolder
from fibrostage.stats.macro import macro_auc
from fibrostage.stats.resampled import resampled_share

FIRST = "first"  # what differences are to, in the names of columns
Division = tuple[int, int]  # seed and fold
Said = dict[str, tuple[int, NDArray[np.float64]]]  # by patient: the stage, and the probabilities [K]


@dataclass(frozen=True)
class AskedRun:
    """A finished run of a study that asks."""

    method: str
    strategy: str
    division: Division
    folder: RunFolder


def said_of(run: RunFolder, staging: Staging) -> Said:
    """What a run's last round says of its test patients, by patient."""
    found = scores_of(run.read_predictions(), staging)
    return {
        patient: (int(stage), probabilities)
        for patient, stage, probabilities in zip(found.patients, found.stages, found.probabilities, strict=True)
    }


def common_table(
    runs: Sequence[AskedRun], staging: Staging, ratios: Mapping[str, float], simulated: bool
) -> pl.DataFrame:
    """A row a method and strategy: accuracy and average AUC of the last round on the patients whom every method of the
    strategy tested in that division, the mean over divisions, and the difference to the first method of the strategy.

    By method, `ratios` are test over training patients. Strategies of a single method have no row.
    """
    rows: list[TableRow] = []
    for strategy in dict.fromkeys(run.strategy for run in runs):
        own = [run for run in runs if run.strategy == strategy]
        methods = list(dict.fromkeys(run.method for run in own))
        if len(methods) > 1:
            rows += strategy_rows(own, methods, staging, ratios)
    return pl.DataFrame(rows, infer_schema_length=None).with_columns(simulated=pl.lit(simulated))


def strategy_rows(
    runs: Sequence[AskedRun], methods: Sequence[str], staging: Staging, ratios: Mapping[str, float]
) -> list[TableRow]:
    """The rows of one strategy's methods."""
    said = {(run.method, run.division): said_of(run.folder, staging) for run in runs}
    divisions = [d for d in dict.fromkeys(run.division for run in runs) if all((m, d) in said for m in methods)]
    common = {d: sorted(set.intersection(*(set(said[m, d]) for m in methods))) for d in divisions}
    figures = {m: {d: figures_on(said[m, d], common[d]) for d in divisions if common[d]} for m in methods}
    found: dict[str, dict[str, Figure]] = {}
    for method in methods:
        found[method] = {}
        for name in FIGURES:
            values = [one[name] for one in figures[method].values() if name in one]
            if values:
                baseline = None if method == methods[0] else figures[methods[0]]
                versus = None if baseline is None else against(figures[method], baseline, name, ratios[method])
                found[method][name] = Figure(resampled_share(values, ratios[method]), versus)
    adjusted = with_holm([found[method] for method in methods])
    rows = []
    for method, cells in zip(methods, adjusted, strict=True):
        row: TableRow = {
            "method": method,
            "strategy": runs[0].strategy,
            "runs": len(figures[method]),
            "n_common": round(float(np.mean([len(common[d]) for d in divisions]))) if divisions else 0,
            "n_own": round(float(np.mean([len(said[method, d]) for d in divisions]))) if divisions else 0,
        }
        for name, figure in cells.items():
            row |= figure_cells(name, figure, FIRST)
        rows.append(row)
    return rows


def figures_on(said: Said, patients: Sequence[str]) -> dict[str, float]:
    """Accuracy and average AUC of some of a run's patients; what is not defined on them is left out."""
    stages = np.array([said[patient][0] for patient in patients])
    probabilities = np.array([said[patient][1] for patient in patients])
    figures = {"accuracy": float((probabilities.argmax(axis=1) == stages).mean())}
    with suppress(StatisticsError):  # a single stage
        figures["auc_macro"] = macro_auc(stages, probabilities)
    return figures
