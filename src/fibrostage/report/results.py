"""What a results folder holds: one run, or a study of many, brought to one shape for the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

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
from fibrostage.report.attribution import Attribution
from fibrostage.results.examples import ExamplePatients
from fibrostage.results.metrics import Metrics, ParticipantFlow
from fibrostage.results.participants import known_once
from fibrostage.results.predictions import scores_of
from fibrostage.results.run_folder import PLAN
from fibrostage.results.validation import Validation
from fibrostage.stats.agreement import confusion

PREVALENCES = (0.1, 0.3)  # at which predictive values are told beside the cohort's own
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
    def judging(self) -> Staging:
        """The stages at whose cuts methods are judged: of a run that learned one cut the whole system with that cut
        alone, as a marker is of the whole system."""
        task = None if self.diagnosis is not None else staging_of(self.plans[0], Path(PLAN)).task
        return self.staging if task is None else replace(self.whole, cuts=(task,))

    @property
    def told(self) -> Sequence[KeptRun]:
        """What each network told of its test patients."""
        return self.kept or [KeptRun(name, 0, None, table) for name, table in self.predictions.items()]

    @property
    def networks(self) -> list[Judged]:
        """Every network at every cut, on test patients."""
        one_cut = self.judging != self.staging
        runs = [replace(run, task=self.judging.cuts[0]) for run in self.told] if one_cut else self.told
        return judged_networks(runs, self.judging)

    @cached_property
    def judged(self) -> tuple[Judged, ...]:
        """Every network and marker at every cut, on test patients; networks first."""
        networks = self.networks
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
        where they have none. Of a study that asks, the networks that were asked for like the first."""
        if self.diagnosis is not None or not self.kept:
            return self.diagnosis
        alike = [run for run in self.kept if run.strategy == self.kept[0].strategy]
        known = known_once(run.participants for run in alike)
        if known is None:
            return None
        name, confidence, none = alike[0].method, self.first.confidence, pl.DataFrame()
        networks = [one for one in self.networks if one.method in {run.method for run in alike}]
        scores = scores_beside(networks, known, self.judging, alike[0].seed)
        if not len(scores):
            return None
        found = comparison_table(scores, self.judging, name, confidence)
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
        known = self.kept[0].participants if self.kept else None
        if self.diagnosis is not None:
            return markers_of_scores(self.diagnosis.of_seed(self.diagnosis.scores), self.staging, known)
        if known is None or not networks:
            return []
        folds = dict(zip(networks[0].patients.tolist(), networks[0].folds, strict=True))
        return judged_markers(known, folds, self.judging)

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
        return f"{self.staging.name} · {', '.join(self.staging.classes)} · {runs} · {cohort_text(self.first)}"

    @property
    def caveats(self) -> list[str]:
        return list(dict.fromkeys(caveat for metrics in self.metrics for caveat in metrics.caveats))


def staging_of(plan: Plan, where: Path) -> StagingPlan:
    """A saved plan's staging; raises `RunError` where the plan has none that can be read."""
    try:
        return StagingPlan.model_validate(plan["staging"])
    except (KeyError, ValueError):
        raise RunError(f"{where} is damaged: its staging is missing or not what it must be") from None


def cohort_text(metrics: Metrics) -> str:
    """The name of the cohort, said to be one where it does not say so itself."""
    name = metrics.cohort.name
    return name if "cohort" in name.lower() else f"cohort {name}"


def seen_of(method: str, title: str = "") -> Seen:
    """What a run's method sees; `title` is what a study calls it, the rest of which tells what it is like else."""
    return Seen(frozenset(method.split("+")), title.replace(method, "", 1))
