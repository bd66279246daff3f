"""How a hospital's tables are written: the section that says so, since none of it is guessed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from fibrostage.ground.errors import PlanError
from fibrostage.plan.section import PlanSection


class TablePlan(PlanSection):
    """What a table's owner says of it: which of its columns are ours, what holds no value, how numbers are written,
    which stage is meant, in which units columns are, and what becomes of values of which only a bound is known.

    `sheet` is the sheet of the patients and `images_sheet` that of the pictures, where they come as workbooks. Ids of
    digits alone get zeros in front, up to `id_digits`, where a spreadsheet took them away.
    """

    columns: dict[str, str] = Field(default_factory=dict)
    missing: tuple[str, ...] = ()
    decimal: Literal[".", ","] = "."
    delimiter: str | None = Field(None, min_length=1, max_length=1)
    encoding: str | None = None
    sheet: str | None = None
    images_sheet: str | None = None
    stages: dict[str, str] = Field(default_factory=dict)
    units: dict[str, str] = Field(default_factory=dict)
    censored: Literal["refuse", "bound", "missing"] = "refuse"
    id_digits: int | None = Field(None, ge=1, le=64)

    @field_validator("columns")
    @classmethod
    def _one_each(cls, columns: dict[str, str]) -> dict[str, str]:
        meant = list(columns.values())
        twice = sorted({name for name in meant if meant.count(name) > 1})
        if twice:
            own = [name for name, one in columns.items() if one == twice[0]]
            raise PlanError(f"two columns are said to be {twice[0]!r}: {', '.join(map(repr, own))}; one can be")
        return columns
