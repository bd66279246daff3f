"""How a table is written, as its owner says it: what columns are called, what means nothing, how numbers look.

Nothing of it is guessed: a table is read as it stands until somebody says otherwise, and what was said is counted, so
that the cohort can tell how often each rule was used.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from fibrostage.ground.files import Json

Censored = Literal["refuse", "bound", "missing"]

BOUND = re.compile(r"([<>≤≥]=?)\s*([+-]?\d.*)")  # a value of which only a bound is known, as "<5"


@dataclass(frozen=True)
class TableReading:
    """What its owner says of a table; all of it may be left out. `columns` leads from the table's own names to ours,
    `missing` are cells that hold no value, `stages` leads from what is written to a stage, `units` from a measured
    column to the unit that it is in, `censored` says what becomes of "<5", and ids of digits alone get zeros in front
    up to `id_digits`. `sheet` is one of a workbook."""

    columns: Mapping[str, str] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()
    decimal: str = "."
    delimiter: str | None = None
    encoding: str = "utf-8"
    sheet: str | None = None
    stages: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    censored: Censored = "refuse"
    id_digits: int | None = None

    def is_missing(self, text: str) -> bool:
        """Whether a cell holds what was said to be no value, whatever the case."""
        return text.casefold() in self.missing

    def filled(self, patient: str) -> str:
        """An id with zeros in front, where it is digits alone and fewer than `id_digits`."""
        digits = patient.isascii() and patient.isdigit()
        return patient.zfill(self.id_digits) if self.id_digits and digits else patient


@dataclass
class TableRecord:
    """How often each rule of a reading was used: cells without a value by column, stages and censored values by what
    stood there, converted values by column and rule, and ids that were filled with zeros."""

    missing: Counter[str] = field(default_factory=Counter)
    stages: Counter[tuple[str, str]] = field(default_factory=Counter)
    censored: Counter[tuple[str, str]] = field(default_factory=Counter)
    converted: Counter[tuple[str, str]] = field(default_factory=Counter)
    filled: int = 0

    def as_dict(self) -> dict[str, Json]:
        """The counts as JSON, without rules that were never used."""
        found: dict[str, Json] = {
            "missing": dict(self.missing),
            "stages": {f"{written} → {stage}": count for (written, stage), count in self.stages.items()},
            "censored": {f"{column} {text}": count for (column, text), count in self.censored.items()},
            "converted": {f"{column}: {rule}": count for (column, rule), count in self.converted.items()},
            "ids filled with zeros": self.filled,
        }
        return {name: counts for name, counts in found.items() if counts}
