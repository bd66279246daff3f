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
from typing import Any

import polars as pl

from fibrostage.analysis.networks_and_markers import (
    MARKER,
    NETWORK,
    Reader,
    comparison_table,
    cutoffs_table,
    marker_columns,
    pictures_table,
    scores_table,
)
from fibrostage.analysis.over_runs import against, with_holm
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import PlanError, nearest
from fibrostage.results.predictions import TEST
from fibrostage.results.run_folder import METRICS, PREDICTIONS, read_json, read_parquet
from fibrostage.stats.resampled import resampled_mean
from fibrostage.study.divisions import held_out_ratio
from fibrostage.study.grid_file import Run, StudyPlan, methods_of


def supervised_tables(study: StudyPlan, cohort: Cohort, runs: Sequence[Run]) -> dict[str, pl.DataFrame]:
    """Every table by its file's name."""
    reference = study.compare.reference or runs[0].method
    readers = [reader_of(run) for run in runs]
    confidence = runs[0].plan.evaluation.confidence
    scores = scores_table(readers, cohort, study.compare.markers)
    comparison = comparison_table(scores, cohort.staging, reference, confidence)
    tables = {
        "results": results_over_seeds(cohort, runs, comparison, reference, confidence),
        "scores": scores,
        "comparison": comparison,
        "pictures": pictures_table(readers, cohort.staging, confidence),
        "cutoffs": cutoffs_table(scores, cohort.staging, confidence),
    }
    return {name: table.with_columns(simulated=pl.lit(cohort.simulated)) for name, table in tables.items()}


def check_comparison(study: StudyPlan, cohort: Cohort) -> None:
    """Raises `PlanError` for a reference, marker or task that is none, before anything is trained."""
    methods, reference, cuts = methods_of(study.grid), study.compare.reference, cohort.staging.cuts
    if reference is not None and reference not in methods:
        raise PlanError(
            f"compare.reference = {reference!r}{nearest(reference, methods)} is no method of the study; "
            f"there are {', '.join(methods)}"
        )
    for task in study.grid.tasks:
        if task not in cuts:
            raise PlanError(
                f"grid.tasks: {task!r}{nearest(task, cuts)} is not a cut of cohort {cohort.name!r}; it has "
                f"{', '.join(cuts)}"
            )
    marker_columns(cohort, study.compare.markers)


def reader_of(run: Run) -> Reader:
    """A run's predictions; of several folds the test patients' alone, who are in training in the other folds."""
    predictions = read_parquet(run.folder / PREDICTIONS)
    if predictions["fold"].n_unique() > 1:
        predictions = predictions.filter(pl.col("split") == TEST)
    return Reader(run.method, run.plan.seed, run.plan.staging.task, predictions)


@dataclass
class OverSeeds:
    """What is known of a method and task, or a marker and cut: figures by seed, and who trains and tests."""

    kind: str
    n_training: int
    n_patients: int
    ratio: float
    figures: dict[int, dict[str, float]] = field(default_factory=dict)


def results_over_seeds(
    cohort: Cohort, runs: Sequence[Run], comparison: pl.DataFrame, reference: str, confidence: float
) -> pl.DataFrame:
    """One row a method and task, and a marker and cut: means over seeds with the corrected resampled interval, and
    against the reference on the same divisions."""
    found = networks_over_seeds(cohort, runs)
    found |= markers_over_seeds(
        comparison, {task: found[reference, task].ratio for name, task in found if name == reference}
    )
    rows = []
    for (method, task), own in found.items():
        row: dict[str, Any] = {"method": method, "kind": own.kind, "task": task, "runs": len(own.figures)}
        row |= {"n_training": own.n_training, "n_patients": own.n_patients}
        baseline = found.get((reference, task)) or found.get((reference, ""))
        for figure in dict.fromkeys(name for one in own.figures.values() for name in one):
            known = [one[figure] for one in own.figures.values() if figure in one]
            mean, _ = resampled_mean(known, own.ratio, confidence)
            row |= {figure: mean.value, f"{figure}_lo": inside(mean.lo), f"{figure}_hi": inside(mean.hi)}
            if method != reference and baseline is not None:
                name = f"{figure}_vs_reference"
                row |= against(own.figures, baseline.figures, figure, own.ratio, name, confidence)
        rows.append(row)
    for task in dict.fromkeys(row["task"] for row in rows):
        with_holm([row for row in rows if row["task"] == task], "_vs_reference_p")
    return pl.DataFrame(rows, infer_schema_length=None)


def inside(bound: float | None) -> float | None:
    """A bound of a share or an AUC, cut to [0, 1]."""
    return None if bound is None else min(1.0, max(0.0, bound))


def networks_over_seeds(cohort: Cohort, runs: Sequence[Run]) -> dict[tuple[str, str], OverSeeds]:
    found: dict[tuple[str, str], OverSeeds] = {}
    for run in runs:
        metrics, task = read_json(run.folder / METRICS), run.plan.staging.task
        key = (run.method, task or "")
        if key not in found:
            ratio = held_out_ratio(cohort, run.plan)
            found[key] = OverSeeds(NETWORK, metrics["n_training"], metrics["n_patients"], ratio)
        found[key].figures[run.plan.seed] = figures_of(metrics, task)
    return found


def markers_over_seeds(comparison: pl.DataFrame, ratios: Mapping[str, float]) -> dict[tuple[str, str], OverSeeds]:
    """The markers' areas of every seed; `ratios` are the reference's by task."""
    found: dict[tuple[str, str], OverSeeds] = {}
    for row in comparison.filter(pl.col("kind") == MARKER).iter_rows(named=True):
        ratio = ratios.get(row["cut"], ratios.get(""))
        if ratio is None or row["auc"] is None:
            continue
        own = found.setdefault((row["method"], row["cut"]), OverSeeds(MARKER, 0, 0, ratio))
        name = f"auc_at_{row['cut']}"
        if row["split"] == TEST:
            own.n_patients = row["n"]
        else:
            own.n_training, name = row["n"], f"training_{name}"
        own.figures.setdefault(row["seed"], {})[name] = row["auc"]
    return found


def figures_of(metrics: Mapping[str, Any], task: str | None) -> dict[str, float]:
    """What is averaged over seeds; a task's AUC stands under its cut, as it does where every stage is told."""
    result: dict[str, float] = {}
    for prefix, part in (("", metrics), ("training_", metrics.get("training"))):
        if part is None:
            continue
        figures = {"accuracy": part["accuracy"]}
        if task is None:
            figures["auc_macro"] = part["auc_macro"]
        for cut, figure in part["auc_at_cut"].items():
            figures[f"auc_at_{task or cut}"] = figure
        result |= {prefix + name: figure["value"] for name, figure in figures.items() if figure["value"] is not None}
    return result


def common_flow(runs: Sequence[Run]) -> dict[str, Any]:
    """The participant flow of the first run, without its training cohort where the runs have different ones."""
    flow: dict[str, Any] = read_json(runs[0].folder / METRICS)["flow"]
    if any(run.plan.split.use < 1 for run in runs):
        flow.pop("training", None)
    return flow
