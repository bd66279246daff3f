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
    """Who tests, always by patient."""

    scheme: Literal["holdout", "kfold", "column"] = "holdout"
    """Patients held out once, "kfold", or one fold per value of a "column". Of `column = "site"` it leaves one hospital
    out at a time, and the report has a row a hospital."""
    test: float = Field(0.2, gt=0, lt=1)
    """The share of each stage that is held out."""
    folds: int = Field(5, ge=2)
    """Into how many parts the patients are divided."""
    repeats: int = Field(1, ge=1)
    """How often they are divided anew."""
    column: str = "fold"
    """The column of P.csv that holds the fold."""
    validation: float = Field(0.0, ge=0, lt=1)
    """The share of the training patients that stops a fit early; 0 fits on all of them."""
    use: float = Field(1.0, gt=0, le=1)
    """The share of the training patients that there are, with the same test patients: learning curves over patients."""
    require: Annotated[tuple[str, ...], BeforeValidator(whole_words)] = ()
    """Modalities that everybody who is studied has pictures of, or "all" of the cohort's: complete cases, the same for
    every method of a study. Who lacks one is counted in the participant flow."""
