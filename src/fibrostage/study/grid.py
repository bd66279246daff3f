"""A study: modality sets × strategies × seeds on one cohort, each an active-learning run in a folder of its own.

A run is addressed by what it is (cohort and plan), so a study that was stopped goes on with what is missing,
and nothing is run twice. A run that fails is kept with its reason and does not stop the rest.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fibrostage.active.strategies import STRATEGIES
from fibrostage.cohort.store import Cohort, open_cohort
from fibrostage.errors import FibrostageError, PlanError, RunError
from fibrostage.learn.runfolder import CURVE, METRICS, read_json, read_parquet, replace_file, write_json, write_parquet
from fibrostage.learn.train import plan_for
from fibrostage.plan import Plan, explain, read_plan_file
from fibrostage.progress import SILENT, Progress
from fibrostage.study.results import results_table

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
RESULTS, CURVES, STUDY, RUNS = "results.parquet", "curves.parquet", "study.json", "runs"


class Grid(BaseModel):
    """The axes of a study; every combination is one run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    modalities: tuple[tuple[str, ...], ...] = Field(min_length=1)
    strategies: tuple[str, ...] = Field(("random", "esd"), min_length=1)
    seeds: tuple[int, ...] = Field((0,), min_length=1)
    folds: tuple[int, ...] = Field((0,), min_length=1)

    @model_validator(mode="after")
    def _different(self) -> Grid:
        for axis, values in self:
            if len(set(values)) != len(values):
                raise PlanError(f"grid.{axis} repeats a value: {list(values)}")
        return self


AXES = ("seed", "network.modalities", "active.strategy", "active.fold")


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


def load_study(path: Path) -> tuple[StudyPlan, Cohort]:
    try:
        study = StudyPlan.model_validate(read_plan_file(path))
    except ValidationError as error:
        raise PlanError(explain(error, str(path), StudyPlan)) from None
    for name in study.grid.strategies:
        STRATEGIES[name]
    return study, open_cohort((path.parent / study.cohort).resolve())


def cells(study: StudyPlan, cohort: Cohort, out: Path, overrides: Sequence[str] = ()) -> list[Run]:
    for key in ("network", "active"):
        if not isinstance(study.plan.get(key, {}), dict):
            raise PlanError(f"study: plan.{key} = {study.plan[key]!r} must be a section of the plan")
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
    for override in overrides:
        if override.partition("=")[0].strip() in AXES:
            raise PlanError(f"--set {override!r}: {override.partition('=')[0]} is an axis of the study's grid")
    if out.is_dir() and any(out.iterdir()) and not (out / RUNS).is_dir():
        raise RunError(f"{out} holds something else than a study; choose another --out")
    study, cohort = load_study(path)
    runs = cells(study, cohort, out, overrides)
    try:
        (out / RUNS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot write to {out}: {error.strerror}") from None
    warm_cache(cohort, runs, progress)
    failures = run_missing(cohort, runs, progress)
    done = [run for run in runs if run.folder not in failures]
    content = {
        **study.model_dump(mode="json"),
        "cohort": str(cohort.path),
        "runs": [run.folder.name for run in done],
        "failures": {folder.name: reason for folder, reason in failures.items()},
    }
    write_json(out / STUDY, content)
    if not done:
        raise FibrostageError(f"every run of the study failed; the first: {next(iter(failures.values()))}")
    curves = pl.concat([read_parquet(run.folder / CURVE) for run in done], how="diagonal_relaxed")
    write_parquet(out / CURVES, curves)
    metrics = [read_json(run.folder / METRICS) for run in done]
    results = results_table(curves, metrics, done[0].plan.staging.resolve().cuts)
    write_parquet(out / RESULTS, results)
    replace_file(out / "results.csv", lambda temporary: results.write_csv(temporary))
    return results


def run_missing(cohort: Cohort, runs: Sequence[Run], progress: Progress) -> dict[Path, str]:
    """Runs every cell without results, a process each; returns the reasons of those that failed."""
    missing = [run for run in runs if not (run.folder / METRICS).is_file()]
    failures: dict[Path, str] = {}
    with (
        progress.task("runs", len(runs)) as advance,
        single_threaded(),
        ProcessPoolExecutor(workers_for(len(missing)), get_context("spawn"), one_thread) as pool,
    ):
        advance(len(runs) - len(missing))
        with deaf_to_interrupts():
            jobs = {pool.submit(execute, cohort.path, run): run for run in missing}
        try:
            for job in as_completed(jobs):
                error = job.exception()
                reason = f"{type(error).__name__}: {error}" if error else job.result()
                if reason:
                    failures[jobs[job].folder] = reason
                    progress.say(f"failed: {jobs[job].folder.name}: {reason}")
                advance(1)
        except BaseException:
            workers = list((pool._processes or {}).values())
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in workers:
                worker.terminate()
            raise
    return failures


@contextmanager
def deaf_to_interrupts() -> Iterator[None]:
    """Processes started in the block leave Ctrl-C to their parent, which ends them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def workers_for(runs: int) -> int:
    """One process a core, or a GPU, and never more than there are runs."""
    import torch

    return max(1, min(torch.cuda.device_count() or os.cpu_count() or 1, runs))


@contextmanager
def single_threaded() -> Iterator[None]:
    """Child processes started in the block use one thread each in every numerical library."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def warm_cache(cohort: Cohort, runs: Sequence[Run], progress: Progress) -> None:
    """Computes frozen features once, with all threads, before single-threaded runs share them."""
    from fibrostage.learn.boundary import maps_of
    from fibrostage.learn.features import features_of
    from fibrostage.learn.learner import resolve_precision
    from fibrostage.networks.backbones import BACKBONES
    from fibrostage.networks.weights import build_backbone

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
                backbone = build_backbone(spec, plan.network.weights, plan.seed)
                if plan.training.finetune == "head":
                    features_of(cohort, name, spec, backbone, precision, progress, plan.training.mirror)
                elif plan.training.boundary:
                    maps_of(cohort, name, spec, backbone, precision, progress)


def one_thread() -> None:
    """A worker process is one run: parallelism is over runs."""
    import torch

    torch.set_num_threads(1)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what is half-written is taken away


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
