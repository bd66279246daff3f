"""Who trains and who tests."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from fibrostage.plan.section import PlanSection

ALL_MODALITIES = ("all",)  # as a plan says it; a plan for a cohort has the names


def whole_words(value: object) -> object:
    """A lone name where a list of names is expected."""
    return (value,) if isinstance(value, str) else value


class SplitPlan(PlanSection):
    """Who tests, always by patient; `validation` is a share of the training patients that stops a fit early.

    `use` is the share of the training patients that there are: with the same test patients, what more would bring.
    `require` names modalities that everybody who is studied has pictures of (complete cases), or is "all" of the
    cohort's.
    """

    scheme: Literal["holdout", "kfold", "column"] = "holdout"
    test: float = Field(0.2, gt=0, lt=1)
    folds: int = Field(5, ge=2)
    repeats: int = Field(1, ge=1)
    column: str = "fold"
    validation: float = Field(0.0, ge=0, lt=1)
    use: float = Field(1.0, gt=0, le=1)
    require: Annotated[tuple[str, ...], BeforeValidator(whole_words)] = ()
