"""Units: what a number must look like before we believe it, and stiffness in kPa or m/s.

Guards refuse, they never convert: platelets per µL instead of 10⁹/L differ by a factor of 1000, and a guessed
conversion would be wrong for somebody.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Modulus = Literal["young", "shear"]

TISSUE_DENSITY = 1.0  # g/mL, the convention of every vendor


@dataclass(frozen=True)
class OtherUnit:
    """Another unit that people have a quantity in, and what a number in it is in ours; `rule` says how where it is no
    factor."""

    unit: str
    convert: Callable[[float], float]
    rule: str = ""

    def said(self, own: str) -> str:
        """How numbers are converted to the unit `own`, in words."""
        return self.rule or f"1 {self.unit} = {self.convert(1.0):g} {own}"


@dataclass(frozen=True)
class Habit:
    """What columns of a quantity look like: nearly every value between `low` and `high`, the median of a hospital's
    patients between `middle`; and the units that they are mistaken for."""

    low: float
    high: float
    middle: tuple[float, float]
    others: tuple[OtherUnit, ...]


@dataclass(frozen=True)
class Quantity:
    """A measured column: its unit, the closed range that is plausible, and the usual mistake outside it. `habit` is
    what a whole column looks like, where that tells its unit."""

    column: str
    unit: str
    low: float
    high: float
    hint: str = ""
    whole: bool = False
    habit: Habit | None = None
    units: tuple[OtherUnit, ...] = ()

    @property
    def others(self) -> dict[str, OtherUnit]:
        """Every other unit by its name."""
        return {one.unit: one for one in (*(self.habit.others if self.habit else ()), *self.units)}

    def refusal(self, value: float) -> str | None:
        """Why a value cannot be believed, or None when it can."""
        hint = f" ({self.hint})" if self.hint else ""
        if math.isfinite(value) and self.low <= value <= self.high:
            return f"{self.column} = {value:g} is not {self.unit}{hint}" if self.whole and value % 1 else None
        return f"{self.column} = {value:g} is outside {self.low:g}–{self.high:g} {self.unit}{hint}"


# What several markers need; what one marker alone needs stands in its file.
KATALS = OtherUnit("µkat/L", lambda value: value * 60)
ENZYME = Habit(5, 5000, (10, 1000), (KATALS,))
AGE = Quantity("age", "years", 0, 120)
AST = Quantity("ast", "U/L", 1, 30_000, habit=ENZYME)
ALT = Quantity("alt", "U/L", 1, 30_000, habit=ENZYME)
AST_ULN = Quantity("ast_uln", "U/L", 10, 200, "the laboratory's upper limit of normal", units=(KATALS,))
COUNTS = (
    OtherUnit("1/µL", lambda value: value / 1000), OtherUnit("1e3/µL", lambda value: value),
    OtherUnit("G/L", lambda value: value), OtherUnit("1/L", lambda value: value / 1e9),
)  # fmt: skip
TEN_THOUSANDS = OtherUnit("1e4/µL", lambda value: value * 10)
PLATELETS = Quantity(
    "platelets", "1e9/L", 1, 2000, "a count per µL is 1000 times the value in 1e9/L",
    habit=Habit(30, 900, (50, 500), (TEN_THOUSANDS,)), units=COUNTS,
)  # fmt: skip


def stiffness_quantity(column: str, most: float) -> Quantity:
    """Young's modulus of a patient in kPa, up to what a technique can show."""
    others = (SPEED, OtherUnit("kPa of the shear modulus", lambda value: 3 * value))
    return Quantity(column, "kPa", 0.5, most, "m/s must be converted first", habit=Habit(2.4, 150, (3.4, 80), others))


def speed_quantity(column: str) -> Quantity:
    """Shear-wave speed of a patient in m/s."""
    others = (OtherUnit("kPa", speed_from_kpa, "c = √(E/3ρ)"),)
    return Quantity(column, "m/s", 0.3, 12, "kPa is another column", habit=Habit(0.6, 5.5, (0.8, 4.5), others))


def kpa_from_speed(metres_per_second: float, modulus: Modulus = "young") -> float:
    """Stiffness in kPa from shear-wave speed: Young's E = 3ρc², shear G = ρc² (some papers print G as kPa)."""
    shear = TISSUE_DENSITY * metres_per_second**2
    return 3 * shear if modulus == "young" else shear


def speed_from_kpa(kpa: float, modulus: Modulus = "young") -> float:
    """Shear-wave speed in m/s from stiffness in kPa of the stated modulus."""
    shear = kpa / 3 if modulus == "young" else kpa
    return math.sqrt(shear / TISSUE_DENSITY)


SPEED = OtherUnit("m/s", kpa_from_speed, "E = 3ρc²")
KPA = Quantity("kpa", "kPa", 0.1, 300, "m/s must be converted first", units=(SPEED,))  # of one picture
