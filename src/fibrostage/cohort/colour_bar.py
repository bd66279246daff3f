"""The colour bar that a picture's stiffness was read by, as people are shown it beside the picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fibrostage.cohort.tables import BAR


@dataclass(frozen=True)
class ColourBar:
    """The colour bar that a map's stiffness was read by: its colours from the top down, as #rrggbb, and what stands at
    its top, middle and bottom."""

    colours: tuple[str, ...]
    marks: tuple[str, str, str]


def bar_of(row: Mapping[str, object]) -> ColourBar | None:
    """The colour bar of a picture of the images table; None where no stiffness was read from its colours."""
    colours, top, unit = (row.get(name) for name in BAR)
    if not isinstance(colours, str) or not isinstance(top, float):
        return None
    each = [f"#{colours[at : at + 6]}" for at in range(0, len(colours), 6)]
    return ColourBar(tuple(reversed(each)), (f"{top:g} {unit}", f"{top / 2:g}", "0"))
