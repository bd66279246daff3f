"""A study's file and the runs it stands for: networks × modality sets × strategies × splits × folds × seeds.

A run is addressed by what it is (plan and cohort), so that the same run is never made twice, whatever study asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fibrostage.active.chosen import choose_strategy
from fibrostage.cohort.store import Cohort, open_cohort
from fibrostage.errors import PlanError
from fibrostage.learn.train import plan_for
from fibrostage.plan import Plan, explain, read_plan_file

RUNS = "runs"
AXES = ("seed", "network.modalities", "active.strategy", "active.fold")


class Grid(BaseModel):
    """The axes of a study; every combination is one run. `networks` and `splits` name parts of a plan."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    modalities: tuple[tuple[str, ...], ...] = Field(min_length=1)
    strategies: tuple[str, ...] = Field(("random", "esd"), min_length=1)
    seeds: tuple[int, ...] = Field((0,), min_length=1)
    folds: tuple[int, ...] = Field((0,), min_length=1)
    networks: dict[str, dict[str, Any]] = {}
    splits: dict[str, dict[str, Any]] = {}

    @model_validator(mode="after")
    def _different(self) -> Grid:
        for axis, values in self:
            if not isinstance(values, dict) and len(set(values)) != len(values):
                raise PlanError(f"grid.{axis} repeats a value: {list(values)}")
        return self


class StudyPlan(BaseModel):
    """STUDY.toml: paths are relative to its own folder; `plan` holds plan keys that every run shares."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = "study"
    cohort: str
    grid: Grid
    plan: dict[str, Any] = {}


@dataclass(frozen=True)
class Run:
    """One cell of the grid; `method` is what it is called in tables."""

    plan: Plan
    folder: Path
    method: str

    @property
    def name(self) -> str:
        return self.folder.name


def load_study(path: Path) -> tuple[StudyPlan, Cohort]:
    try:
        study = StudyPlan.model_validate(read_plan_file(path))
    except ValidationError as error:
        raise PlanError(explain(error, str(path), StudyPlan)) from None
    for name in study.grid.strategies:
        choose_strategy(name)
    return study, open_cohort((path.parent / study.cohort).resolve())


def cells(study: StudyPlan, cohort: Cohort, out: Path, overrides: Sequence[str] = ()) -> list[Run]:
    """Every run of the grid, folds and seeds innermost."""
    grid = study.grid
    refuse_axes(grid, overrides)
    runs = []
    for (network, split), modalities, strategy, fold, seed in product(
        variants(grid), grid.modalities, grid.strategies, grid.folds, grid.seeds
    ):
        data = merged(study.plan, grid.networks.get(network, {}))
        data = merged(data, {"split": grid.splits.get(split, {})})
        data = merged(data, {"network": {"modalities": list(modalities)}, "seed": seed})
        data = merged(data, {"active": {"strategy": strategy, "fold": fold}})
        plan = plan_for(cohort, data, list(overrides), "study")
        method = " ".join(part for part in (network, "+".join(modalities), split) if part)
        label = f"{method}-{strategy}-f{fold}-s{seed}".replace(" ", "_").replace("/", "_").replace(":", "_")
        runs.append(Run(plan, out / RUNS / f"{label}-{plan.digest()[:8]}{cohort.fingerprint[:8]}", method))
    return runs


def refuse_axes(grid: Grid, overrides: Sequence[str]) -> None:
    """Raises `PlanError` for an override of anything that the grid varies, or of a section that holds it."""
    varied = {*AXES, *(key for part in grid.networks.values() for key in leaves(part))}
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
    return product(grid.networks or {"": {}}, grid.splits or {"": {}})


def merged(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Plan data with other plan data laid over it, section by section."""
    result = dict(base)
    for key, value in more.items():
        before = result.get(key, {})
        if isinstance(value, Mapping):
            if not isinstance(before, Mapping):
                raise PlanError(f"study: {key} = {before!r} must be a section of the plan")
            result[key] = merged(before, value)
        else:
            result[key] = value
    return result
