"""The one way in which estimates and differences stand in the columns of a table.

An estimate named `auc` is three columns, `auc`, `auc_lo` and `auc_hi`; its difference to a baseline named `random` is
`auc_vs_random` with `_lo`, `_hi`, `_p` and, among several, Holm's `_p_holm`. Null means not defined.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from fibrostage.stats.estimate import Estimate
from fibrostage.stats.multiplicity import holm

Row = Mapping[str, object]  # a row of a table, by column, as it is read
TableRow = dict[str, str | int | float | bool | None]  # as it is made
Cells = dict[str, float | None]


@dataclass(frozen=True)
class Versus:
    """A figure minus the same figure of a baseline, with interval, p and Holm's p where there are several."""

    difference: Estimate
    p: float | None = None
    p_holm: float | None = None


@dataclass(frozen=True)
class Figure:
    """A figure with its interval, and how it differs from the baseline's where it was compared with one."""

    estimate: Estimate
    versus: Versus | None = None


def estimate_cells(name: str, estimate: Estimate) -> Cells:
    """The three columns of an estimate."""
    return {name: estimate.value, f"{name}_lo": estimate.lo, f"{name}_hi": estimate.hi}


def estimate_in(row: Row, name: str, why: str = "not defined") -> Estimate | None:
    """The estimate in a row's columns; None where the table has no such figure, `why` where it is null."""
    if name not in row:
        return None
    value = number(row, name)
    return Estimate(value, number(row, f"{name}_lo"), number(row, f"{name}_hi"), why if value is None else "")


def figure_cells(name: str, figure: Figure, baseline: str) -> Cells:
    """The columns of a figure and of its difference to a baseline."""
    cells = estimate_cells(name, figure.estimate)
    if figure.versus is not None:
        against = f"{name}_vs_{baseline}"
        cells |= estimate_cells(against, figure.versus.difference)
        cells |= {f"{against}_p": figure.versus.p}
        if figure.versus.p is not None:
            cells |= {f"{against}_p_holm": figure.versus.p_holm}
    return cells


def figure_in(row: Row, name: str, baseline: str) -> Figure | None:
    """The figure in a row's columns with its difference to a baseline; None where it is absent or null."""
    estimate = estimate_in(row, name)
    if estimate is None or estimate.value is None:
        return None
    against = f"{name}_vs_{baseline}"
    difference = estimate_in(row, against)
    if difference is None or difference.value is None:
        return Figure(estimate)
    return Figure(estimate, Versus(difference, number(row, f"{against}_p"), number(row, f"{against}_p_holm")))


def with_holm(families: Sequence[dict[str, Figure]]) -> list[dict[str, Figure]]:
    """Returns the figures with Holm's p beside each p, figure by figure over all rows that were compared."""
    result = [dict(figures) for figures in families]
    for name in dict.fromkeys(name for figures in result for name in figures):
        tested = [
            (figures, figures[name].versus)
            for figures in result
            if name in figures and figures[name].versus is not None
        ]
        known = [(figures, versus) for figures, versus in tested if versus is not None and versus.p is not None]
        adjusted = holm([versus.p for _, versus in known if versus.p is not None])
        for (figures, versus), p in zip(known, adjusted, strict=True):
            figures[name] = replace(figures[name], versus=replace(versus, p_holm=float(p)))
    return result


def number(row: Row, name: str) -> float | None:
    """A number in a row; None where it is null or there is no such column. Raises `ValueError` for anything else."""
    value = row.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} = {value!r} is no number")
    return float(value)


def text(row: Row, name: str) -> str:
    """A text in a row. Raises `ValueError` where it is null, absent or no text."""
    value = row.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name} = {value!r} is no text")
    return value


def whole(row: Row, name: str) -> int:
    """A whole number in a row. Raises `ValueError` where it is null, absent or not whole."""
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name} = {value!r} is no whole number")
    return value
