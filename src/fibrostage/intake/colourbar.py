"""The colour bar beside an elastogram: where it stands, and which colours it runs through.

A bar is a tall strip whose rows are one colour each and whose colours change smoothly. Parts of it may be nearly grey
(white in the middle of a map, black at its end), so a strip is looked for by its coloured parts and then followed
up and down as long as its rows stay even.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fibrostage.intake.labels import Roi

COLOURED = 40  # between the largest and the smallest channel
NARROWEST, WIDEST = 4, 64  # pixels
SHORTEST = 48
SLENDER = 2.5  # height over width, at least
EVEN = 24  # by which a row of the bar may vary, after JPEG
SMOOTH = 40  # by which a row may differ from the next
SPREAD = 120  # between the bar's colours; less is a mark in one colour
GAP = 0.5  # of the bar, that may be nearly grey


@dataclass(frozen=True)
class Bar:
    """Where a bar stands, and its colours [n, 3] from its bottom to its top."""

    roi: Roi
    colours: NDArray[np.float32]


def find_bar(pixels: NDArray[np.uint8], outside: Roi | None = None) -> Bar | None:
    """The colour bar of RGB pixels, which lies outside an elastogram's box; None where there is none."""
    coloured = (pixels.max(axis=2) - pixels.min(axis=2)) > COLOURED
    if outside is not None:
        margin = 4
        coloured[
            max(0, outside.y - margin) : outside.y + outside.height + margin,
            max(0, outside.x - margin) : outside.x + outside.width + margin,
        ] = False
    strips = [strip for strip in strips_of(coloured) if NARROWEST <= strip.width <= WIDEST]
    found = [bar for bar in (follow(pixels, strip) for strip in stacked(strips)) if bar is not None]
    return max(found, key=lambda bar: bar.roi.height * bar.roi.width, default=None)


def bar_at(pixels: NDArray[np.uint8], roi: Roi) -> Bar:
    """A bar whose place is known."""
    return Bar(roi, row_colours(pixels, roi)[::-1].copy())


def strips_of(coloured: NDArray[np.bool_]) -> list[Roi]:
    """Upright patches of colour, whole or in parts."""
    opened = ndimage.binary_opening(coloured, np.ones((3, 3)))
    patches, _ = ndimage.label(opened)
    boxes = []
    for rows, columns in ndimage.find_objects(patches):
        h, w = rows.stop - rows.start, columns.stop - columns.start
        if h >= 6 and w >= NARROWEST:
            boxes.append(Roi(columns.start, rows.start, w, h))
    return boxes


def stacked(strips: Sequence[Roi]) -> list[Roi]:
    """Strips that stand on one another in one column, joined; each alone too."""
    joined = list(strips)
    for strip in strips:
        column = [s for s in strips if abs(s.x - strip.x) <= 2 and abs(s.width - strip.width) <= 4]
        top, bottom = min(s.y for s in column), max(s.y + s.height for s in column)
        covered = sum(s.height for s in column)
        if covered >= (1 - GAP) * (bottom - top):
            joined.append(Roi(strip.x, top, strip.width, bottom - top))
    return list(dict.fromkeys(joined))


def row_colours(pixels: NDArray[np.uint8], roi: Roi) -> NDArray[np.float32]:
    """The median colour of each row, away from the bar's own border."""
    inset = max(1, roi.width // 4) if roi.width > 4 else 0
    part = pixels[roi.y : roi.y + roi.height, roi.x + inset : roi.x + roi.width - inset]
    return np.asarray(np.median(part, axis=1), dtype=np.float32)


def follow(pixels: NDArray[np.uint8], strip: Roi) -> Bar | None:
    """The bar that a strip is part of, grown over its nearly grey ends; None where its rows are not even."""
    inset = max(1, strip.width // 4) if strip.width > 4 else 0
    left, right = strip.x + inset, strip.x + strip.width - inset
    column = pixels[:, left:right].astype(np.int16)
    even = np.ptp(column, axis=1).max(axis=1) <= EVEN
    colours = np.median(column, axis=1)
    if even[strip.y : strip.y + strip.height].mean() < 0.9:
        return None
    top, bottom = strip.y, strip.y + strip.height
    while top > 0 and even[top - 1] and near(colours[top - 1], colours[top]) and colours[top - 1].max() > 40:
        top -= 1
    while (
        bottom < len(even)
        and even[bottom]
        and near(colours[bottom], colours[bottom - 1])
        and colours[bottom].max() > 40
    ):
        bottom += 1
    roi = Roi(strip.x, top, strip.width, bottom - top)
    if roi.height < SHORTEST or roi.height < SLENDER * roi.width:
        return None
    found = colours[top:bottom]
    steps = np.abs(np.diff(found, axis=0)).max(axis=1)
    if np.ptp(found, axis=0).max() < SPREAD or (steps > SMOOTH).mean() > 0.05 or hues(found) < 2:
        return None
    return Bar(roi, np.asarray(found[::-1], dtype=np.float32).copy())


def near(one: NDArray[np.floating], other: NDArray[np.floating]) -> bool:
    return bool(np.abs(one - other).max() <= SMOOTH / 2)


def hues(colours: NDArray[np.floating]) -> int:
    """How many of the three channels lead somewhere along a bar; a bar in one hue shows brightness."""
    spread = colours - colours.min(axis=1, keepdims=True)
    strong = spread / np.maximum(spread.max(axis=1, keepdims=True), 1) > 0.8
    return int((strong & (spread.max(axis=1, keepdims=True) > COLOURED)).any(axis=0).sum())
