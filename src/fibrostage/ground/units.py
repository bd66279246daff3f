"""Whether a column's numbers are in the unit that its name stands for: seen in the whole column, never in one cell.

A liver of 1.5 kPa may be; a column whose median is 1.5 kPa is in m/s. Nothing is converted on a suspicion: the marker
is refused until the user states the unit.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fibrostage.ground.errors import PlanError, nearest
from fibrostage.ground.quantities import OtherUnit, Quantity

FEWEST = 5  # values of a column that says anything
WHOLE = 0.95  # of the values are plausible in the other unit
PART = 0.08  # of the values are plausible in the other unit alone
FEW = 3  # such values at least


@dataclass(frozen=True)
class Suspicion:
    """A column that seems to be, wholly or in part, in another unit."""

    column: str
    unit: str
    other: str
    share: float
    median: float
    converted: float
    n: int

    def __str__(self) -> str:
        ratio = self.converted / self.median
        if self.share == 1:
            about = f"its median is {self.median:.3g} {self.unit}, which patients hardly have; read as {self.other}"
            found = f"{about} it would be {self.converted:.3g} {self.unit}, {ratio:.2g} times as much"
        else:
            share = f"{self.share:.0%} of its {self.n} values"
            found = f"{share} look like {self.other}, {ratio:.2g} times off, and the others like {self.unit}"
        return f"{self.column}: {found}"


def suspicion_of(quantity: Quantity, values: NDArray[np.float64]) -> Suspicion | None:
    """What is odd about a column's `values` [n] (NaN = missing); None where they look like their unit, or there are
    fewer than FEWEST."""
    known = values[np.isfinite(values)]
    habit = quantity.habit
    if habit is None or len(known) < FEWEST:
        return None
    median = float(np.median(known))
    for other in habit.others:
        converted = np.array([other.convert(value) for value in known.tolist()])
        fits = (converted >= habit.low) & (converted <= habit.high)
        if not habit.middle[0] <= median <= habit.middle[1]:
            there = float(np.median(converted))
            if fits.mean() >= WHOLE and habit.middle[0] <= there <= habit.middle[1]:
                return Suspicion(quantity.column, quantity.unit, other.unit, 1.0, median, there, len(known))
        alone = fits & ((known < habit.low) | (known > habit.high))
        if alone.sum() >= FEW and alone.mean() >= PART:
            share, own = float(alone.mean()), float(np.median(known[alone]))
            there = float(np.median(converted[alone]))
            return Suspicion(quantity.column, quantity.unit, other.unit, share, own, there, len(known))
    return None


def suspicions(
    quantities: Mapping[str, Quantity], columns: Mapping[str, NDArray[np.float64]], stated: Mapping[str, str]
) -> dict[str, Suspicion]:
    """The suspicious columns [n] by name, but for those whose unit the user `stated`."""
    found = {name: suspicion_of(quantities[name], values) for name, values in columns.items() if name not in stated}
    return {name: one for name, one in found.items() if one is not None}


def unit_of(quantity: Quantity, stated: str) -> OtherUnit | None:
    """The other unit that a user stated; None for the column's own. Raises `PlanError` for one that is neither."""
    others = {spelled(name): other for name, other in quantity.others.items()}
    if spelled(stated) == spelled(quantity.unit):
        return None
    if spelled(stated) not in others:
        known = ", ".join([quantity.unit, *quantity.others])
        raise PlanError(f"units.{quantity.column} = {stated!r}{nearest(stated, quantity.others)}; it may be {known}")
    return others[spelled(stated)]


def spelled(unit: str) -> str:
    """A unit as it is compared: one sign for micro, which people also write u."""
    return unicodedata.normalize("NFKC", unit).replace("μ", "u").replace(" ", "")


def check_stated(quantities: Mapping[str, Quantity], stated: Mapping[str, str]) -> None:
    """Raises `PlanError` where a stated column is none that is measured, or its unit is unknown."""
    for name, unit in stated.items():
        if name not in quantities:
            raise PlanError(f"units.{name}{nearest(name, quantities)}: there is no such measured column")
        unit_of(quantities[name], unit)


def in_own_units(
    quantities: Mapping[str, Quantity], columns: Mapping[str, NDArray[np.float64]], stated: Mapping[str, str]
) -> dict[str, NDArray[np.float64]]:
    """Columns [n] in their own units, converted where the user `stated` another.

    Raises `PlanError` where a stated column is none that is measured, or its unit is unknown.
    """
    check_stated(quantities, stated)
    result = dict(columns)
    for name, said in stated.items():
        other = unit_of(quantities[name], said)
        if other is not None and name in columns:
            result[name] = np.array([other.convert(value) for value in columns[name].tolist()], dtype=np.float64)
    return result
