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

from pydantic import ValidationError

from fibrostage.active.strategy_expression import choose_strategy
from fibrostage.cohort.store import Cohort, open_cohort
from fibrostage.ground.errors import PlanError, nearest
from fibrostage.learn.plan_for_cohort import plan_for
from fibrostage.plan.commands import ACTIVE, TRAIN, Reads, digest, refuse_unread
from fibrostage.plan.file import explain, laid_over, read_plan_file
from fibrostage.plan.old_formats import says_the_same
from fibrostage.plan.recipes import RECIPES, PlanRecipe
from fibrostage.plan.run_plan import Plan
from fibrostage.results.run_folder import RunFolder
from fibrostage.results.study_folder import StudyFolder
from fibrostage.study.study_plan import SOURCE, Grid, StudyPlan

AXES = ("seed", "network.modalities", "active.strategy", "active.fold")


@dataclass(frozen=True)
class Run:
    """One cell of the grid; `method` is what it is called in tables."""

    plan: Plan
    folder: Path
    method: str
    supervised: bool
    cohort: Path
    network: str = ""
    split: str = ""

    @property
    def name(self) -> str:
        return self.folder.name


def load_study(path: Path, recipe: str | None = None) -> tuple[StudyPlan, Cohort]:
    """Reads a study's file and opens its cohort. A plan's `recipe` lies under the study's [plan]; with a study's,
    `path` is the cohort.

    Raises `PlanError` where the file is no study, names an unknown strategy or sets what its runs do not read, and
    `CohortError` where the cohort cannot be opened.
    """
    data, base = study_data(path, None if recipe is None else RECIPES[recipe])
    try:
        study = StudyPlan.model_validate(data)
    except ValidationError as error:
        raise PlanError(explain(error, str(path), StudyPlan)) from None
    for grid in study.grids:
        for name in grid.strategies:
            choose_strategy(name)
        for part in (study.plan, *grid.networks.values(), *grid.splits.values()):
            refuse_unread(part, study.reads)
    return study, open_cohort((base / study.cohort).resolve())


def study_data(path: Path, recipe: PlanRecipe | None) -> tuple[dict[str, Any], Path]:
    """A study file's content, and the folder that its paths are relative to.

    Raises `PlanError` where a study's recipe is not given a cohort, or a plan's not a study's file.
    """
    if recipe is None:
        return read_plan_file(path), path.parent
    if recipe.of_study:
        if not path.is_dir():
            raise PlanError(f"recipe {recipe.name!r} is a study of a cohort: give it a cohort's folder, got {path}")
        return {**recipe.data, "cohort": str(path.resolve())}, path.parent
    if path.is_dir():
        raise PlanError(f"recipe {recipe.name!r} is of a plan: give it a study's file, got the folder {path}")
    data = read_plan_file(path)
    reads = ACTIVE if data.get("grid", {}).get("strategies", True) else TRAIN
    under = {name: section for name, section in recipe.data.items() if name in reads.sections}
    return {**data, "plan": laid_over(under, data.get("plan", {}))}, path.parent


def cells(study: StudyPlan, cohort: Cohort, out: Path, overrides: Sequence[str] = (), base: Path = Path()) -> list[Run]:
    """Every run of the grids, each once, folds and seeds innermost; other cohorts' paths are relative to `base`.

    Raises `PlanError` where a grid asks for what a cohort cannot give, and where another cohort is of other patients.
    """
    others = {name: other_cohort(cohort, base / path, name) for name, path in study.cohorts.items()}
    runs = {}
    for grid in study.grids:
        refuse_axes(grid, overrides)
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
            seen = others.get(network, cohort)
            plan = plan_for(seen, with_sources(data, study, out), overrides, "study", study.reads)
            if plan.tracking.to:
                raise PlanError("a study's runs are watched by its own tables; [tracking] is of train and active")
            method = method_of(network, modalities, split)
            parts = (method, task, strategy, f"f{fold}-s{seed}" if strategy else f"s{seed}")
            label = "-".join(part for part in parts if part).replace(" ", "_").replace("/", "_").replace(":", "_")
            folder = run_folder(StudyFolder(out).runs_folder, label, plan, seen.fingerprint[:8], study.reads)
            runs[folder] = Run(plan, folder, method, study.supervised, seen.path, network, split)
    return list(runs.values())


def other_cohort(cohort: Cohort, path: Path, network: str) -> Cohort:
    """The cohort of another stored size that a network sees.

    Raises `PlanError` where it does not hold the same patients with the same stages.
    """
    other = open_cohort(path.resolve())
    identity = ["patient_id", "stage"]
    if not other.patients.select(identity).equals(cohort.patients.select(identity)):
        differing = len(set(other.patient_ids) ^ set(cohort.patient_ids))
        raise PlanError(
            f"[cohorts]: {network!r} sees {other.name!r}, which must hold the patients of {cohort.name!r} with their "
            f"stages ({len(other.patient_ids)} and {len(cohort.patient_ids)} patients, {differing} in one alone)"
        )
    return other


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


def methods_of(study: StudyPlan) -> list[str]:
    """Lists what the columns of a study's grids are called in tables, in their order."""
    return [
        method_of(network, modalities, split)
        for grid in study.grids
        for (network, split), modalities in product(variants(grid), grid.modalities)
    ]


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
