"""How probabilities are made to mean what they say, and how a stage is called from them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from fibrostage.ground.errors import PlanError
from fibrostage.plan.section import PlanSection


class CalibrationPlan(PlanSection):
    """Fits inside the training patients that choose a penalty and calibrate (`stats.recalibration`)."""

    map: Literal["auto", "none", "platt", "isotonic"] = "auto"
    """A map of the probabilities at each cut: "platt" (logistic), "isotonic", "none". "auto" is Platt's, isotonic where
    patients are many (500 on either side of each cut), none where a backbone is trained, as that takes as many fits
    more as there are `folds`."""
    folds: int = Field(5, ge=2, le=20)
    """Into how many parts the training patients are divided, each staged by a fit without it."""
    penalties: tuple[float, ...] = Field((0.3, 0.1, 0.03, 0.01, 0.003), min_length=1)
    """What `training.frozen_l2 = "chosen"` chooses among, by the mean log loss of patients."""
    heavier: tuple[float, ...] = (1.0, 3.0, 10.0, 30.0)
    """Which are tried too, one after another until one is no better, where the heaviest of `penalties` is the best: few
    patients, or pictures that say little."""

    @field_validator("penalties", "heavier")
    @classmethod
    def _not_negative(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if any(value < 0 for value in values):
            raise ValueError("a penalty is not negative")
        return values


class DecisionPlan(PlanSection):
    """Which stage is called of a patient's probabilities, and what is said of it (`stats.conformal`,
    `stats.rule_in_out`)."""

    rule: Literal["mode", "median", "least_error", "least_cost", "thresholds"] = "mode"
    """The stage that is called: the most probable ("mode"), the "median", the one of the least expected distance in
    stages ("least_error"), the one of the least expected cost ("least_cost"), or as far up as "thresholds" are reached,
    Youden's at each cut on the training patients."""
    costs: tuple[tuple[float, ...], ...] = ()
    """For "least_cost": a row a true stage, a column a called one, 0 where it is right."""
    coverage: float = Field(0.9, ge=0.5, le=0.99)
    """How often the set of stages that cannot be excluded is to hold the true one, of every stage alike."""
    npv: float = Field(0.9, gt=0.5, lt=1)
    """How often a cut that is ruled out is to be so; `predict` says "cannot say" where too few training patients tell.
    """
    ppv: float = Field(0.9, gt=0.5, lt=1)
    """How often a cut that is ruled in is to be so."""
    false_alarms: float = Field(0.01, gt=0, le=0.2)
    """The share of pictures like those of training that may be told to lie far from them."""

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
