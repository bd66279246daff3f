"""A study: a grid of runs on one cohort, each in a folder of its own, and the tables made of them.

A study that was stopped goes on with what is missing. A run that fails is kept with its reason and does not stop
the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from fibrostage.analysis.label_efficiency import efficiency_table
from fibrostage.analysis.over_runs import results_table
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import FibrostageError, RunError
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.results.run_folder import (
    CURVE,
    METRICS,
    read_json,
    read_parquet,
    replace_file,
    write_json,
    write_parquet,
)
from fibrostage.study.divisions import check_same_divisions, held_out_ratio
from fibrostage.study.grid_file import RUNS, Run, StudyPlan, cells, load_study
from fibrostage.study.run_one import Engine
from fibrostage.study.supervised import check_comparison, common_flow, supervised_tables
from fibrostage.study.weight_sources import train_sources
from fibrostage.study.workers import run_locally

RESULTS, CURVES, EFFICIENCY, STUDY = "results.parquet", "curves.parquet", "efficiency.parquet", "study.json"


def run_study(
    path: Path,
    out: Path,
    overrides: Sequence[str] = (),
    progress: Progress = SILENT,
    engine: Engine = run_locally,
) -> pl.DataFrame:
    """Runs what is missing of the grid; writes the study's tables; returns the results table."""
    if out.is_dir() and any(out.iterdir()) and not (out / RUNS).is_dir():
        raise RunError(f"{out} holds something else than a study; choose another --out")
    study, cohort = load_study(path)
    if study.supervised:
        check_comparison(study, cohort)
    try:
        (out / RUNS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot write to {out}: {error.strerror}") from None
    train_sources(study, path.parent, out, progress)
    runs = cells(study, cohort, out, overrides)
    if study.supervised:
        check_same_divisions(runs)
    failures = run_missing(cohort, runs, progress, engine)
    return write_tables(study, cohort, runs, failures, out)


def run_missing(cohort: Cohort, runs: Sequence[Run], progress: Progress, engine: Engine) -> dict[str, str]:
    """Runs every cell without results; returns the reasons of those that failed, by name."""
    missing = [run for run in runs if not (run.folder / METRICS).is_file()]
    failures: dict[str, str] = {}
    if missing:
        warm_cache(cohort, missing, progress)
    with progress.task("runs", len(runs)) as advance:
        advance(len(runs) - len(missing))

        def done(run: Run, reason: str | None) -> None:
            if reason:
                failures[run.name] = reason
                progress.say(f"failed: {run.name}: {reason}")
            advance(1)

        if missing:
            engine(cohort.path, missing, done)
    return failures


def write_tables(
    study: StudyPlan, cohort: Cohort, runs: Sequence[Run], failures: dict[str, str], out: Path
) -> pl.DataFrame:
    finished = [run for run in runs if run.name not in failures]
    content: dict[str, Any] = {
        **study.model_dump(mode="json"),
        "cohort": str(cohort.path),
        "runs": [run.name for run in finished],
        "methods": {run.name: run.method for run in finished},
        "failures": failures,
        "supervised": study.supervised,
    }
    if not finished:
        write_json(out / STUDY, content)
        raise FibrostageError(f"every run of the study failed; the first: {next(iter(failures.values()))}")
    if study.supervised:
        write_json(out / STUDY, content | {"flow": common_flow(finished)})
        tables = supervised_tables(study, cohort, finished)
        for name, table in tables.items():
            write_table(out / f"{name}.parquet", table)
        return tables["results"]
    write_json(out / STUDY, content)
    return write_active_tables(cohort, finished, out)


def write_active_tables(cohort: Cohort, finished: Sequence[Run], out: Path) -> pl.DataFrame:
    """Curves, results over them, and what labels bought."""
    curves = pl.concat(
        [read_parquet(run.folder / CURVE).with_columns(method=pl.lit(run.method)) for run in finished],
        how="diagonal_relaxed",
    )
    metrics = [read_json(run.folder / METRICS) for run in finished]
    results = results_table(curves, metrics, finished[0].plan.staging.resolve().cuts)
    write_table(out / CURVES, curves)
    write_table(out / RESULTS, results)
    plans = {run.method: run.plan for run in finished}
    ratios = {method: held_out_ratio(cohort, plan) for method, plan in plans.items()}
    shared = {method: plan.split.scheme == "column" for method, plan in plans.items()}
    efficiency = efficiency_table(curves, ratios, shared, any(m["simulated"] for m in metrics))
    write_table(out / EFFICIENCY, efficiency)
    return results


def tables_beside(out: Path) -> dict[str, pl.DataFrame]:
    """What a study's folder holds beside the results, and a program would read: by name."""
    names = ("comparison", "pictures", "cutoffs") if read_json(out / STUDY)["supervised"] else ("efficiency",)
    return {name: read_parquet(out / f"{name}.parquet") for name in names}


def write_table(path: Path, table: pl.DataFrame) -> None:
    write_parquet(path, table)
    replace_file(path.with_suffix(".csv"), table.write_csv)


def warm_cache(cohort: Cohort, runs: Sequence[Run], progress: Progress) -> None:
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
            key = (name, spec.name, plan.network.weights, random_seed, *how)
            if key not in seen:
                seen.add(key)
                backbone = backbone_of(plan.network, plan.seed)
                if plan.training.finetune == "head":
                    features_of(cohort, name, spec, backbone, precision, progress, plan.training.mirror)
                elif plan.training.boundary:
                    maps_of(cohort, name, spec, backbone, precision, progress)
