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

from fibrostage.ground.geometry import Rectangle
from fibrostage.intake.find.colour import colour_strength
from fibrostage.intake.find.masks import cell_sums

COLOURED = 40  # between the largest and the smallest channel
NARROWEST, WIDEST = 4, 64  # pixels
CELL = 4  # strips are first looked for on a grid this coarse
DENSE = 0.4  # share of a cell
SHORTEST = 48
SLENDER = 2.5  # height over width, at least
EVEN = 24  # by which a row of the bar may vary, after JPEG
SMOOTH = 40  # by which a row may differ from the next
SPREAD = 120  # between the bar's colours; less is a mark in one colour
FLAT = 4  # rows of one colour in a row that end a bar
LEVEL = 0.06  # share of a bar that may be one colour
LIT = 40  # grey levels; a bar's rows are not black
GAP = 0.5  # of the bar, that may be nearly grey
WRITTEN = 32  # places of a bar that a cohort keeps


@dataclass(frozen=True)
class Bar:
    """Where a bar stands, and its colours [n, 3] from its bottom to its top."""

    roi: Rectangle
    colours: NDArray[np.float32]


def written(bar: Bar) -> str:
    """Returns a bar's colours from its bottom to its top at WRITTEN even places, six hex digits each."""
    wanted = np.linspace(0, len(bar.colours) - 1, WRITTEN)
    even = [np.interp(wanted, np.arange(len(bar.colours)), bar.colours[:, channel]) for channel in range(3)]
    return np.clip(np.rint(np.stack(even, axis=1)), 0, 255).astype(np.uint8).tobytes().hex()


def find_bar(pixels: NDArray[np.uint8], outside: Rectangle | None = None) -> Bar | None:
    """Finds the colour bar of RGB pixels [H, W, 3], which lies `outside` an elastogram's box; None where there is
    none."""
    strength = colour_strength(pixels, (1.0, 1.0, 1.0))
    cells = cell_sums(strength > COLOURED, CELL) >= DENSE * CELL**2
    if outside is not None:
        top, left = max(0, outside.y // CELL - 1), max(0, outside.x // CELL - 1)
        cells[top : outside.bottom // CELL + 2, left : outside.right // CELL + 2] = False
    strips = strips_of(cells)
    tall = [strip for strip in stacked(strips) if strip.height >= SHORTEST - 2 * CELL]
    found = [bar for bar in (follow(pixels, strength, strip) for strip in tall) if bar is not None]
    found = [bar for bar in found if bar.roi.y > 0 and bar.roi.bottom < len(pixels)]  # else a crop may have cut it
    return max(found, key=lambda bar: bar.roi.area, default=None)


def bar_at(pixels: NDArray[np.uint8], roi: Rectangle) -> Bar:
    """Returns the bar whose place in RGB pixels [H, W, 3] is known. Raises `ValueError` where that is outside the
    picture or one row high."""
    if not roi.fits(pixels.shape[1], pixels.shape[0]) or roi.height < 2:
        raise ValueError(f"the bar at {roi.x}, {roi.y} leaves the {pixels.shape[1]}×{pixels.shape[0]} picture")
    return Bar(roi, row_colours(pixels, roi)[::-1].copy())


def strips_of(cells: NDArray[np.bool_]) -> list[Rectangle]:
    """Returns upright patches of coloured cells [H // CELL, W // CELL], whole or in parts, as wide as a bar may be; in
    pixels."""
    patches, _ = ndimage.label(cells)
    boxes = []
    for rows, columns in ndimage.find_objects(patches):
        h, w = (rows.stop - rows.start) * CELL, (columns.stop - columns.start) * CELL
        if h >= 2 * CELL and w <= WIDEST + 2 * CELL:
            boxes.append(Rectangle(columns.start * CELL, rows.start * CELL, w, h))
    return boxes


def stacked(strips: Sequence[Rectangle]) -> list[Rectangle]:
    """Returns the strips and, joined, those that stand on one another in one column."""
    joined = list(strips)
    for strip in strips:
        column = [s for s in strips if abs(s.x - strip.x) <= CELL and abs(s.width - strip.width) <= 2 * CELL]
        top, bottom = min(s.y for s in column), max(s.bottom for s in column)
        covered = sum(s.height for s in column)
        if covered >= (1 - GAP) * (bottom - top):
            joined.append(Rectangle(strip.x, top, strip.width, bottom - top))
    return list(dict.fromkeys(joined))


def row_colours(pixels: NDArray[np.uint8], roi: Rectangle) -> NDArray[np.float32]:
    """Returns the median colour of each row of a bar in pixels [H, W, 3], away from the bar's own border, as [rows, 3]
    from its top to its bottom."""
    inset = max(1, roi.width // 4) if roi.width > 4 else 0
    part = pixels[roi.y : roi.bottom, roi.x + inset : roi.right - inset]
    return np.asarray(np.median(part, axis=1), dtype=np.float32)


def follow(pixels: NDArray[np.uint8], strength: NDArray[np.uint8], strip: Rectangle) -> Bar | None:
    """Returns the bar that a strip is part of, grown over its nearly grey ends; None where its rows are not even.
    `pixels` is [H, W, 3], `strength` [H, W] that of their colour."""
    area = strength[strip.part]
    columns = np.flatnonzero(np.count_nonzero(area > COLOURED, axis=0) > 0.4 * strip.height)
    if not len(columns) or not NARROWEST <= columns[-1] + 1 - columns[0] <= WIDEST:
        return None
    x, width = strip.x + int(columns[0]), int(columns[-1] + 1 - columns[0])
    inset = max(1, width // 4)
    column = pixels[:, x + inset : x + width - inset].astype(np.int16)
    even = (column.max(axis=1) - column.min(axis=1)).max(axis=1) <= EVEN
    colours = np.median(column, axis=1)
    rows = np.flatnonzero(even & (np.median(strength[:, x + inset : x + width - inset], axis=1) > COLOURED))
    rows = rows[(rows >= strip.y) & (rows < strip.bottom)]
    if len(rows) < SHORTEST * (1 - GAP):
        return None
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    if (even & (colours.max(axis=1) > LIT))[top:bottom].mean() < 0.9:
        return None
    top = end_of(colours, even, top, -1)
    bottom = end_of(colours, even, bottom - 1, 1) + 1
    roi = Rectangle(x, top, width, bottom - top)
    if roi.height < SHORTEST or roi.height < SLENDER * roi.width:
        return None
    found = colours[top:bottom]
    steps = np.abs(np.diff(found, axis=0)).max(axis=1)
    if np.ptp(found, axis=0).max() < SPREAD or (steps > SMOOTH).mean() > 0.05 or hues(found) < 2:
        return None
    if longest(steps == 0) > max(2 * FLAT, LEVEL * roi.height):
        return None
    return Bar(roi, np.asarray(found[::-1], dtype=np.float32).copy())


def end_of(colours: NDArray[np.floating], even: NDArray[np.bool_], row: int, step: int) -> int:
    """Returns the last row of a bar, followed from one of its rows in direction `step` (−1 up, 1 down) as long as rows
    are even, lit, like the one before, and change: flat ground that touches a bar is none of it. `colours` [H, 3] and
    `even` [H] are of every row of the picture."""
    same = 0
    while 0 <= row + step < len(even) and even[row + step] and same < FLAT:
        one, other = colours[row], colours[row + step]
        if other.max() <= LIT or np.abs(one - other).max() > SMOOTH / 2:
            break
        same = same + 1 if np.array_equal(one, other) else 0
        row += step
    return row - step * same


def longest(mask: NDArray[np.bool_]) -> int:
    """Returns the length of the longest stretch of True in a mask [n]."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def hues(colours: NDArray[np.floating]) -> int:
    """Returns how many of the three channels lead somewhere along a bar's colours [n, 3]; a bar in one hue shows
    brightness."""
    spread = colours - colours.min(axis=1, keepdims=True)
    strong = spread / np.maximum(spread.max(axis=1, keepdims=True), 1) > 0.8
    return int((strong & (spread.max(axis=1, keepdims=True) > COLOURED)).any(axis=0).sum())
