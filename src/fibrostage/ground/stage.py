"""Ordered staging systems and their cuts.

A stage is one class of an ordered system; a cut is the binary task "at or above a stage". Systems are never
silently equated: METAVIR F2, Scheuer S2 and Ishak I3 are different labels, and only a user can map one to another.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fibrostage.ground.errors import PlanError, nearest

UNLABELLED = -1


@dataclass(frozen=True)
class Staging:
    """An ordered list of classes, mildest first, and the cuts that are evaluated.

    Raises `PlanError` for fewer than two classes, a blank or padded class name, repeated classes or cuts, or a cut that
    is no class or is the mildest.
    """

    name: str
    classes: tuple[str, ...]
    cuts: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.classes) < 2:
            raise PlanError(f"staging {self.name!r} needs at least two classes, got {list(self.classes)}")
        for label in self.classes:
            if not label or label != label.strip():
                raise PlanError(f"staging {self.name!r}: {label!r} is no class name (blank means unlabelled)")
        if len(set(self.classes)) != len(self.classes):
            raise PlanError(f"staging {self.name!r} repeats a class: {list(self.classes)}")
        for cut in self.cuts:
            if cut not in self.classes[1:]:
                allowed = ", ".join(self.classes[1:])
                raise PlanError(f"staging.cuts: {cut!r} is not a cut of {self.name}; a cut is one of {allowed}")
        if len(set(self.cuts)) != len(self.cuts):
            raise PlanError(f"staging.cuts repeats a cut: {list(self.cuts)}")

    def index(self, label: str) -> int:
        """The position of a stage's label; raises `PlanError` for a label of another system."""
        try:
            return self.classes.index(label)
        except ValueError:
            allowed = ", ".join(self.classes)
            raise PlanError(
                f"unknown stage {label!r}{nearest(label, self.classes)}; {self.name} has {allowed}"
            ) from None

    def threshold(self, cut: str) -> int:
        """Returns the lowest stage index that is positive at a cut; raises `PlanError` where there is no such cut."""
        if cut not in self.classes[1:]:
            raise PlanError(f"unknown cut {cut!r}; {self.name} has cuts at {', '.join(self.classes[1:])}")
        return self.classes.index(cut)

    def cut_name(self, cut: str) -> str:
        """How a cut is written: "≥F2", and plain "F4" for the highest stage."""
        return cut if cut == self.classes[-1] else f"≥{cut}"

    def at(self, cut: str) -> Staging:
        """Returns the binary system "below the cut" and "at or above it"; raises `PlanError` for an unknown cut."""
        self.threshold(cut)
        name = self.cut_name(cut)
        return Staging(f"{self.name} {name}", (f"<{cut}", name), (name,))

    def at_or_above(self, stages: NDArray[np.integer], cut: str) -> NDArray[np.bool_]:
        """Returns which stage indices [n] are positive at a cut [n]; raises `PlanError` for an unknown cut."""
        return np.asarray(stages) >= self.threshold(cut)


METAVIR = Staging("METAVIR", ("F0", "F1", "F2", "F3", "F4"), ("F2", "F3", "F4"))
SCHEUER = Staging("Scheuer", ("S0", "S1", "S2", "S3", "S4"), ("S2", "S3", "S4"))
# Ishak et al. 1995; 3 and 5 are the cuts most used for significant fibrosis and cirrhosis.
ISHAK = Staging("Ishak", ("I0", "I1", "I2", "I3", "I4", "I5", "I6"), ("I3", "I4", "I5"))

MOST_NUMBERS = 20  # different numbers that still pass for stages
KNOWN = {system.name: system for system in (METAVIR, SCHEUER, ISHAK)}


def staging_of(labels: Iterable[str], classes: Sequence[str] = ()) -> Staging:
    """Finds the system that a column of labels is of: `classes` where given, a known system, or numbers in their order.

    Raises `PlanError` where the labels are of no one system, as words have no order of their own, where numbers are not
    finite or not different, or where there are more than `MOST_NUMBERS` of them.
    """
    found = sorted(set(labels))
    if classes:
        staging = Staging("own", tuple(classes), tuple(classes[1:]))
        for label in found:
            staging.index(label)
        return staging
    for system in KNOWN.values():
        if found and set(found) <= set(system.classes):
            return system
    try:
        values = {label: float(label) for label in found}
        ordered = tuple(sorted(found, key=values.__getitem__))
    except ValueError:
        raise PlanError(
            f"the stages {', '.join(map(repr, found[:8]))} are of no known system ({', '.join(KNOWN)}); "
            "give their order, mildest first, as --classes A,B,C"
        ) from None
    if not all(math.isfinite(value) for value in values.values()) or len(set(values.values())) < len(values):
        raise PlanError(f"the stages {', '.join(map(repr, found[:8]))} are not different numbers")
    if len(ordered) > MOST_NUMBERS:
        raise PlanError(
            f"{len(ordered)} different numbers are a measurement and no stages; if they are, give all in --classes"
        )
    return Staging("numbers", ordered, ordered[1:])
