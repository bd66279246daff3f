"""What a results folder holds: one run, or a study of many, brought to one shape for the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fibrostage.active.strategy_expression import ALL, title_of
from fibrostage.analysis.judged import (
    Judged,
    KeptRun,
    judged_markers,
    judged_networks,
    markers_of_scores,
    scores_beside,
)
from fibrostage.analysis.modalities_added import Added, Seen, modalities_added
from fibrostage.analysis.networks_and_markers import COHORTS, NETWORK, comparison_table
from fibrostage.analysis.probabilities import AtCut, at_cut
from fibrostage.analysis.subgroups import Subgroups, subgroups_of
from fibrostage.ground.errors import RunError
from fibrostage.ground.files import Json
from fibrostage.ground.stage import Staging
from fibrostage.plan.staging import StagingPlan
from fibrostage.report.attribution import Attribution, attribution_of
from fibrostage.results.examples import ExamplePatients, read_examples
from fibrostage.results.metrics import Metrics, ParticipantFlow
from fibrostage.results.predictions import scores_of
from fibrostage.results.run_folder import PLAN, RunFolder, read_parquet
from fibrostage.results.study_folder import (
    BUDGETS,
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
from fibrostage.stats.agreement import confusion

PREVALENCES = (0.1, 0.3)  # at which predictive values are told beside the cohort's own
MOST_SHOWN = 3  # strategies whose last rounds are drawn side by side
Plan = Mapping[str, Json]  # plan.json, of this version or an earlier one


@dataclass(frozen=True)
class Diagnosis:
    """The tables of a supervised study; `seed` is the one whose curves and comparisons are shown. Of a run there are
    scores and the comparison alone."""

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
    budgets: pl.DataFrame | None = None
    paper: str = ""
    validation: Validation | None = None
    kept: tuple[KeptRun, ...] = ()
    prevalences: tuple[float, ...] = PREVALENCES
    by_modality: pl.DataFrame | None = None
    seen: Mapping[str, Seen] = field(default_factory=dict)
    examples: ExamplePatients | None = None

    @property
    def whole(self) -> Staging:
        """The whole staging system, also where a run learned one cut of it."""
        return staging_of(self.plans[0], Path(PLAN)).whole()

    @property
    def told(self) -> Sequence[KeptRun]:
        """What each network told of its test patients; of a study that asks, without what its folders keep beside."""
        return self.kept or [KeptRun(name, 0, None, table) for name, table in self.predictions.items()]

    @cached_property
    def judged(self) -> tuple[Judged, ...]:
        """Every network and marker at every cut, on test patients; networks first."""
        networks = judged_networks(self.told, self.staging)
        return (*networks, *self.markers_beside(networks))

    @cached_property
    def at_cuts(self) -> list[AtCut]:
        """Calibration and decision curve of each network at each cut, of its test patients."""
        first = self.first
        return [
            at_cut(one.method, one.cut, one.positive, one.score, first.seed, first.confidence)
            for one in self.judged
            if one.kind == NETWORK
        ]

    @cached_property
    def subgroups(self) -> list[tuple[Judged, list[Subgroups]]]:
        """Of a run its network, of a study the reference: at each cut what is known of its test patients, group by
        group; nothing where their participants were not kept."""
        if not self.kept:
            return []
        name = self.kept[0].method
        known = {run.task: run.participants for run in self.kept if run.method == name}
        found = []
        for judged in self.judged:
            participants = known.get(None, known.get(judged.cut))
            if judged.kind == NETWORK and judged.method == name and participants is not None:
                found.append((judged, subgroups_of(judged, participants, self.first.confidence)))
        return found

    @cached_property
    def beside_markers(self) -> Diagnosis | None:
        """A study's networks beside the markers; of a run its network beside those that its test patients have, None
        where they have none, or the run learned one cut."""
        known = self.kept[0].participants if self.kept else None
        if self.diagnosis is not None or known is None or self.staging != self.whole:
            return self.diagnosis
        name, confidence, none = self.kept[0].method, self.first.confidence, pl.DataFrame()
        scores = scores_beside(judged_networks(self.kept, self.staging), known, self.staging, self.kept[0].seed)
        if not len(scores):
            return None
        found = comparison_table(scores, self.staging, name, confidence)
        found = found.with_columns(simulated=pl.lit(self.simulated))
        return Diagnosis(name, confidence, none, scores, found, none, none)

    @cached_property
    def added(self) -> list[Added]:
        """What each modality adds: of a run to its own network, which it is withheld from; of a study between its
        networks that see the same but for it."""
        if self.by_modality is None:
            return modalities_added(self.told, self.seen, self.staging, self.first.confidence)
        names = self.by_modality["method"].unique(maintain_order=True).to_list()
        runs = [KeptRun(name, 0, None, self.by_modality.filter(pl.col("method") == name)) for name in names]
        seen = {name: seen_of(name) for name in names}
        return modalities_added(runs, seen, self.staging, self.first.confidence, self.first.method)

    def markers_beside(self, networks: Sequence[Judged]) -> list[Judged]:
        """The markers of a study that compares some; of a run those that have published thresholds."""
        if self.diagnosis is not None:
            known = self.kept[0].participants if self.kept else None
            return markers_of_scores(self.diagnosis.of_seed(self.diagnosis.scores), self.staging, known)
        known = self.kept[0].participants if self.kept else None
        if known is None or not networks or not set(known["stage"].drop_nulls()) <= set(self.staging.classes):
            return []  # of a run that learned one cut
        folds = dict(zip(networks[0].patients.tolist(), networks[0].folds, strict=True))
        return judged_markers(known, folds, self.staging)

    @cached_property
    def confusions(self) -> dict[str, NDArray[np.int64]]:
        """Test patients by true and called stage [K, K] of each method."""
        found = {method: scores_of(table, self.staging) for method, table in self.predictions.items()}
        return {name: confusion(own.stages, own.called, len(self.staging.classes)) for name, own in found.items()}

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
    def about(self) -> str:
        """What stands below the page's title."""
        runs = f"{len(self.metrics)} run{'s' if len(self.metrics) > 1 else ''}"
        return f"{self.staging.name} · {', '.join(self.staging.classes)} · {runs} · cohort {self.first.cohort.name}"

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
        kept=(kept_of(run, metrics, None, metrics.method),) if metrics.strategy is None else (),
        validation=read_validation(run.path),
        examples=read_examples(run.examples_file, run.example_pictures_file),
        by_modality=read_parquet(run.by_modality_file) if run.by_modality_file.is_file() else None,
    )


def kept_of(run: RunFolder, metrics: Metrics, task: str | None, method: str) -> KeptRun:
    """What a supervised run keeps of its patients; `task` is the cut of the study's stages that it learned, None where
    its stages are those of the report."""
    told = run.read_callings()
    return KeptRun(method, metrics.seed, task, run.read_predictions(), told, run.read_participants())


def seen_of(method: str, title: str = "") -> Seen:
    """What a run's method sees; `title` is what a study calls it, the rest of which tells what it is like else."""
    return Seen(frozenset(method.split("+")), title.replace(method, "", 1))


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
    seen: dict[str, Seen] = {}
    shown = strategies_shown(one.strategy or "" for one in metrics)
    for run, one in zip(runs, metrics, strict=True):
        if one.strategy in shown:
            title = f"{record.methods[run.name]} {title_of(one.strategy)}"
            by_method.setdefault(title, []).append(run.read_predictions())
            seen[title] = seen_of(one.method, title)
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
        budgets=beside.get(BUDGETS),
        paper=record.paper,
        seen=seen,
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
    shown = int(tables[SCORES]["seed"][0])
    kept = [
        kept_of(run, one, staging_of(plan, run.plan_file).task, record.methods[run.name])
        for run, one, plan in zip(runs, metrics, plans, strict=True)
        if one.seed == shown
    ]
    return Results(
        record.name,
        staging,
        metrics,
        plans,
        failures=record.failures,
        flow=record.flow,
        diagnosis=Diagnosis(reference, metrics[0].confidence, **tables),
        kept=tuple(sorted(kept, key=lambda one: one.method != reference)),
        attributions=tuple(one for one in found if one is not None),
        seen={
            record.methods[run.name]: seen_of(one.method, record.methods[run.name])
            for run, one in zip(runs, metrics, strict=True)
        },
    )


def strategies_shown(names: Iterable[str]) -> set[str]:
    """Whose last round is worth a ROC curve: all of a few, else one that had every label."""
    every = list(dict.fromkeys(names))
    return set(every) if len(every) <= MOST_SHOWN else {ALL} & set(every) or {every[0]}
