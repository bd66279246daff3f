"""A study: a grid of runs on one cohort, each in a folder of its own, and the tables made of them.

A study that was stopped goes on with what is missing. A run that fails is kept with its reason and does not stop
the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from fibrostage.cohort.store import open_cohort
from fibrostage.ground.errors import RunError
from fibrostage.ground.files import refuse_bucket
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.results.run_folder import RunFolder
from fibrostage.results.study_folder import (
    StudyFolder,
)
from fibrostage.study.comparison import check_comparison
from fibrostage.study.divisions import check_same_divisions
from fibrostage.study.given_cohorts import with_cohorts
from fibrostage.study.grid_file import Run, cells, load_study
from fibrostage.study.run_one import Engine
from fibrostage.study.study_tables import write_tables
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
    refuse_bucket(out)
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
        for name in plan.pictured:
            random_seed = plan.seed if plan.network.weights == "random" else 0
            how = (precision, plan.training.mirror, plan.training.finetune, plan.training.blocks)
            key = (run.cohort, name, spec.name, plan.network.weights, plan.network.source, random_seed, *how)
            if key not in seen:
                seen.add(key)
                cohort, backbone = open_cohort(run.cohort), backbone_of(plan.network, plan.seed)
                if plan.training.finetune == "head":
                    features_of(cohort, name, spec, backbone, precision, progress, plan.training.mirror)
                elif plan.training.boundary:
                    maps_of(cohort, name, spec.behind(plan.training.blocks, backbone), backbone, precision, progress)
