"""A study: modality sets × strategies × seeds on one cohort, each an active-learning run in a folder of its own.

A run is addressed by what it is (cohort and plan), so a study that was stopped goes on with what is missing,
and nothing is run twice. A run that fails is kept with its reason and does not stop the rest.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fibrostage.active.strategies import STRATEGIES
from fibrostage.cohort.store import Cohort, open_cohort
from fibrostage.errors import FibrostageError, PlanError
from fibrostage.learn.runfolder import CURVE, METRICS, read_json, read_parquet, write_json, write_parquet
from fibrostage.learn.train import plan_for
from fibrostage.plan import Plan, explain, read_plan_file
from fibrostage.progress import SILENT, Progress
from fibrostage.study.results import results_table

RESULTS, CURVES, STUDY, RUNS = "results.parquet", "curves.parquet", "study.json", "runs"


class Grid(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    modalities: tuple[tuple[str, ...], ...]
    strategies: tuple[str, ...] = ("random", "esd")
    seeds: tuple[int, ...] = Field((0,), min_length=1)
    folds: tuple[int, ...] = (0,)


class StudyPlan(BaseModel):
    """STUDY.toml: paths are relative to its own folder; `plan` holds plan keys that every run shares."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = "study"
    cohort: str
    grid: Grid
    plan: dict[str, Any] = {}


@dataclass(frozen=True)
class Run:
    """One cell of the grid."""

    plan: Plan
    folder: Path


def load_study(path: Path, overrides: Sequence[str] = ()) -> tuple[StudyPlan, Cohort]:
    try:
        study = StudyPlan.model_validate(read_plan_file(path))
    except ValidationError as error:
        raise PlanError(explain(error, str(path), StudyPlan)) from None
    for name in study.grid.strategies:
        STRATEGIES[name]
    return study, open_cohort((path.parent / study.cohort).resolve())


def cells(study: StudyPlan, cohort: Cohort, out: Path, overrides: Sequence[str] = ()) -> list[Run]:
    runs = []
    for modalities in study.grid.modalities:
        for strategy in study.grid.strategies:
            for fold in study.grid.folds:
                for seed in study.grid.seeds:
                    data = {key: dict(v) if isinstance(v, dict) else v for key, v in study.plan.items()}
                    data["seed"] = seed
                    data["network"] = {**data.get("network", {}), "modalities": list(modalities)}
                    data["active"] = {**data.get("active", {}), "strategy": strategy, "fold": fold}
                    plan = plan_for(cohort, data, list(overrides), "study")
                    label = f"{'+'.join(modalities)}-{strategy}-f{fold}-s{seed}"
                    address = f"{label}-{plan.digest()[:8]}{cohort.fingerprint[:8]}"
                    runs.append(Run(plan, out / RUNS / address))
    return runs


def run_study(path: Path, out: Path, overrides: Sequence[str] = (), progress: Progress = SILENT) -> pl.DataFrame:
    """Runs what is missing of the grid in parallel processes; returns and writes the results table."""
    study, cohort = load_study(path)
    runs = cells(study, cohort, out, overrides)
    (out / RUNS).mkdir(parents=True, exist_ok=True)
    write_json(out / STUDY, {**study.model_dump(mode="json"), "cohort": str(cohort.path)})
    warm_cache(cohort, runs, progress)
    missing = [run for run in runs if not (run.folder / METRICS).is_file()]
    failures: dict[Path, str] = {}
    workers = max(1, min(os.cpu_count() or 1, len(missing)))
    with (
        progress.task("runs", len(runs)) as advance,
        ProcessPoolExecutor(workers, get_context("spawn"), one_thread) as pool,
    ):
        advance(len(runs) - len(missing))
        jobs = {pool.submit(execute, cohort.path, run): run for run in missing}
        try:
            for job in as_completed(jobs):
                reason = job.result()
                if reason:
                    failures[jobs[job].folder] = reason
                    progress.say(f"failed: {jobs[job].folder.name}: {reason}")
                advance(1)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if len(failures) == len(runs):
        raise FibrostageError(f"every run of the study failed; the first: {next(iter(failures.values()))}")
    done = [run for run in runs if run.folder not in failures]
    curves = pl.concat([read_parquet(run.folder / CURVE) for run in done], how="diagonal_relaxed")
    write_parquet(out / CURVES, curves)
    metrics = [read_json(run.folder / METRICS) for run in done]
    results = results_table(curves, metrics, cohort.staging.cuts)
    write_parquet(out / RESULTS, results)
    results.write_csv(out / "results.csv")
    return results


def warm_cache(cohort: Cohort, runs: Sequence[Run], progress: Progress) -> None:
    """Computes frozen features once, with all threads, before single-threaded runs share them."""
    from fibrostage.learn.features import features_of
    from fibrostage.learn.learner import resolve_precision
    from fibrostage.networks.backbones import BACKBONES
    from fibrostage.networks.weights import build_backbone

    seen = set()
    for run in runs:
        plan = run.plan
        spec = BACKBONES[plan.network.backbone]
        if plan.training.finetune != "head":
            continue
        precision = resolve_precision(plan.training.precision)
        for name in plan.fused:
            random_seed = plan.seed if plan.network.weights == "random" else 0
            key = (name, spec.name, plan.network.weights, random_seed, precision)
            if key not in seen:
                seen.add(key)
                backbone = build_backbone(spec, plan.network.weights, plan.seed)
                features_of(cohort, name, spec, backbone, precision, progress)


def one_thread() -> None:
    """A worker process is one run: parallelism is over runs."""
    import torch

    torch.set_num_threads(1)


def execute(cohort_path: Path, run: Run) -> str | None:
    """One run in a worker; an unfinished folder of an earlier try is resumed. Returns why it failed, or None."""
    from fibrostage.active.ledger import FILE
    from fibrostage.active.loop import run_active

    try:
        resume = (run.folder / FILE).is_file()
        if run.folder.exists() and not resume:
            shutil.rmtree(run.folder)
        run_active(open_cohort(cohort_path), run.plan, run.folder, resume)
    except FibrostageError as error:
        return str(error)
    return None
