"""`bench answers`: can what is said of a new patient be believed?

Simulated cohorts, each with a model that was fitted on all of it, as `train --all` does, and with new patients of the
same population; or the folds of a cohort of the user's own, each network asked of its test patients. Coverage of the
sets of possible stages, what is ruled in and out, accuracy among the surest, models of few patients, false alarms, and
pictures that have no business there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fibrostage.bench.other_sites import OtherSites, sites_tables
from fibrostage.bench.population import MOST, simulated_cohort
from fibrostage.bench.said import (
    FEW_COLUMNS,
    SaidOfPatients,
    alarms_table,
    coverage_table,
    few_row,
    joined,
    missed_table,
    rules_table,
    said_of,
    selective_table,
)
from fibrostage.bench.strangers import EACH, few_table, strangers_for, strangers_table
from fibrostage.bench.tables import FigureTable
from fibrostage.bench.timing import machine
from fibrostage.cohort.splits import Fold
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import PlanError
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.ground.stage import Staging
from fibrostage.learn.checkpoint import calling_of, known_by, load_network, training_pictures
from fibrostage.learn.model import Model
from fibrostage.learn.plan_for_cohort import plan_for
from fibrostage.learn.task import Task, make_task
from fibrostage.learn.train import fit
from fibrostage.phantom.patients import draw_stages
from fibrostage.phantom.recipe import COUNTS
from fibrostage.plan.commands import TRAIN
from fibrostage.plan.run_plan import Plan
from fibrostage.results.run_folder import RunFolder

FEW = (8, 30, 60)  # patients of a cohort who train


@dataclass(frozen=True)
class AnswersBench:
    """The tables, and of what: a `title`, whether the patients are simulated, and the machine. `said` is what the first
    tables are made of."""

    title: str
    simulated: bool
    said: SaidOfPatients
    tables: tuple[FigureTable, ...]
    caveats: tuple[str, ...] = ()
    machine: dict[str, Any] = field(default_factory=machine)

    def as_dict(self) -> dict[str, Any]:
        """What JSON holds."""
        return {
            "title": self.title,
            "simulated": self.simulated,
            "caveats": list(self.caveats),
            "machine": self.machine,
            **{table.key: table.as_dict() for table in self.tables},
        }


@dataclass(frozen=True)
class Simulated:
    """How many cohorts to simulate, of how many patients, each with how many new ones, from which seed on; in how many
    of the cohorts (`closer`) models of few patients and of all sites but one are fitted too. Patients have up to
    `pictures` of a modality."""

    cohorts: int = 20
    patients: int = 168
    new: int = 200
    modalities: tuple[str, ...] = ("LSTE",)
    seed: int = 0
    closer: int = 5
    pictures: int = MOST

    def seeds(self, number: int) -> tuple[int, int]:
        """The seeds of a cohort's patients and of its new ones."""
        first = 10_000 * (self.seed + 1) + 2 * number
        return first, first + 1


def bench_answers(
    simulated: Simulated,
    overrides: Sequence[str] = (),
    data: Path | None = None,
    progress: Progress = SILENT,
    each: int = EACH,
) -> AnswersBench:
    """What is said of new simulated patients. Raises `PlanError` for a modality that the phantom does not have, and for
    overrides that cannot be followed."""
    for name in simulated.modalities:
        if name not in COUNTS:
            raise PlanError(f"--modality {name!r} is not simulated; the phantom has {', '.join(COUNTS)}")
    told: list[SaidOfPatients] = []
    of_few: dict[int, list[SaidOfPatients]] = {count: [] for count in FEW if count < simulated.patients}
    models: list[Model] = []
    few_models: dict[int, list[Model]] = {count: [] for count in of_few}
    sites = OtherSites()
    with progress.task("cohorts", simulated.cohorts) as advance:
        for number in range(simulated.cohorts):
            with TemporaryDirectory(prefix="fibrostage-") as folder:
                work, (own, other) = Path(folder), simulated.seeds(number)
                cohort = simulated_cohort(
                    work / "cohort", own, simulated.patients, simulated.modalities, simulated.pictures
                )
                new = simulated_cohort(work / "new", other, simulated.new, simulated.modalities, simulated.pictures)
                fits = Fits(make_task(cohort, plan_of(cohort, own, overrides)), RunFolder(work / "run"))
                everybody, rows = np.arange(simulated.patients), np.arange(simulated.new)
                models.append(fits.model("all", everybody))
                told.append(said_of(models[-1], new, new.stages, rows))
                if number < simulated.closer:
                    for count, found in of_few.items():
                        few_models[count].append(fits.model(f"of-{count}", some_of(cohort.stages, count, own)))
                        found.append(said_of(few_models[count][-1], new, new.stages, rows))
                    sites.ask(cohort, new, told[-1], fits.model)
            advance(1)
    said = joined(told, clustered=True)
    few_rows = tuple(few_row(count, joined(found, clustered=True)) for count, found in of_few.items() if found)
    plan = models[0].plan
    seen = next(one for one in plan.modality if one.name == plan.fused[0])
    strange = strangers_for(seen, plan.fused, data, simulated.seed, progress, each)
    title = (
        f"{simulated.cohorts} cohorts of {simulated.patients} patients, {simulated.new} new ones each, "
        f"{' ⊕ '.join(plan.fused)}"
    )
    tables = (
        *answer_tables(said, models[0].staging),
        FigureTable("few", "Models of few patients", FEW_COLUMNS, few_rows),
        alarms_table(said),
        *sites_tables(sites),
        strangers_table(models, plan.fused[0], strange),
        *([few_table(few_models, plan.fused[0], strange)] if simulated.closer and few_models else []),
    )
    return AnswersBench(title, True, said, tables)


def bench_answers_of(
    cohort: Cohort,
    overrides: Sequence[str] = (),
    data: Path | None = None,
    progress: Progress = SILENT,
    each: int = EACH,
) -> AnswersBench:
    """What each fold's network says of its test patients, of a cohort of the user's own. Raises `PlanError` where the
    plan cannot be followed."""
    task = make_task(cohort, plan_of(cohort, 0, ("split.scheme=kfold", *overrides)))
    models, told = [], []
    with TemporaryDirectory(prefix="fibrostage-") as folder:
        fits = Fits(task, RunFolder(Path(folder) / "run"))
        with progress.task("folds", len(task.folds)) as advance:
            for fold in task.folds:
                models.append(fits.model(fold.label, fold.train))
                told.append(said_of(models[-1], task.cohort, task.cohort.stages, fold.test))
                advance(1)
    said, plan = joined(told, clustered=False), task.plan
    seen = next(one for one in plan.modality if one.name == plan.fused[0])
    strange = strangers_for(seen, plan.fused, data, plan.seed, progress, each)
    title = f"{cohort.name}: {len(said)} patients, each by the networks of {len(models)} folds that had not seen them"
    tables = (
        *answer_tables(said, task.cohort.staging),
        alarms_table(said),
        strangers_table(models, plan.fused[0], strange),
    )
    return AnswersBench(title, cohort.simulated, said, tables, cohort.caveats)


def answer_tables(said: SaidOfPatients, staging: Staging) -> tuple[FigureTable, ...]:
    """What is said of patients, whoever they are."""
    return (
        coverage_table(said, staging),
        rules_table(said, staging),
        missed_table(said, staging),
        selective_table(said),
    )


def plan_of(cohort: Cohort, seed: int, overrides: Sequence[str]) -> Plan:
    """The plan of a cohort, as `train` would make it."""
    return plan_for(cohort, {}, [f"seed={seed}", *overrides], "bench answers", TRAIN)


@dataclass(frozen=True)
class Fits:
    """Fits of one task, whose models are opened again from their files, as `predict` would."""

    task: Task
    run: RunFolder

    def __post_init__(self) -> None:
        self.run.make()

    def model(self, label: str, patients: NDArray[np.int64]) -> Model:
        """The model that learns from patients (rows [p])."""
        path = self.run.model_file(label)
        fit(self.task, Fold(0, 0, patients, patients[:0]), label, path, self.run, SILENT)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        network, pictures = load_network(path), training_pictures(path)
        return Model(label, digest, (network,), pictures, (calling_of(path),), (known_by(path),))


def some_of(stages: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    """Rows [count] of patients with `stages` [n], drawn in the proportions that the phantom draws stages in, as far as
    there are enough of each."""
    rng = np.random.default_rng([seed, count])
    wanted = np.bincount(draw_stages(count, rng), minlength=int(stages.max()) + 1)
    drawn = [rng.permutation(np.flatnonzero(stages == k))[:number] for k, number in enumerate(wanted.tolist())]
    return np.sort(np.concatenate(drawn))
