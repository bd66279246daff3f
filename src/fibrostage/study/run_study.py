"""A study: a grid of runs on one cohort, each in a folder of its own, and the tables made of them.

A study that was stopped goes on with what is missing. A run that fails is kept with its reason and does not stop
the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from fibrostage.analysis.common_patients import AskedRun, common_table
from fibrostage.analysis.counted import counted_table
from fibrostage.analysis.label_efficiency import efficiency_table
from fibrostage.analysis.over_runs import results_table
from fibrostage.analysis.published import published_at_cuts, published_table
from fibrostage.analysis.supervised_study import SupervisedRun, supervised_tables
from fibrostage.cohort.best_reader import best_reader
from fibrostage.cohort.store import Cohort, open_cohort
from fibrostage.ground.errors import FibrostageError, RunError
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.results.metrics import ParticipantFlow
from fibrostage.results.run_folder import RunFolder, read_parquet
from fibrostage.results.study_folder import (
    COMMON,
    COUNTED,
    CURVES,
    EFFICIENCY,
    PUBLISHED,
    RESULTS,
    StudyFolder,
    StudyRecord,
)
from fibrostage.study.comparison import check_comparison
from fibrostage.study.divisions import check_same_divisions, held_out_ratio
from fibrostage.study.given_cohorts import with_cohorts
from fibrostage.study.grid_file import Run, cells, load_study
from fibrostage.study.late_fusion import late_curves, late_name
from fibrostage.study.run_one import Engine
from fibrostage.study.study_plan import StudyPlan
from fibrostage.study.weight_sources import train_sources
from fibrostage.study.workers import run_locally


def run_study(
    path: Path,
    out: Path,
    overrides: Sequence[str] = (),
    progress: Progress = SILENT,
    engine: Engine = run_locally,
    recipe: str | None = None,
    folders: Mapping[str, str] | None = None,
) -> pl.DataFrame:
    """Runs what is missing of the grids; writes the study's tables; returns the results table. With a study's `recipe`,
    `path` is the cohort; `folders` are those of the cohorts that a study leaves to be given, by name.

    Raises `RunError` where `out` holds something else, `PlanError` for a study that cannot be followed, and
    `FibrostageError` where every run failed.
    """
    folder = StudyFolder(out)
    if out.is_dir() and any(out.iterdir()) and not folder.runs_folder.is_dir():
        raise RunError(f"{out} holds something else than a study; choose another --out")
    study, cohort = load_study(path, recipe)
    study, left_out = with_cohorts(study, folders or {})
    for name in left_out:
        progress.say(f"left out: {name}, which sees a cohort that was not given (--cohort NAME=FOLDER)")
    if study.supervised:
        check_comparison(study, cohort)
    try:
        folder.runs_folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot write to {out}: {error.strerror}") from None
    train_sources(study, path.parent, out, progress)
    runs = cells(study, cohort, out, overrides, path.parent)
    if study.supervised:
        check_same_divisions(runs)
    for source in {run.plan.network.source for run in runs}:
        if source is not None and source.read_as is not None:
            progress.say(source.read_as)
    failures = run_missing(runs, progress, engine)
    return write_tables(study, cohort, runs, failures, folder)


def run_missing(runs: Sequence[Run], progress: Progress, engine: Engine) -> dict[str, str]:
    """Runs every cell without results; returns the reasons of those that failed, by name."""
    missing = [run for run in runs if not RunFolder(run.folder).finished]
    failures: dict[str, str] = {}
    if missing:
        warm_cache(missing, progress)
    with progress.task("runs", len(runs)) as advance:
        advance(len(runs) - len(missing))

        def done(run: Run, reason: str | None) -> None:
            if reason:
                failures[run.name] = reason
                progress.say(f"failed: {run.name}: {reason}")
            advance(1)

        if missing:
            engine(missing, done)
    return failures


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
    first = finished[0].plan
    tables = supervised(study, cohort, finished) if study.supervised else active(study, finished)
    if study.counted:
        tables[COUNTED] = counted_table(cohort, study.counted, first.split.require)
    for name, table in tables.items():
        folder.write_table(name, table)
    return tables[RESULTS]


def supervised(study: StudyPlan, cohort: Cohort, finished: Sequence[Run]) -> dict[str, pl.DataFrame]:
    """The tables of a supervised study, by name."""
    runs = [
        SupervisedRun(
            run.method,
            run.plan.seed,
            run.plan.staging.task,
            run.plan.evaluation.confidence,
            held_out_ratio(open_cohort(run.cohort), run.plan),
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
    ratios = {method: held_out_ratio(open_cohort(run.cohort), run.plan) for method, run in by_method.items()}
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


def warm_cache(runs: Sequence[Run], progress: Progress) -> None:
    """Computes frozen features once, with all threads, before single-threaded runs share them."""
    from fibrostage.learn.boundary_cache import maps_of
    from fibrostage.learn.features import features_of
    from fibrostage.learn.learner import resolve_precision
    from fibrostage.networks.backbones import BACKBONES
    from fibrostage.networks.weights import backbone_of

    seen = set()
    for run in runs:
        plan = run.plan
        spec = BACKBONES[plan.network.backbone]
        if plan.training.finetune == "all":
            continue
        precision = resolve_precision(plan.training.precision)
        for name in plan.fused:
            random_seed = plan.seed if plan.network.weights == "random" else 0
            how = (precision, plan.training.mirror, plan.training.finetune)
            key = (run.cohort, name, spec.name, plan.network.weights, plan.network.source, random_seed, *how)
            if key not in seen:
                seen.add(key)
                cohort, backbone = open_cohort(run.cohort), backbone_of(plan.network, plan.seed)
                if plan.training.finetune == "head":
                    features_of(cohort, name, spec, backbone, precision, progress, plan.training.mirror)
                elif plan.training.boundary:
                    maps_of(cohort, name, spec, backbone, precision, progress)
