"""What a marker is: a non-image comparator that staging by image is held against.

Formula, units, source, worked example and cut-offs of a marker stand in its own file. Cut-offs belong to a
technique, a vendor, a population and a staging system, never to a marker alone; `verified` says whether the
number was seen in its source or is quoted from common knowledge.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fibrostage.ground.quantities import Modulus, Quantity, kpa_from_speed

Columns = Mapping[str, NDArray[np.float64]]
Role = Literal["single", "rule out", "rule in"]


@dataclass(frozen=True)
class Need:
    """A measured column that a marker is computed from, with its unit and plausible range.

    `default` is what is assumed where the column or a cell is empty, and reported as assumed.
    """

    quantity: Quantity
    default: float | None = None

    @property
    def column(self) -> str:
        return self.quantity.column


@dataclass(frozen=True)
class Cutoff:
    """Positive for `cut` of `system` at or above `value`; below it, for "rule out", the cut is unlikely."""

    system: str
    cut: str
    value: float
    whom: str  # aetiology, technique, vendor: for whom it was found
    source: str
    verified: bool
    role: Role = "single"


@dataclass(frozen=True)
class Example:
    """A worked example, computed by hand."""

    inputs: Mapping[str, float]
    value: float


@dataclass(frozen=True)
class Marker:
    """`name` is the column it is written to; more of every marker means more fibrosis."""

    name: str
    title: str
    unit: str
    needs: tuple[Need, ...]
    formula: str
    compute: Callable[[Columns], NDArray[np.float64]]
    source: str
    example: Example
    cutoffs: tuple[Cutoff, ...] = ()
    speed: Quantity | None = None  # the column in m/s that stands in for a missing kPa

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """Every measured column that it reads."""
        return (*(need.quantity for need in self.needs), *([] if self.speed is None else [self.speed]))


@dataclass(frozen=True)
class Values:
    """A marker of n patients [n], NaN where it is missing, with what was lacking, refused or assumed, by column."""

    values: NDArray[np.float64]
    lacking: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    assumed: dict[str, int] = field(default_factory=dict)


def values_of(
    marker: Marker,
    columns: Columns,
    n: int,
    modulus: Modulus = "young",
    refused: Mapping[str, NDArray[np.bool_]] | None = None,
) -> Values:
    """Computes a marker of n patients from columns [n] (NaN = missing); a missing input is never taken for zero.

    `modulus` says which modulus kPa columns hold; stiffness markers are Young's. Where a cell was `refused` [n],
    nothing stands in for it: neither a default nor another column.
    """
    given: dict[str, NDArray[np.float64]] = {}
    counts: dict[str, dict[str, int]] = {"lacking": {}, "refused": {}, "assumed": {}}
    never = np.zeros(n, dtype=bool)
    refused = refused or {}
    for need in marker.needs:
        column = np.array(columns.get(need.column, np.full(n, np.nan)), dtype=np.float64)
        barred = refused.get(need.column, never)
        if marker.speed is not None:
            speed = marker.speed.column
            column = np.where(barred, np.nan, stiffness(column, columns.get(speed), modulus))
            no_speed = refused.get(speed, never) & np.isnan(column) & ~barred
            count(counts["refused"], speed, no_speed)
            barred = barred | no_speed
        count(counts["refused"], need.column, refused.get(need.column, never))
        empty = np.isnan(column) & ~barred
        if need.default is not None:
            column[empty] = need.default
        count(counts["lacking" if need.default is None else "assumed"], need.column, empty)
        given[need.column] = column
    return Values(np.asarray(marker.compute(given), dtype=np.float64), **counts)


def count(counts: dict[str, int], column: str, rows: NDArray[np.bool_]) -> None:
    """Notes in `counts` how many `rows` [n] of a column are marked, if any are."""
    if rows.any():
        counts[column] = int(rows.sum())


def stiffness(kpa: NDArray[np.float64], speed: NDArray[np.float64] | None, modulus: Modulus) -> NDArray[np.float64]:
    """Returns Young's modulus [n] in kPa: from `kpa` [n] of the stated modulus, and where that is NaN from the speed.

    `speed` [n] is the shear-wave speed in m/s, or None where there is no such column.
    """
    young = kpa * 3 if modulus == "shear" else kpa
    if speed is None:
        return young
    return np.where(np.isnan(young), kpa_from_speed(1.0) * np.asarray(speed) ** 2, young)
