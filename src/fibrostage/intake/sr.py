"""Stiffness that a scanner already measured: elasticity in DICOM structured reports.

Numbers with a code of elasticity (kPa) or shear-wave speed (m/s, E = 3ρc² with ρ = 1 g/mL) are taken, wherever in the
tree they stand, with the picture that they, or a group around them, refer to. A speed counts only where its group has
no elasticity.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

ELASTICITY = {"110830", "125371"}  # DCM Elasticity; Young's modulus in older reports
SPEED = {"130611"}
RATIO = {"130615"}
MOST_DEEP = 32


@dataclass(frozen=True)
class Measured:
    """One reading in kPa, and the SOP instance it was taken on ("" where the report names none)."""

    instance: str
    kpa: float
    iqr: float | None  # IQR/median


def measurements_of(dataset: Any) -> list[Measured]:
    return list(walk(dataset, "", 0))


def walk(node: Any, instance: str, depth: int) -> Iterator[Measured]:
    children = list(node.get("ContentSequence") or ())
    if depth > MOST_DEEP:
        return
    numbers = [child for child in children if child.get("ValueType") == "NUM"]
    instance = referred(node) or next((found for child in children if (found := referred(child))), instance)
    elastic = [(child, value) for child in numbers if (value := number(child, ELASTICITY, "kPa")) is not None]
    fast = [(child, value) for child in numbers if (value := number(child, SPEED, "m/s")) is not None]
    ratio = next((value for child in numbers if (value := number(child, RATIO, None)) is not None), None)
    for child, value in elastic or [(child, 3 * value**2) for child, value in fast]:
        yield Measured(nested(child) or instance, value, ratio)
    for child in children:
        if child.get("ValueType") != "NUM":
            yield from walk(child, instance, depth + 1)


def number(item: Any, codes: set[str], unit: str | None) -> float | None:
    try:
        if str(item.ConceptNameCodeSequence[0].CodeValue) not in codes:
            return None
        measured = item.MeasuredValueSequence[0]
        if unit is not None and str(measured.MeasurementUnitsCodeSequence[0].CodeValue) != unit:
            return None
        value = float(measured.NumericValue)
    except Exception:  # an item without what it must have is no number
        return None
    return value if value > 0 else None


def referred(item: Any) -> str:
    try:
        return str(item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
    except Exception:
        return ""


def nested(item: Any, depth: int = 0) -> str:
    """The picture that an item or anything under it refers to."""
    if depth > MOST_DEEP:
        return ""
    children = item.get("ContentSequence") or ()
    return referred(item) or next((found for child in children if (found := nested(child, depth + 1))), "")
