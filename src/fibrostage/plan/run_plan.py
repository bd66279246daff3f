"""The plan: the one validated configuration of a run, TOML in, JSON beside the results.

Every key has a default but `[[modality]]`. An unknown key is an error that names the nearest valid one; `--set
section.key=value` overrides one value, written as TOML (a bare word is taken as a string). What a command reads of a
plan stands in `commands`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, model_validator

from fibrostage.ground.errors import PlanError, nearest
from fibrostage.plan.asking import ActivePlan, CostPlan, OraclePlan, StoppingPlan
from fibrostage.plan.calibration import CalibrationPlan, DecisionPlan
from fibrostage.plan.evaluation import EvaluationPlan
from fibrostage.plan.file import apply_override, explain, read_plan_file
from fibrostage.plan.intake import (
    CinePlan,
    CohortPlan,
    DicomPlan,
    MaskPlan,
    ModalityPlan,
    PrivacyPlan,
    QualityPlan,
    RasterPlan,
    ReliabilityPlan,
    RulePlan,
    StiffnessPlan,
)
from fibrostage.plan.loop import LoopPlan
from fibrostage.plan.network import NetworkPlan
from fibrostage.plan.presets import PRESETS
from fibrostage.plan.section import PlanSection
from fibrostage.plan.split import SplitPlan
from fibrostage.plan.staging import StagingPlan
from fibrostage.plan.table import TablePlan
from fibrostage.plan.tracking import TrackingPlan
from fibrostage.plan.training import TrainingPlan


class Plan(PlanSection):
    """One run, whole. `Plan.load` reads TOML; `canonical` is what is saved."""

    seed: int = Field(0, ge=0, le=2**32 - 1)
    """Splits, starts, dropout and fits follow from it."""
    cohort: CohortPlan = CohortPlan()
    staging: StagingPlan = StagingPlan()
    modality: tuple[ModalityPlan, ...]
    split: SplitPlan = SplitPlan()
    network: NetworkPlan = NetworkPlan()
    training: TrainingPlan = TrainingPlan()
    rule: tuple[RulePlan, ...] = ()
    stiffness: tuple[StiffnessPlan, ...] = ()
    reliability: ReliabilityPlan = ReliabilityPlan()
    mask: tuple[MaskPlan, ...] = ()
    dicom: DicomPlan = DicomPlan()
    raster: RasterPlan = RasterPlan()
    cine: CinePlan = CinePlan()
    privacy: PrivacyPlan = PrivacyPlan()
    quality: QualityPlan = QualityPlan()
    table: TablePlan = TablePlan()
    units: dict[str, str] = Field(default_factory=dict)
    """Of measured columns of P.csv, as `units.swe = "m/s"`: converted by `intake`, or believed though they look odd
    (docs/markers.md)."""
    active: ActivePlan = ActivePlan()
    oracle: OraclePlan = OraclePlan()
    cost: CostPlan = CostPlan()
    stopping: StoppingPlan = StoppingPlan()
    evaluation: EvaluationPlan = EvaluationPlan()
    calibration: CalibrationPlan = CalibrationPlan()
    decision: DecisionPlan = DecisionPlan()
    loop: LoopPlan = LoopPlan()
    tracking: TrackingPlan = Field(TrackingPlan(), exclude=True)  # how a run is watched is no part of what it is

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, data: Any) -> Any:
        """The preset's values where the plan does not say them."""
        network = data.get("network", {}) if isinstance(data, dict) else None
        name = network.get("name", "mmfn") if isinstance(network, dict) else None
        return PRESETS[name].laid_under(data) if isinstance(name, str) else data

    @model_validator(mode="after")
    def _as_named(self) -> Plan:
        PRESETS[self.network.name].check(self.model_dump())
        return self

    @model_validator(mode="after")
    def _modalities(self) -> Plan:
        names = [modality.name for modality in self.modality]
        if not names:
            raise PlanError("a plan needs at least one [[modality]] with a name")
        if len(set(names)) != len(names):
            raise PlanError(f"[[modality]] names repeat: {names}")
        markers = [modality.marker for modality in self.modality if modality.marker is not None]
        if len(set(markers)) != len(markers):
            raise PlanError(f"two modalities have the same marker: {markers}")
        for rule in self.rule:
            check_modality("a [[rule]] names the modality", rule.modality, names)
        for name in self.cost.exams:
            check_modality("cost.exams names", name, names)
        for table in self.tables:
            if table.of is not None:
                check_modality(f"{table.name}: of names", table.of, [one.name for one in self.without_tables.modality])
        return self

    @model_validator(mode="after")
    def _fused(self) -> Plan:
        names, chosen = [modality.name for modality in self.modality], self.network.modalities
        if chosen is None:
            return self
        for name in chosen:
            check_modality("network.modalities names", name, names)
        if len(set(chosen)) != len(chosen):
            raise PlanError(f"network.modalities repeats a name: {list(chosen)}")
        if not chosen:
            raise PlanError(f"network.modalities is empty; choose among {', '.join(names)}")
        return self

    @model_validator(mode="after")
    def _stream(self) -> Plan:
        if self.network.stream == "unreduced" and self.training.finetune == "head":
            raise PlanError(
                'network.stream = "unreduced" leaves a frozen backbone\'s features to be reduced by nothing; it needs '
                'training.finetune = "last" or "all"'
            )
        return self

    @model_validator(mode="after")
    def _pooling(self) -> Plan:
        if self.sees_bags and self.training.finetune != "head":
            raise PlanError(
                f'network.pooling = "{self.network.pooling}" sees all of a patient\'s pictures at once, on features of '
                f'frozen backbones alone; training.finetune = "{self.training.finetune}" trains them: leave the '
                'pooling at "pairs", or set training.finetune = "head"'
            )
        return self

    @model_validator(mode="after")
    def _tables(self) -> Plan:
        if set(self.fused) & {one.name for one in self.tables} and self.training.finetune != "head":
            raise PlanError(
                f'a table is fused with frozen backbones alone; training.finetune = "{self.training.finetune}" trains '
                'them: leave the table out, or set training.finetune = "head"'
            )
        return self

    @model_validator(mode="after")
    def _written(self) -> Plan:
        classes = self.staging.whole().classes
        for written, stage in self.table.stages.items():
            if stage not in classes:
                raise PlanError(
                    f"table.stages says that {written!r} is {stage!r}{nearest(stage, classes)}; "
                    f"{self.staging.name} has {', '.join(classes)}"
                )
        for column, unit in self.table.units.items():
            if self.units.get(column, unit) != unit:
                raise PlanError(f"{column} is in {unit!r} by table.units and in {self.units[column]!r} by units")
        return self

    @model_validator(mode="after")
    def _costs(self) -> Plan:
        classes = self.staging.resolve().classes
        costs, rows = self.decision.costs, len(classes)
        square = len(costs) == rows and all(len(row) == rows for row in costs)
        right = square and not any(costs[k][k] for k in range(rows)) and min(min(row) for row in costs) >= 0
        if costs and not right:
            raise PlanError(
                f"decision.costs is {rows} rows of {rows} numbers, a row a true stage and a column a called one, of "
                f"{', '.join(classes)}: none is negative, and those of the right stage are 0"
            )
        return self

    @model_validator(mode="after")
    def _asking(self) -> Plan:
        cuts = self.staging.resolve().classes[1:]
        if self.active.cut is not None and self.active.cut not in cuts:
            raise PlanError(
                f"active.cut = {self.active.cut!r}{nearest(self.active.cut, cuts)}; a cut is at or above one of "
                f"{', '.join(cuts)}"
            )
        needs = [key for key in ("plateau", "gain") if getattr(self.stopping, key) is not None]
        if needs and not self.split.validation:
            raise PlanError(
                f"stopping.{needs[0]} looks at validation patients, and split.validation = 0 sets none aside; "
                "give it a share, e.g. 0.2"
            )
        return self

    @property
    def stated_units(self) -> dict[str, str]:
        """The units that measured columns are said to be in, wherever the plan says it."""
        return {**self.units, **self.table.units}

    @property
    def fused(self) -> tuple[str, ...]:
        """The modalities the network sees, in order."""
        return self.network.modalities or tuple(modality.name for modality in self.modality)

    @property
    def tables(self) -> tuple[ModalityPlan, ...]:
        """The modalities that are columns of the patients, and no pictures."""
        return tuple(modality for modality in self.modality if modality.is_table)

    @property
    def pictured(self) -> tuple[str, ...]:
        """The modalities that the network sees pictures of, in order."""
        tables = {modality.name for modality in self.tables}
        return tuple(name for name in self.fused if name not in tables)

    @property
    def sees_bags(self) -> bool:
        """Whether the network sees all of a patient's pictures of a modality at once."""
        return self.network.pooling != "pairs"

    @property
    def without_tables(self) -> Plan:
        """The plan as intake reads it: pictures alone."""
        return self.model_copy(update={"modality": tuple(one for one in self.modality if not one.is_table)})

    def canonical(self) -> str:
        """The whole plan as JSON, as it is saved inside a model."""
        return json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True)

    @classmethod
    def load(cls, path: Path, overrides: Iterable[str] = ()) -> Plan:
        """A plan from a TOML file, or from the JSON saved beside a run."""
        return cls.parse(read_plan_file(path), overrides, str(path))

    @classmethod
    def parse(cls, data: dict[str, Any], overrides: Iterable[str] = (), source: str = "plan") -> Plan:
        """Makes a plan of data, which stay as they are, with overrides applied in order.

        Raises `PlanError` for an override that cannot be applied, and, a line for each fault, for unknown, missing or
        wrong values; `source` is what the message calls the data.
        """
        data = json.loads(json.dumps(data, default=str))
        for override in overrides:
            apply_override(data, override)
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise PlanError(explain(error, source, cls)) from None


def check_modality(what: str, name: str, names: Sequence[str]) -> None:
    """Raises `PlanError` where a plan speaks of a modality that it does not have."""
    if name not in names:
        raise PlanError(f"{what} {name!r}{nearest(name, names)}; the plan's modalities are {', '.join(names)}")
