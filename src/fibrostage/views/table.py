"""A table ready to be shown: text in cells, whatever shows it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fibrostage import SIMULATED
from fibrostage.ground.numbers import signed, signed_within
from fibrostage.stats.concordance import Difference
from fibrostage.stats.estimate import Estimate

NONE = "–"


@dataclass(frozen=True)
class Cell:
    """What stands in a cell; `beside` is said smaller, below or after it."""

    text: str
    beside: tuple[str, ...] = ()


@dataclass(frozen=True)
class TableView:
    """A table: `columns` are headings, each row has a cell a column. `note` is for who wants to know how it was
    made."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    numbers: frozenset[int] = frozenset()  # columns whose cells are figures

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"{self.title}: a row of {len(row)} cells under {len(self.columns)} columns")


def view(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Iterable[str | Cell]],
    note: str = "",
    numbers: Sequence[int] = (),
) -> TableView:
    """A table of texts and cells. Raises `ValueError` for a row that does not fit the columns."""
    cells = tuple(tuple(cell if isinstance(cell, Cell) else Cell(cell) for cell in row) for row in rows)
    return TableView(title, tuple(columns), cells, note, frozenset(numbers))


def marked(title: str, simulated: bool) -> str:
    """A title that says so where the patients do not exist."""
    return f"{title} · {SIMULATED}" if simulated else title


def method_text(name: str) -> str:
    """A method as it is written: its modalities are fused."""
    return name.replace("+", " ⊕ ")


def figure_text(estimate: Estimate | None) -> str:
    """An estimate with its interval; a dash where there is none."""
    return NONE if estimate is None or (estimate.value is None and not estimate.why) else str(estimate)


def short_text(estimate: Estimate | None, digits: int = 2) -> str:
    """An estimate with as many digits as some dozens of patients bear; the reason where there is none."""
    if estimate is None or estimate.value is None:
        return NONE if estimate is None or not estimate.why else f"{NONE} ({estimate.why})"
    value = f"{estimate.value:.{digits}f}"
    if estimate.lo is None or estimate.hi is None:
        return f"{value} ({estimate.why})" if estimate.why else value
    return f"{value} [{estimate.lo:.{digits}f}–{estimate.hi:.{digits}f}]"


def bare_text(estimate: Estimate, digits: int = 2) -> str:
    """An estimate without the reason for what it lacks."""
    return short_text(Estimate(estimate.value, estimate.lo, estimate.hi), digits)


BEST_READER = (
    " Beneath, as these patients are simulated: how much it is of what the best reader reaches, who knows the "
    "generator; of an AUC, what lies above a half. A figure of few patients can lie above it."
)


def reached(value: float | None, best: float | None, figure: str) -> tuple[str, ...]:
    """How near a figure comes to that of a simulated cohort's best reader (`BEST_READER`); nothing where there is
    none."""
    if value is None or best is None:
        return ()
    chance = 0.5 if figure.startswith("auc") else 0.0
    return (f"{max(0.0, value - chance) / (best - chance):.0%} of {best:.3f}",)


def reasons_of(found: Iterable[tuple[str, str]], what: str = "cannot be computed") -> list[str]:
    """Sentences on `what` is wrong with which methods and why, each reason once; of methods with the reason, blank
    where there is none."""
    whom: dict[str, list[str]] = {}
    for method, why in found:
        if why:
            whom.setdefault(why, []).append(method_text(method))
    return [f"{', '.join(dict.fromkeys(names))}: {what} because {why}." for why, names in whom.items()]


def number_text(value: float | None, digits: int = 3) -> str:
    """A number; a dash where there is none."""
    return NONE if value is None else f"{value:.{digits}f}"


def signed_text(difference: Estimate | Difference | None) -> str:
    """A difference with its interval, signs shown; nothing where there is none."""
    if difference is None or difference.value is None:
        return ""
    if difference.lo is None or difference.hi is None:
        return signed(difference.value)
    return signed_within(difference.value, difference.lo, difference.hi)


def signed_short(difference: Estimate | Difference) -> str:
    """A difference with its interval, signs shown, two digits; the reason where there is none."""
    if difference.value is None or difference.lo is None or difference.hi is None:
        return f"{NONE} ({difference.why})"
    return signed_within(difference.value, difference.lo, difference.hi, 2)


def p_text(p: float | None) -> str:
    """A p-value; nothing where there is none."""
    if p is None:
        return ""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
