"""How probabilities are made to mean what they say, and how a stage is called from them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from fibrostage.ground.errors import PlanError
from fibrostage.plan.section import PlanSection


class CalibrationPlan(PlanSection):
    """Fits inside the training patients, each on all but a part of them, that stage the patients of that part.

    They choose the penalty of a head on frozen features among `penalties` (where training.frozen_l2 is "chosen"), by
    the mean log loss of patients, and where the heaviest of these is best among the `heavier` ones too, one after
    another until one is no better; and fit a `map` of the probabilities at each cut (`stats.recalibration`). With `map`
    = "auto" a trained backbone has none, as that takes as many fits more as there are `folds`; a head has Platt's, or
    isotonic ones where patients are many."""

    map: Literal["auto", "none", "platt", "isotonic"] = "auto"
    folds: int = Field(5, ge=2, le=20)
    penalties: tuple[float, ...] = Field((0.3, 0.1, 0.03, 0.01, 0.003), min_length=1)
    heavier: tuple[float, ...] = (1.0, 3.0, 10.0, 30.0)

    @field_validator("penalties", "heavier")
    @classmethod
    def _not_negative(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if any(value < 0 for value in values):
            raise ValueError("a penalty is not negative")
        return values


class DecisionPlan(PlanSection):
    """Which stage is called of a patient's probabilities: the most probable ("mode"), the middle one ("median"), the
    one of least expected distance in stages ("least_error"), the one of least expected cost ("least_cost", with
    `costs`, a row a true stage and a column a called one), or as far up as thresholds are reached that were chosen on
    training patients ("thresholds", Youden's at each cut). `coverage` is how
    often the set of stages that stay possible is to hold the true one, of every stage alike (`stats.conformal`), and
    `npv` and `ppv` how often a cut that is ruled out or in is to be so (`stats.rule_in_out`). `false_alarms` is the
    share of pictures like those of training that may be told to lie far from them."""

    rule: Literal["mode", "median", "least_error", "least_cost", "thresholds"] = "mode"
    costs: tuple[tuple[float, ...], ...] = ()
    coverage: float = Field(0.9, ge=0.5, le=0.99)
    npv: float = Field(0.9, gt=0.5, lt=1)
    ppv: float = Field(0.9, gt=0.5, lt=1)
    false_alarms: float = Field(0.01, gt=0, le=0.2)

    @model_validator(mode="after")
    def _costs(self) -> DecisionPlan:
        if (self.rule == "least_cost") != bool(self.costs):
            raise ValueError('costs go with rule = "least_cost", and that rule with costs')
        return self

    def asked_for(self, **asked: float | None) -> DecisionPlan:
        """The same with other values where they are given; raises `PlanError` where one is not allowed."""
        given = {name: value for name, value in asked.items() if value is not None}
        try:
            return DecisionPlan.model_validate(self.model_dump() | given)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(map(str, first["loc"]))
            raise PlanError(f"{name.replace('_', '-')} {given.get(name)}: {first['msg']}") from None
