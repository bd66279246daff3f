"""The rectangles that a scanner marked on its screen, and those among them that cannot be what they say.

An odd one (a line of an ECG, one of no size, one past the picture's edge, one that says no kind) is left out and named;
it says nothing against the others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from fibrostage.dicom.elements import number_of, value_of
from fibrostage.ground.geometry import Rectangle, clipped

KINDS = {1: "tissue", 2: "colour", 3: "spectral", 4: "spectral", 0xD: "grey bar", 0xE: "colour bar"}
CENTIMETRES = 3
SLACK = 1  # pixels by which a region may leave the picture: some scanners count from one
CORNERS = ("RegionLocationMinX0", "RegionLocationMinY0", "RegionLocationMaxX1", "RegionLocationMaxY1")


@dataclass(frozen=True)
class Region:
    """A rectangle of the screen and what the scanner says it shows; x right, y down, in pixels."""

    kind: str
    x: int
    y: int
    width: int
    height: int
    spacing_mm: float | None = None

    @property
    def roi(self) -> Rectangle:
        return Rectangle(self.x, self.y, self.width, self.height)


@dataclass(frozen=True)
class MarkedRegions:
    """The regions of a frame that can be believed, and in words why others were left out."""

    kept: tuple[Region, ...] = ()
    odd: tuple[str, ...] = ()


def regions_of(dataset: Any, frame: int, width: int, height: int) -> MarkedRegions:
    """Returns the regions of a frame of `width` × `height` pixels, its own where it has some."""
    items = items_of(dataset, frame)
    kept, odd = [], []
    for number, item in enumerate(items, start=1):
        region = region_of(item)
        why = "says neither place nor kind" if region is None else oddity(region, width, height)
        if why is None and region is not None:
            roi = clipped(region.roi, width, height)
            kept.append(replace(region, width=roi.width, height=roi.height))
        else:
            odd.append(f"region {number} of {len(items)} {why}")
    return MarkedRegions(tuple(kept), tuple(odd))


def items_of(dataset: Any, frame: int) -> list[Any]:
    """The items of the sequence of regions: the frame's own, else the file's."""
    own = list(value_of(dataset, "PerFrameFunctionalGroupsSequence") or ())[frame : frame + 1]
    for place in (*own, dataset):
        try:
            items = list(place.get("SequenceOfUltrasoundRegions") or ())
        except Exception:  # damaged
            continue
        if items:
            return items
    return []


def region_of(item: Any) -> Region | None:
    """What an item says; None where it leaves out where it lies or what it shows."""
    corners = [number_of(item, keyword) for keyword in CORNERS]
    kind = number_of(item, "RegionDataType")
    if kind is None or any(corner is None for corner in corners):
        return None
    x, y, right, bottom = (int(corner) for corner in corners if corner is not None)
    spacing = None
    if number_of(item, "PhysicalUnitsXDirection") == CENTIMETRES:
        delta = number_of(item, "PhysicalDeltaX")
        spacing = abs(delta) * 10 if delta else None
    return Region(KINDS.get(int(kind), "other"), x, y, right - x + 1, bottom - y + 1, spacing)


def oddity(region: Region, width: int, height: int) -> str | None:
    """Why a region cannot be of a picture of `width` × `height` pixels; None where it can."""
    if min(region.width, region.height) < 2:
        return "has no area"
    if min(region.x, region.y) < 0 or not region.roi.fits(width + SLACK, height + SLACK):
        return f"leaves the {width}×{height} picture"
    return None
