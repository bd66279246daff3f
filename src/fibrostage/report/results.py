"""What a results folder holds: one run, or a study of many, brought to one shape for the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from fibrostage.active.strategy_expression import ALL, title_of
from fibrostage.analysis.networks_and_markers import COHORTS
from fibrostage.ground.errors import RunError
from fibrostage.ground.files import Json
from fibrostage.ground.stage import Staging
from fibrostage.plan.staging import StagingPlan
from fibrostage.report.attribution import Attribution, attribution_of
from fibrostage.results.metrics import Metrics, ParticipantFlow
from fibrostage.results.run_folder import RunFolder, read_parquet
from fibrostage.results.study_folder import (
    COMMON,
    COMPARISON,
    COUNTED,
    CURVES,
    CUTOFFS,
    EFFICIENCY,
    PICTURES,
    PUBLISHED,
    RESULTS,
    SCORES,
    StudyFolder,
    StudyRecord,
)
from fibrostage.results.validation import Validation, read_validation

MOST_SHOWN = 3  # strategies whose last rounds are drawn side by side
Plan = Mapping[str, Json]  # plan.json, of this version or an earlier one


@dataclass(frozen=True)
class Diagnosis:
    """The tables of a supervised study; `seed` is the one whose curves and comparisons are shown."""

    reference: str
    confidence: float
    results: pl.DataFrame
    scores: pl.DataFrame
    comparison: pl.DataFrame
    pictures: pl.DataFrame
    cutoffs: pl.DataFrame

    @property
    def seed(self) -> int:
        return int(self.scores["seed"][0])

    @property
    def splits(self) -> list[str]:
        """The cohorts that there are scores of."""
        return [split for split in COHORTS if (self.scores["split"] == split).any()]

    def of_seed(self, table: pl.DataFrame) -> pl.DataFrame:
        """The rows of the seed that is shown."""
        return table.filter(pl.col("seed") == self.seed) if len(table) else table


@dataclass(frozen=True)
class Results:
    """Everything a page shows. `predictions` are of each run's last round, per method and strategy."""

    name: str
    staging: Staging
    metrics: list[Metrics]
    plans: Sequence[Plan]
    predictions: dict[str, pl.DataFrame] = field(default_factory=dict)
    curves: pl.DataFrame | None = None
    table: pl.DataFrame | None = None
    efficiency: pl.DataFrame | None = None
    failures: dict[str, str] = field(default_factory=dict)
    flow: ParticipantFlow | None = None
    diagnosis: Diagnosis | None = None
    attributions: tuple[Attribution, ...] = ()
    published: pl.DataFrame | None = None
    counted: pl.DataFrame | None = None
    common: pl.DataFrame | None = None
    paper: str = ""
    validation: Validation | None = None

    @property
    def first(self) -> Metrics:
        return self.metrics[0]

    @property
    def single(self) -> Metrics | None:
        """The metrics of a folder that holds one run."""
        return self.first if self.table is None and self.diagnosis is None else None

    @property
    def simulated(self) -> bool:
        return any(metrics.simulated for metrics in self.metrics)

    @property
    def caveats(self) -> list[str]:
        return list(dict.fromkeys(caveat for metrics in self.metrics for caveat in metrics.caveats))


def read_results(folder: Path) -> Results:
    """Reads a run or a study; raises `RunError` when the folder is neither, unfinished or damaged."""
    run, study = RunFolder(folder), StudyFolder(folder)
    if run.finished:
        return read_run(run)
    if study.finished:
        return read_study(study)
    if run.begun:
        raise RunError(f"the run in {folder} is not finished (no {run.metrics_file.name})")
    if not folder.is_dir():
        raise RunError(f"no folder {folder}")
    table = study.table_file(RESULTS).name
    raise RunError(f"{folder} is neither a run (no {run.metrics_file.name}) nor a finished study (no {table})")


def staging_of(plan: Plan, where: Path) -> StagingPlan:
    """A saved plan's staging; raises `RunError` where the plan has none that can be read."""
    try:
        return StagingPlan.model_validate(plan["staging"])
    except (KeyError, ValueError):
        raise RunError(f"{where} is damaged: its staging is missing or not what it must be") from None


def read_run(run: RunFolder) -> Results:
    """One run: a supervised one, or one that asked."""
    metrics, plan = run.read_metrics(), run.read_plan()
    curves = read_parquet(run.curve_file) if run.curve_file.is_file() else None
    seen = attribution_of(run, metrics.method)
    return Results(
        run.name,
        metrics.staging(staging_of(plan, run.plan_file).name),
        [metrics],
        [plan],
        {metrics.method: run.read_predictions()},
        curves,
        flow=metrics.flow,
        attributions=(seen,) if seen else (),
        validation=read_validation(run.path),
    )


def read_study(folder: StudyFolder) -> Results:
    """A study of supervised runs, or of runs that asked; raises `RunError` where it holds no run."""
    record = folder.read()
    runs = list(folder.runs(record))
    if not runs:
        raise RunError(f"the study in {folder.path} holds no finished run")
    metrics, plans = [run.read_metrics() for run in runs], [run.read_plan() for run in runs]
    staging = staging_of(plans[0], runs[0].plan_file)
    if record.supervised:
        return read_supervised(folder, record, runs, metrics, plans, staging.whole())
    beside = folder.beside(record)
    by_method: dict[str, list[pl.DataFrame]] = {}
    shown = strategies_shown(one.strategy or "" for one in metrics)
    for run, one in zip(runs, metrics, strict=True):
        if one.strategy in shown:
            title = f"{record.methods[run.name]} {title_of(one.strategy)}"
            by_method.setdefault(title, []).append(run.read_predictions())
    return Results(
        record.name,
        metrics[0].staging(staging.name),
        metrics,
        plans,
        {method: pl.concat(tables) for method, tables in by_method.items()},
        folder.read_table(CURVES),
        folder.read_table(RESULTS),
        beside[EFFICIENCY],
        record.failures,
        record.flow,
        published=beside.get(PUBLISHED),
        counted=beside.get(COUNTED),
        common=beside.get(COMMON),
        paper=record.paper,
    )


def read_supervised(
    folder: StudyFolder,
    record: StudyRecord,
    runs: list[RunFolder],
    metrics: list[Metrics],
    plans: Sequence[Plan],
    staging: Staging,
) -> Results:
    """A study of supervised runs; the staging is the whole system, whatever cut a run learned."""
    found = (
        attribution_of(run, f"{record.methods[run.name]} {staging_of(plan, run.plan_file).task or ''}".strip())
        for run, plan in zip(runs, plans, strict=True)
    )
    tables = {name: folder.read_table(name) for name in (RESULTS, SCORES, COMPARISON, PICTURES, CUTOFFS)}
    reference = record.compare.reference or tables[RESULTS]["method"][0]
    return Results(
        record.name,
        staging,
        metrics,
        plans,
        failures=record.failures,
        flow=record.flow,
        diagnosis=Diagnosis(reference, metrics[0].confidence, **tables),
        attributions=tuple(one for one in found if one is not None),
    )


def strategies_shown(names: Iterable[str]) -> set[str]:
    """Whose last round is worth a ROC curve: all of a few, else one that had every label."""
    every = list(dict.fromkeys(names))
    return set(every) if len(every) <= MOST_SHOWN else {ALL} & set(every) or {every[0]}
