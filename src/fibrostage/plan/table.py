"""How a hospital's tables are written: the section that says so, since none of it is guessed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from fibrostage.ground.errors import PlanError
from fibrostage.plan.section import PlanSection


class TablePlan(PlanSection):
    """How P.csv and I.csv are written, where they are not as we would write them (docs/intake.md); nothing of it is
    guessed."""

    columns: dict[str, str] = Field(default_factory=dict)
    """Which of the table's columns are ours: `{ "Pat.-Nr." = "patient_id", "METAVIR" = "stage" }`."""
    missing: tuple[str, ...] = ()
    """Cells that hold no value: `["NA", "-", "n.d."]`, whatever the case."""
    decimal: Literal[".", ","] = "."
    """The sign before decimals."""
    delimiter: str | None = Field(None, min_length=1, max_length=1)
    """One sign; without it comma, semicolon, tab and bar are told by the header."""
    encoding: str | None = None
    """As "cp1252", "gb18030" …; `--encoding` goes before it; without both UTF-8."""
    sheet: str | None = None
    """Which sheet of a workbook has the patients; without it the only one."""
    images_sheet: str | None = None
    """Which sheet of a workbook has the pictures; without it the only one."""
    stages: dict[str, str] = Field(default_factory=dict)
    """Which stage is meant: `{ "0" = "F0", "II" = "F2" }`."""
    units: dict[str, str] = Field(default_factory=dict)
    """The units of measured columns, as `units` says them too: `{ platelets = "1/µL" }`."""
    censored: Literal["refuse", "bound", "missing"] = "refuse"
    """What becomes of "<5" and ">1000": they are refused, the "bound" stands for the value, or it counts as "missing".
    """
    id_digits: int | None = Field(None, ge=1, le=64)
    """Ids of digits alone get zeros in front, up to so many, where a spreadsheet took them away."""

    @field_validator("columns")
    @classmethod
    def _one_each(cls, columns: dict[str, str]) -> dict[str, str]:
        meant = list(columns.values())
        twice = sorted({name for name in meant if meant.count(name) > 1})
        if twice:
            own = [name for name, one in columns.items() if one == twice[0]]
            raise PlanError(f"two columns are said to be {twice[0]!r}: {', '.join(map(repr, own))}; one can be")
        return columns
