"""The tables of a supervised study: figures over seeds, and every patient's scores beside the markers.

results     a method and task: test and training figures over seeds, against the reference on the same divisions
scores      a seed, cut, cohort, method and patient: what every ROC curve is drawn from
comparison  a seed, cut, cohort and method or marker: AUC, and the reference's minus it, DeLong, Holm
pictures    the same over pictures, the patient as the cluster
cutoffs     published thresholds and the training cohort's, judged on test patients
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from fibrostage.analysis.networks_and_markers import (
    MARKER,
    NETWORK,
    RunPredictions,
    comparison_table,
    cutoffs_table,
    pictures_table,
    scores_table,
)
from fibrostage.analysis.over_runs import against
from fibrostage.cohort.store import Cohort
from fibrostage.results.estimate_columns import Figure, TableRow, figure_cells, with_holm
from fibrostage.results.metrics import Metrics, PatientFigures
from fibrostage.results.predictions import TEST
from fibrostage.results.rounds import AT_CUT, RECALL, SLOPE
from fibrostage.results.run_folder import RunFolder
from fibrostage.results.study_folder import COMPARISON, CUTOFFS, PICTURES, RESULTS, SCORES
from fibrostage.stats.estimate import Estimate
from fibrostage.stats.resampled import resampled_mean, resampled_share

REFERENCE = "reference"
UNBOUNDED = ("kappa", "log_loss", "brier")  # no shares; their intervals are Student's as they are
Key = tuple[str, str]  # a method and the cut that it learned, "" where it tells every stage


@dataclass(frozen=True)
class SupervisedRun:
    """One finished run of a study; `ratio` is test over training patients of its split."""

    method: str
    seed: int
    task: str | None
    confidence: float
    ratio: float
    folder: RunFolder

    def predictions(self) -> RunPredictions:
        """What it predicted; of several folds the test patients' alone, who are in training in the other folds."""
        predictions = self.folder.read_predictions()
        if predictions["fold"].n_unique() > 1:
            predictions = predictions.filter(pl.col("split") == TEST)
        return RunPredictions(self.method, self.seed, self.task, predictions)


def supervised_tables(
    runs: Sequence[SupervisedRun],
    cohort: Cohort,
    markers: Sequence[str],
    reference: str,
    units: Mapping[str, str] | None = None,
) -> dict[str, pl.DataFrame]:
    """Every table by its file's name; `units` state those of measured columns. Raises `PlanError` for a marker that is
    none, that nobody has, or whose column seems to be in another unit."""
    predictions = [run.predictions() for run in runs]
    confidence = runs[0].confidence
    scores = scores_table(predictions, cohort, markers, units)
    comparison = comparison_table(scores, cohort.staging, reference, confidence)
    tables = {
        RESULTS: results_over_seeds(runs, comparison, reference, confidence),
        SCORES: scores,
        COMPARISON: comparison,
        PICTURES: pictures_table(predictions, cohort.staging, confidence),
        CUTOFFS: cutoffs_table(scores, cohort.staging, confidence),
    }
    return {name: table.with_columns(simulated=pl.lit(cohort.simulated)) for name, table in tables.items()}


@dataclass
class OverSeeds:
    """What is known of a method and task, or a marker and cut: figures by seed, and who trains and tests."""

    kind: str
    n_training: int
    n_patients: int
    ratio: float
    figures: dict[int, dict[str, float]] = field(default_factory=dict)
    best_reader: dict[str, float] = field(default_factory=dict)

    def over(self, baseline: OverSeeds | None, confidence: float) -> dict[str, Figure]:
        """Means over seeds with the corrected resampled interval, against a baseline on the same divisions."""
        result = {}
        for name in dict.fromkeys(name for one in self.figures.values() for name in one):
            known = [one[name] for one in self.figures.values() if name in one]
            versus = None if baseline is None else against(self.figures, baseline.figures, name, self.ratio, confidence)
            unbounded = name in UNBOUNDED or name.startswith(SLOPE)
            mean, _ = resampled_mean(known, self.ratio, confidence)
            figure = mean if unbounded else resampled_share(known, self.ratio, confidence=confidence)
            result[name] = Figure(figure, versus)
        return result


def results_over_seeds(
    runs: Sequence[SupervisedRun], comparison: pl.DataFrame, reference: str, confidence: float
) -> pl.DataFrame:
    """One row a method and task, and a marker and cut: means over seeds, and against the reference."""
    found = networks_over_seeds(runs)
    found |= markers_over_seeds(
        comparison, {task: found[reference, task].ratio for name, task in found if name == reference}
    )
    figures: dict[Key, dict[str, Figure]] = {}
    for (method, task), own in found.items():
        baseline = found.get((reference, task)) or found.get((reference, ""))
        figures[method, task] = own.over(None if method == reference else baseline, confidence)
    for task in dict.fromkeys(task for _, task in found):
        keys = [key for key in figures if key[1] == task]
        figures |= dict(zip(keys, with_holm([figures[key] for key in keys]), strict=True))
    rows = []
    for (method, task), own in found.items():
        row: TableRow = {"method": method, "kind": own.kind, "task": task, "runs": len(own.figures)}
        row |= {"n_training": own.n_training, "n_patients": own.n_patients}
        for name, figure in figures[method, task].items():
            row |= figure_cells(name, figure, REFERENCE)
        row |= {f"best_reader_{name}": value for name, value in own.best_reader.items()}
        rows.append(row)
    return pl.DataFrame(rows, infer_schema_length=None)


def networks_over_seeds(runs: Sequence[SupervisedRun]) -> dict[Key, OverSeeds]:
    """The networks' figures of every seed."""
    found: dict[Key, OverSeeds] = {}
    for run in runs:
        metrics, key = run.folder.read_metrics(), (run.method, run.task or "")
        if key not in found:
            found[key] = OverSeeds(NETWORK, metrics.n_training or 0, metrics.n_patients, run.ratio)
        found[key].figures[run.seed] = figures_of(metrics, run.task)
        found[key].best_reader = metrics.best_reader
    return found


def markers_over_seeds(comparison: pl.DataFrame, ratios: Mapping[str, float]) -> dict[Key, OverSeeds]:
    """The markers' areas of every seed; `ratios` are the reference's by task."""
    found: dict[Key, OverSeeds] = {}
    for row in comparison.filter(pl.col("kind") == MARKER).iter_rows(named=True):
        ratio = ratios.get(row["cut"], ratios.get(""))
        if ratio is None or row["auc"] is None:
            continue
        own = found.setdefault((row["method"], row["cut"]), OverSeeds(MARKER, 0, 0, ratio))
        name = AT_CUT + row["cut"]
        if row["split"] == TEST:
            own.n_patients = row["n"]
        else:
            own.n_training, name = row["n"], f"training_{name}"
        own.figures.setdefault(row["seed"], {})[name] = row["auc"]
    return found


def figures_of(metrics: Metrics, task: str | None) -> dict[str, float]:
    """What is averaged over seeds; a task's AUC stands under its cut, as it does where every stage is told."""
    result: dict[str, float] = {}
    parts: tuple[tuple[str, PatientFigures | None], ...] = (("", metrics), ("training_", metrics.training))
    for prefix, part in parts:
        if part is None:
            continue
        figures = {"accuracy": part.accuracy}
        if task is None:
            figures["auc_macro"] = part.auc_macro
        figures |= {AT_CUT + (task or cut): figure for cut, figure in part.auc_at_cut.items()}
        figures |= {} if prefix else calling_figures(part, task)
        result |= {prefix + name: figure.value for name, figure in figures.items() if figure.value is not None}
    return result


def calling_figures(part: PatientFigures, task: str | None) -> dict[str, Estimate]:
    """How stages are called and whether the probabilities mean what they say, as far as a run says it."""
    told = {"kappa": part.kappa, "within_one": part.within_one, "log_loss": part.log_loss, "brier": part.brier}
    told |= {RECALL + stage: figure for stage, figure in part.recall.items()} if task is None else {}
    told |= {SLOPE + (task or cut): figures.slope for cut, figures in part.calibration.items()}
    return {name: figure for name, figure in told.items() if figure is not None}
