"""Errors a user can act on.

Every one of them is a `FibrostageError`, says what came, what is allowed and what to do, and is shown by the
command line as one line. `Problems` collects many of them, so that a bad CSV is reported once and whole.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

NUMBERS = re.compile(r"\d+")
SHORT = 4  # signs of a name in which each one counts


class FibrostageError(Exception):
    """Something the user can mend; the message is written for them."""


class PlanError(FibrostageError):
    """A plan, or an override of it, that cannot be followed."""


class CohortError(FibrostageError):
    """A cohort folder or table that does not hold what it must."""


class IntakeError(FibrostageError):
    """Source files or CSVs that cannot be taken in; carries every problem found."""

    def __init__(self, message: str, problems: Problems | None = None) -> None:
        super().__init__(message)
        self.problems = problems or Problems()

    def __reduce__(self) -> tuple[type[IntakeError], tuple[str, Problems]]:
        return type(self), (str(self), self.problems)  # with its problems also from another process


class WeightsError(FibrostageError):
    """A weights file that does not fit the network it was asked for."""


class RunError(FibrostageError):
    """A run folder that is missing, damaged or of another cohort or plan."""


class ArchiveError(FibrostageError):
    """An archive (PACS) or an object store that cannot be reached, refuses, or does not answer as it must."""


class StatisticsError(FibrostageError):
    """Data on which the asked-for statistic is not defined."""


class UnreadableImageError(Exception):
    """Why one picture was refused; the caller knows its file and row."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where (a file, with its row when it has rows) and why."""

    where: str
    reason: str
    row: int | None = None
    patient_id: str | None = None
    file: str | None = None
    kind: str | None = None  # patient, picture or value, where it is known

    def __str__(self) -> str:
        place = self.where if self.row is None else f"{self.where} row {self.row}"
        return f"{place}: {self.reason}"


@dataclass
class Problems:
    """Problems in the order they were met."""

    items: list[Problem] = field(default_factory=list)

    def add(
        self,
        where: str,
        reason: str,
        *,
        row: int | None = None,
        patient_id: str | None = None,
        file: str | None = None,
        kind: str | None = None,
    ) -> None:
        self.items.append(Problem(where, reason, row, patient_id, file, kind))

    def __iter__(self) -> Iterator[Problem]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def text(self, limit: int = 50) -> str:
        """Lists the first `limit` problems, one a line, and says how many more there are."""
        lines = [f"  {problem}" for problem in self.items[:limit]]
        if len(self.items) > limit:
            lines.append(f"  … and {len(self.items) - limit} more")
        return "\n".join(lines)


def nearest(name: str, known: Iterable[str]) -> str:
    """', did you mean …?' for the known name closest to `name`, whatever the case and width, or '' when none is close.

    Short names with a number, as stages have, are proposed only for the same letters and numbers: another is not a slip
    of the pen but another meaning.
    """
    wanted = unicodedata.normalize("NFKC", name).casefold()
    lowered = {candidate.casefold(): candidate for candidate in known}
    alike = list(lowered)
    if len(wanted) <= SHORT and NUMBERS.search(wanted):
        alike = [candidate for candidate in lowered if parts_of(candidate) == parts_of(wanted)]
    match = difflib.get_close_matches(wanted, alike, n=1, cutoff=0.5)
    return f", did you mean {lowered[match[0]]!r}?" if match else ""


def parts_of(text: str) -> tuple[str, list[str]]:
    """The letters of a name, and its numbers."""
    return "".join(sign for sign in text if sign.isalpha()), NUMBERS.findall(text)
