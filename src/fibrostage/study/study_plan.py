"""What a study's file says: its grids, where first weights come from, and what stands beside its networks."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from fibrostage.ground.errors import PlanError, nearest
from fibrostage.plan.commands import ACTIVE, TRAIN, Reads
from fibrostage.plan.recipes import published_cells

SOURCE = "source:"


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

    cohort: str = ""
    plan: dict[str, Any] = {}


class ComparePlan(BaseModel):
    """Of a supervised study: what stands beside the networks. `reference` is the method that is compared with all
    others, the first of the grid unless named. `units` states the unit of a measured column that seems to be in
    another."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    markers: tuple[str, ...] = ()
    units: dict[str, str] = {}
    reference: str | None = None


class LateFusion(BaseModel):
    """A row that no network is fitted for: the mean of what the mono-modal runs of a `network` say of each patient."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    network: str = ""
    modalities: tuple[str, ...] = Field(min_length=2)


class PublishedCell(BaseModel):
    """What a paper prints of a method in its table `source`. Of a study that asks: accuracy and average AUC, and the
    share of the labels that the AUC is at. Of a supervised one: the AUC at a `cut`, of the test or training cohort."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    network: str
    modalities: str = ""
    strategy: str = "all"
    cut: str = ""
    training: bool = False
    accuracy: float | None = Field(None, ge=0, le=1)
    auc: float = Field(ge=0, le=1)
    share: float = Field(1.0, gt=0, le=1)

    @property
    def method(self) -> str:
        """What the method is called in tables."""
        return f"{self.network} {self.modalities}".strip()


class StudyPlan(BaseModel):
    """STUDY.toml: cohorts' paths are relative to its own folder; `plan` holds plan keys that every run shares.

    `also` are further grids. By network, `cohorts` are folders in which the same patients' pictures are stored in
    another size; the others see `cohort`. A path that is "" is to be given when the study is called, and what needs it
    is left out where it is not (`given_cohorts`). `published` cells, or those of a packaged table by its name, are of
    the paper `paper`; by its network, `stands_in` is the one here that stands beside it. Of each of `counted`, the
    pictures and pairs of those who are studied are counted by stage.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = "study"
    cohort: str
    grid: Grid
    also: tuple[Grid, ...] = ()
    cohorts: dict[str, str] = {}
    plan: dict[str, Any] = {}
    source: dict[str, SourceRun] = {}
    compare: ComparePlan = ComparePlan()
    late_fusion: tuple[LateFusion, ...] = ()
    paper: str = ""
    published: tuple[PublishedCell, ...] = ()
    stands_in: dict[str, str] = {}
    counted: tuple[tuple[str, ...], ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _packaged(cls, data: Any) -> Any:
        """The cells of a packaged table, where it is named."""
        if isinstance(data, dict) and isinstance(data.get("published"), str):
            return {**data, "published": published_cells(data["published"])}
        return data

    @model_validator(mode="after")
    def _together(self) -> StudyPlan:
        if any(bool(grid.strategies) != bool(self.grid.strategies) for grid in self.also):
            raise PlanError("[grid] and [[also]] must all ask (strategies), or all be supervised (strategies = [])")
        if self.supervised and self.late_fusion:
            raise PlanError("[[late_fusion]] is of studies that ask; give grid.strategies")
        for cell in self.published:
            if (not cell.cut) if self.supervised else cell.accuracy is None:
                raise PlanError(
                    f"[[published]] {cell.method!r} needs {'a cut' if self.supervised else 'an accuracy'} in this study"
                )
        named = {name for grid in self.grids for name in grid.networks}
        for name in self.cohorts:
            if name not in named:
                known = ", ".join(named) or "none"
                raise PlanError(f"[cohorts] names the network {name!r}{nearest(name, named)}; the grid has {known}")
        return self

    @property
    def grids(self) -> tuple[Grid, ...]:
        return (self.grid, *self.also)

    @property
    def supervised(self) -> bool:
        return not self.grid.strategies

    @property
    def reads(self) -> Reads:
        """What the study's runs read of a plan."""
        return TRAIN if self.supervised else ACTIVE
