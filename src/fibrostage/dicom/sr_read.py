"""Stiffness that a scanner already measured: elasticity in DICOM structured reports.

Numbers with a code of elasticity (kPa) or shear-wave speed (m/s, E = 3ρc² with ρ = 1 g/mL) are taken, wherever in the
tree they stand, with the picture that they, or a group around them, refer to. A speed counts only where its group has
no elasticity.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from fibrostage.ground.quantities import kpa_from_speed

ELASTICITY, SPEED = "110830", "130611"  # of DCM
DERIVATION = "121401"
CENTRES = ("373099004", "R-00317", "373098007", "R-002F1")  # median, then mean, by SNOMED's new and old codes
MOST_DEEP = 32


@dataclass(frozen=True)
class Measured:
    """One reading in kPa, and the SOP instance it was taken on ("" where the report names none)."""

    instance: str
    kpa: float


def measurements_of(dataset: Any) -> list[Measured]:
    """Returns every reading of a structured report, in the order of its tree."""
    return list(walk(dataset, "", 0))


def walk(node: Any, instance: str, depth: int) -> Iterator[Measured]:
    """Yields the readings of a node of the tree and of all below it; `instance` is the picture that the groups around
    it refer to. Deeper than MOST_DEEP nothing is read."""
    children = list(node.get("ContentSequence") or ())
    if depth > MOST_DEEP:
        return
    numbers = [child for child in children if child.get("ValueType") == "NUM"]
    instance = referred(node) or next((found for child in children if (found := referred(child))), instance)
    elastic = centres([(child, value) for child in numbers if (value := number(child, ELASTICITY, "kPa")) is not None])
    fast = centres([(child, value) for child in numbers if (value := number(child, SPEED, "m/s")) is not None])
    for child, value in elastic or [(child, kpa_from_speed(value)) for child, value in fast]:
        yield Measured(nested(child) or instance, value)
    for child in children:
        if child.get("ValueType") != "NUM":
            yield from walk(child, instance, depth + 1)


def centres(found: list[tuple[Any, float]]) -> list[tuple[Any, float]]:
    """Of numbers beside each other the medians, or else the means, or else those that say neither: never a spread."""
    kinds = [derivation(child) for child, _ in found]
    wanted = next((centre for centre in (*CENTRES, "") if centre in kinds), None)
    return [pair for pair, kind in zip(found, kinds, strict=True) if kind == wanted]


def derivation(item: Any) -> str:
    """The code of how a number was derived (median, mean, standard deviation …), or nothing."""
    for child in item.get("ContentSequence") or ():
        with suppress(Exception):
            if str(child.ConceptNameCodeSequence[0].CodeValue) == DERIVATION:
                return str(child.ConceptCodeSequence[0].CodeValue)
    return ""


def number(item: Any, code: str, unit: str) -> float | None:
    """Returns a NUM item's value where its concept is `code` of DCM, its unit is `unit` and it is above 0; else
    None."""
    try:
        concept = item.ConceptNameCodeSequence[0]
        if (str(concept.CodeValue), str(concept.CodingSchemeDesignator)) != (code, "DCM"):
            return None
        measured = item.MeasuredValueSequence[0]
        if str(measured.MeasurementUnitsCodeSequence[0].CodeValue) != unit:
            return None
        value = float(measured.NumericValue)
    except Exception:  # an item without what it must have is no number
        return None
    return value if value > 0 else None


def referred(item: Any) -> str:
    """Returns the SOP instance that an item refers to, or ""."""
    try:
        return str(item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
    except Exception:
        return ""


def nested(item: Any, depth: int = 0) -> str:
    """Returns the SOP instance that an item or anything under it refers to, or ""."""
    if depth > MOST_DEEP:
        return ""
    children = item.get("ContentSequence") or ()
    return referred(item) or next((found for child in children if (found := nested(child, depth + 1))), "")
