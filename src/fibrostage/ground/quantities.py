"""Units: what a number must look like before we believe it, and stiffness in kPa or m/s.

Guards refuse, they never convert: platelets per µL instead of 10⁹/L differ by a factor of 1000, and a guessed
conversion would be wrong for somebody.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Modulus = Literal["young", "shear"]

TISSUE_DENSITY = 1.0  # g/mL, the convention of every vendor


@dataclass(frozen=True)
class Quantity:
    """A measured column: its unit, the closed range that is plausible, and the usual mistake outside it."""

    column: str
    unit: str
    low: float
    high: float
    hint: str = ""
    whole: bool = False

    def refusal(self, value: float) -> str | None:
        """Why a value cannot be believed, or None when it can."""
        hint = f" ({self.hint})" if self.hint else ""
        if math.isfinite(value) and self.low <= value <= self.high:
            return f"{self.column} = {value:g} is not {self.unit}{hint}" if self.whole and value % 1 else None
        return f"{self.column} = {value:g} is outside {self.low:g}–{self.high:g} {self.unit}{hint}"


QUANTITIES = {
    quantity.column: quantity
    for quantity in (
        Quantity("age", "years", 0, 120),
        Quantity("ast", "U/L", 1, 30_000),
        Quantity("alt", "U/L", 1, 30_000),
        Quantity("ggt", "U/L", 1, 30_000),
        Quantity("ast_uln", "U/L", 10, 200, "the laboratory's upper limit of normal"),
        Quantity("ggt_uln", "U/L", 10, 200, "the laboratory's upper limit of normal"),
        Quantity("platelets", "1e9/L", 1, 2000, "a count per µL is 1000 times the value in 1e9/L"),
        Quantity("albumin", "g/dL", 0.5, 8, "g/L is 10 times g/dL"),
        Quantity("bmi", "kg/m²", 8, 100),
        Quantity("ifg_dm", "0 or 1", 0, 1, "1 for impaired fasting glucose or diabetes", whole=True),
        Quantity("te", "kPa", 0.5, 80, "m/s must be converted first"),
        Quantity("swe", "kPa", 0.5, 300, "m/s must be converted first"),
        Quantity("stq", "kPa", 0.5, 300, "m/s must be converted first"),
        Quantity("spleen", "kPa", 0.5, 300, "m/s must be converted first"),
        Quantity("te_speed", "m/s", 0.3, 12, "kPa is another column"),
        Quantity("swe_speed", "m/s", 0.3, 12, "kPa is another column"),
        Quantity("stq_speed", "m/s", 0.3, 12, "kPa is another column"),
        Quantity("spleen_speed", "m/s", 0.3, 12, "kPa is another column"),
        Quantity("kpa", "kPa", 0.1, 300, "m/s must be converted first"),
    )
}


def kpa_from_speed(metres_per_second: float, modulus: Modulus = "young") -> float:
    """Stiffness in kPa from shear-wave speed: Young's E = 3ρc², shear G = ρc² (some papers print G as kPa)."""
    shear = TISSUE_DENSITY * metres_per_second**2
    return 3 * shear if modulus == "young" else shear


def speed_from_kpa(kpa: float, modulus: Modulus = "young") -> float:
    """Shear-wave speed in m/s from stiffness in kPa of the stated modulus."""
    shear = kpa / 3 if modulus == "young" else kpa
    return math.sqrt(shear / TISSUE_DENSITY)
