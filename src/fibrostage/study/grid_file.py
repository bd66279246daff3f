"""A study's file and the runs it stands for: networks × modality sets × splits × tasks × strategies × folds × seeds.

Without strategies a run is one supervised fit; with them, one active-learning run.

A run is addressed by what it is (plan and cohort), so that the same run is never made twice, whatever study asks.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fibrostage.active.strategy_expression import choose_strategy
from fibrostage.cohort.store import Cohort, open_cohort
from fibrostage.ground.errors import PlanError, nearest
from fibrostage.learn.plan_for_cohort import plan_for
from fibrostage.plan.commands import ACTIVE, TRAIN, Reads, digest, refuse_unread
from fibrostage.plan.file import explain, laid_over, read_plan_file
from fibrostage.plan.old_formats import says_the_same
from fibrostage.plan.run_plan import Plan
from fibrostage.results.run_folder import RunFolder
from fibrostage.results.study_folder import StudyFolder

SOURCE = "source:"
AXES = ("seed", "network.modalities", "active.strategy", "active.fold")


class Grid(BaseModel):
    """The axes of a study; every combination is one run. `networks` and `splits` name parts of a plan; `tasks` are cuts
    that are learned one by one; `strategies` = [] asks for supervised runs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    modalities: tuple[tuple[str, ...], ...] = Field(min_length=1)
    strategies: tuple[str, ...] = ("random", "esd")
    tasks: tuple[str, ...] = ()
    seeds: tuple[int, ...] = Field((0,), min_length=1)
    folds: tuple[int, ...] = Field((0,), min_length=1)
    networks: dict[str, dict[str, Any]] = {}
    splits: dict[str, dict[str, Any]] = {}

    @model_validator(mode="after")
    def _different(self) -> Grid:
        if not self.strategies and self.folds != (0,):
            raise PlanError("grid.folds is of active-learning runs; a supervised run fits every fold of its split")
        if self.strategies and self.tasks:
            raise PlanError(
                "grid.tasks is of supervised studies; active learning of one cut is staging.task under [plan]"
            )
        for axis, values in self:
            if not isinstance(values, dict) and len(set(values)) != len(values):
                raise PlanError(f"grid.{axis} repeats a value: {list(values)}")
        return self


class SourceRun(BaseModel):
    """A run on another cohort, made first, whose weights networks may take as weights = "source:NAME"."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cohort: str
    plan: dict[str, Any] = {}


class ComparePlan(BaseModel):
    """Of a supervised study: what stands beside the networks. `reference` is the method that is compared with all
    others, the first of the grid unless named. `units` states the unit of a measured column that seems to be in
    another."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    markers: tuple[str, ...] = ()
    units: dict[str, str] = {}
    reference: str | None = None


class StudyPlan(BaseModel):
    """STUDY.toml: cohorts' paths are relative to its own folder; `plan` holds plan keys that every run shares."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = "study"
    cohort: str
    grid: Grid
    plan: dict[str, Any] = {}
    source: dict[str, SourceRun] = {}
    compare: ComparePlan = ComparePlan()

    @property
    def supervised(self) -> bool:
        return not self.grid.strategies

    @property
    def reads(self) -> Reads:
        """What the study's runs read of a plan."""
        return TRAIN if self.supervised else ACTIVE


@dataclass(frozen=True)
class Run:
    """One cell of the grid; `method` is what it is called in tables."""

    plan: Plan
    folder: Path
    method: str
    supervised: bool = False

    @property
    def name(self) -> str:
        return self.folder.name


def load_study(path: Path) -> tuple[StudyPlan, Cohort]:
    """Reads a study's file and opens its cohort.

    Raises `PlanError` where the file is no study, names an unknown strategy or sets what its runs do not read, and
    `CohortError` where the cohort cannot be opened.
    """
    try:
        study = StudyPlan.model_validate(read_plan_file(path))
    except ValidationError as error:
        raise PlanError(explain(error, str(path), StudyPlan)) from None
    for name in study.grid.strategies:
        choose_strategy(name)
    for part in (study.plan, *study.grid.networks.values(), *study.grid.splits.values()):
        refuse_unread(part, study.reads)
    return study, open_cohort((path.parent / study.cohort).resolve())


def cells(study: StudyPlan, cohort: Cohort, out: Path, overrides: Sequence[str] = ()) -> list[Run]:
    """Every run of the grid, folds and seeds innermost."""
    grid = study.grid
    refuse_axes(grid, overrides)
    runs = []
    for (network, split), modalities, task, strategy, fold, seed in product(
        variants(grid), grid.modalities, grid.tasks or (None,), grid.strategies or (None,), grid.folds, grid.seeds
    ):
        data = laid_over(study.plan, grid.networks.get(network, {}))
        data = laid_over(data, {"split": grid.splits.get(split, {})})
        data = laid_over(data, {"network": {"modalities": list(modalities)}, "seed": seed})
        if task is not None:
            data = laid_over(data, {"staging": {"task": task}})
        if strategy is not None:
            data = laid_over(data, {"active": {"strategy": strategy, "fold": fold}})
        plan = plan_for(cohort, with_sources(data, study, out), overrides, "study", study.reads)
        method = method_of(network, modalities, split)
        parts = (method, task, strategy, f"f{fold}-s{seed}" if strategy else f"s{seed}")
        label = "-".join(part for part in parts if part).replace(" ", "_").replace("/", "_").replace(":", "_")
        folder = run_folder(StudyFolder(out).runs_folder, label, plan, cohort.fingerprint[:8], study.reads)
        runs.append(Run(plan, folder, method, study.supervised))
    return runs


def run_folder(runs: Path, label: str, plan: Plan, cohort: str, reads: Reads) -> Path:
    """Where a run is, or will be: named by what it reads of its plan and by its cohort.

    A run that an earlier version named otherwise is known again by its saved plan.
    """
    folder = runs / f"{label}-{digest(plan, reads)[:8]}{cohort}"
    if not folder.exists():
        for other in sorted(runs.glob(f"{glob.escape(label)}-????????{cohort}")):
            if RunFolder(other).begun and says_the_same(RunFolder(other).read_plan(), plan, reads):
                return other
    return folder


def method_of(network: str, modalities: Sequence[str], split: str) -> str:
    """What a column of the grid is called in tables."""
    return " ".join(part for part in (network, "+".join(modalities), split) if part)


def methods_of(grid: Grid) -> list[str]:
    """Lists what the columns of a grid are called in tables, in the grid's order."""
    every = product(variants(grid), grid.modalities)
    return [method_of(network, modalities, split) for (network, split), modalities in every]


def with_sources(data: Mapping[str, Any], study: StudyPlan, out: Path) -> dict[str, Any]:
    """Returns plan data in which "source:NAME" is the folder of that source's run.

    Raises `PlanError` where the study has no source of that name.
    """
    weights = data.get("network", {}).get("weights")
    if not isinstance(weights, str) or not weights.startswith(SOURCE):
        return dict(data)
    name = weights.removeprefix(SOURCE)
    if name not in study.source:
        known = ", ".join(study.source) or "none"
        raise PlanError(f"network.weights = {weights!r}{nearest(name, study.source)}: the study's sources are {known}")
    return laid_over(data, {"network": {"weights": str(StudyFolder(out).source_folder(name))}})


def refuse_axes(grid: Grid, overrides: Sequence[str]) -> None:
    """Raises `PlanError` for an override of anything that the grid varies, or of a section that holds it."""
    varied = {*AXES, *(key for part in grid.networks.values() for key in leaves(part))}
    varied |= {"staging.task"} if grid.tasks else set()
    varied |= {f"split.{key}" for part in grid.splits.values() for key in leaves(part)}
    for override in overrides:
        key = override.partition("=")[0].strip()
        if any(f"{axis}.".startswith(f"{key}.") or f"{key}.".startswith(f"{axis}.") for axis in varied):
            raise PlanError(f"--set {override!r}: {key} is an axis of the study's grid")


def leaves(part: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Dotted keys of plan data."""
    for key, value in part.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{above}{key}.")
        else:
            yield above + key


def variants(grid: Grid) -> Iterator[tuple[str, str]]:
    """Yields each network of a grid with each split, by name; "" stands for the one that has no name."""
    return product(grid.networks or {"": {}}, grid.splits or {"": {}})
