"""A study's tables, made of the runs that finished."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from fibrostage.analysis.budgets import budgets_table
from fibrostage.analysis.common_patients import AskedRun, common_table
from fibrostage.analysis.counted import counted_table
from fibrostage.analysis.label_efficiency import efficiency_table
from fibrostage.analysis.over_runs import results_table
from fibrostage.analysis.published import published_at_cuts, published_table
from fibrostage.analysis.supervised_study import SupervisedRun, supervised_tables
from fibrostage.cohort.best_reader import best_reader
from fibrostage.cohort.store import Cohort, open_cohort
from fibrostage.ground.errors import FibrostageError
from fibrostage.results.metrics import ParticipantFlow
from fibrostage.results.run_folder import RunFolder, read_parquet
from fibrostage.results.study_folder import (
    BUDGETS,
    COMMON,
    COUNTED,
    CURVES,
    EFFICIENCY,
    PUBLISHED,
    RESULTS,
    StudyFolder,
    StudyRecord,
)
from fibrostage.study.divisions import held_out_ratio
from fibrostage.study.grid_file import Run
from fibrostage.study.late_fusion import late_curves, late_name
from fibrostage.study.study_plan import StudyPlan

TABLES = (BUDGETS, COMMON, COUNTED, PUBLISHED)  # that only some studies have


def write_tables(
    study: StudyPlan, cohort: Cohort, runs: Sequence[Run], failures: dict[str, str], folder: StudyFolder
) -> pl.DataFrame:
    """Writes study.json and the tables of what finished; raises `FibrostageError` where nothing did."""
    finished = [run for run in runs if run.name not in failures]
    record = StudyRecord.model_validate(
        {
            **study.model_dump(mode="json"),
            "cohort": str(cohort.path),
            "runs": [run.name for run in finished],
            "methods": {run.name: run.method for run in finished},
            "failures": failures,
            "supervised": study.supervised,
            "flow": common_flow(finished) if finished else None,
        }
    )
    folder.write(record)
    if not finished:
        raise FibrostageError(f"every run of the study failed; the first: {next(iter(failures.values()))}")
    tables = supervised(study, cohort, finished) if study.supervised else active(study, finished)
    if study.counted:
        tables[COUNTED] = counted_table(cohort, study.counted, finished[0].plan.split.require)
    for name in TABLES:
        folder.remove_table(name)  # what an earlier call wrote of another grid
    for name, table in tables.items():
        folder.write_table(name, table)
    return tables[RESULTS]


def ratios_of(runs: Sequence[Run]) -> dict[str, float]:
    """Test over training patients, by method."""
    by_method = {run.method: run for run in runs}
    cohorts = {path: open_cohort(path) for path in {run.cohort for run in runs}}
    return {method: held_out_ratio(cohorts[run.cohort], run.plan) for method, run in by_method.items()}


def supervised(study: StudyPlan, cohort: Cohort, finished: Sequence[Run]) -> dict[str, pl.DataFrame]:
    """The tables of a supervised study, by name."""
    ratios = ratios_of(finished)
    runs = [
        SupervisedRun(
            run.method,
            run.plan.seed,
            run.plan.staging.task,
            run.plan.evaluation.confidence,
            ratios[run.method],
            RunFolder(run.folder),
        )
        for run in finished
    ]
    compare = study.compare
    tables = supervised_tables(runs, cohort, compare.markers, compare.reference or runs[0].method, compare.units)
    if study.published:
        tables[PUBLISHED] = published_at_cuts(tables[RESULTS], study.published)
    return tables


def active(study: StudyPlan, finished: Sequence[Run]) -> dict[str, pl.DataFrame]:
    """Curves, results over them, what labels bought, and what a paper printed, by name."""
    folders = [RunFolder(run.folder) for run in finished]
    fitted = pl.concat(
        [
            read_parquet(folder.curve_file).with_columns(method=pl.lit(run.method))
            for run, folder in zip(finished, folders, strict=True)
        ],
        how="diagonal_relaxed",
    )
    simulated = any(folder.read_metrics().simulated for folder in folders)
    by_method = {run.method: run for run in finished}
    ratios = ratios_of(finished)
    shared = {method: run.plan.split.scheme == "column" for method, run in by_method.items()}
    staging = finished[0].plan.staging.resolve()
    efficiency = efficiency_table(fitted, ratios, shared, simulated)
    late = late_curves(study, finished)
    ratios |= {late_name(one): max(ratios.values()) for one in study.late_fusion}
    best = {method: RunFolder(run.folder).read_metrics().best_reader for method, run in by_method.items()}
    best |= {late_name(one): best_reader(finished[0].cohort, one.modalities) for one in study.late_fusion}
    curves = pl.concat([fitted, *late], how="diagonal_relaxed")
    tables = {
        CURVES: curves,
        RESULTS: results_table(curves, ratios, simulated, staging.cuts, best),
        EFFICIENCY: efficiency,
    }
    asked = [
        AskedRun(run.method, run.plan.active.strategy, (run.plan.seed, run.plan.active.fold), RunFolder(run.folder))
        for run in finished
    ]
    settings = finished[0].plan.evaluation
    budgets = budgets_table(asked, staging, simulated, settings.bootstrap, settings.confidence)
    if len(budgets):
        tables[BUDGETS] = budgets
    common = common_table(asked, staging, ratios, simulated)
    if len(common):
        tables[COMMON] = common
    if study.published:
        tables[PUBLISHED] = published_table(curves, study.published, ratios, simulated, study.stands_in)
    return tables


def common_flow(runs: Sequence[Run]) -> ParticipantFlow | None:
    """The participant flow of all runs: of the first one, but for cohorts that are not the same in every run."""
    flows = [RunFolder(run.folder).read_metrics().flow for run in runs]
    first = flows[0]
    if first is None:
        return None
    differing = [name for name in ("training", "test") if len({getattr(flow, name, None) for flow in flows}) > 1]
    return first.model_copy(update=dict.fromkeys(differing))
