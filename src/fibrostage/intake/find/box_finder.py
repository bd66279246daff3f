"""Where a scanner drew its colour box: the rectangle around an elastogram, found from its frame and its colours.

Two witnesses. An overlay is the largest dense patch of colour; logos, icons and marks lie on flat ground and are
none, and a scanner's tint of its B-mode is taken out of every colour first. A frame is drawn in one colour around the
overlay, whatever its shape: the colour that is far commoner along the overlay's rim than inside or outside it. Where
colour is sparse (blood flow) only a frame of straight lines can tell: one that has colour in it and tissue on both
sides of its lines, which the border of a panel does not have. Without either there is no box, and B-mode is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fibrostage.ground.geometry import Rectangle, around, between, clipped, gap, moved
from fibrostage.intake.find.box_frames import SMALLEST, straight_frame
from fibrostage.intake.find.colour import COLOURED, Tint, colour_strength, is_icon, share_that_varies, tint_of
from fibrostage.intake.find.colour_bar import WIDEST
from fibrostage.intake.find.masks import cell_sums, codes_of, dilated, eroded, filled, like, paired, without_specks
from fibrostage.intake.find.pale_boxes import pale_frame, pale_frame_lossy

LEAST = 0.004  # of the picture, an overlay
ALONE = 0.012  # of the picture, an overlay without a frame
CELL = 4  # the overlay is first looked for on a grid this coarse
RIM = 6  # pixels to either side of an overlay's border where its frame is
SOLID = 0.55  # share of its extent that a map covers at least
LIKE_LOSSY = 28  # by which a frame's colour may vary, after JPEG
PALE = "pale"  # by which a box around a map without colour was found
DRAWN = 0.8  # of height and width together, the least length of a frame that is not closed
DASH = 9  # pixels; shorter gaps in a frame are closed
SPECK = 5  # pixels; less in one colour is chance
THIN = 5  # pixels; thinner things are lines that lead elsewhere
TISSUE = 0.4  # share of what surrounds an overlay that varies
APART = 3  # pixels, between which tissue varies where it is enlarged

Sides = tuple[bool, bool, bool, bool]  # top, right, bottom, left
NO_SIDES: Sides = (False, False, False, False)


@dataclass(frozen=True)
class FoundBox:
    """A colour box in pixels of the picture, and how sure the finder is (0–1)."""

    roi: Rectangle
    confidence: float
    by: str  # "frame", "lines", "overlay" or, around a map without colour, "pale"


@dataclass(frozen=True)
class Patch:
    """An overlay: where it is, and its cells [H // CELL, W // CELL] on the coarse grid over the whole part of the
    screen that was looked at."""

    extent: Rectangle
    cells: NDArray[np.bool_]

    @property
    def solidity(self) -> float:
        """The share of its extent that it covers."""
        return float(np.count_nonzero(self.cells)) * CELL**2 / self.extent.area


def find_box(
    pixels: NDArray[np.uint8], within: Sequence[Rectangle] = (), lossy: bool = False, tint: Tint | None = None
) -> FoundBox | None:
    """Finds the colour box of RGB pixels [H, W, 3]; None where there is none to be sure of.

    `within` are the tissue areas, where they are known; `lossy` says that the picture was JPEG; `tint` is that of its
    grey.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3:
        return None
    height, width = pixels.shape[:2]
    tint = tint or tint_of(pixels)
    looks = [look_in(pixels, area, lossy, tint) for area in within or [Rectangle(0, 0, width, height)]]
    for search in (around_overlay, straight_lines, around_pale):
        found = [box for look in looks if (box := search(look)) is not None]
        if found:
            return max(found, key=lambda box: (box.confidence, box.roi.area))
    return None


@dataclass(frozen=True)
class Look:
    """A part of a screen, where its colour is, and the overlay in it if there is one: `pixels` [h, w, 3] of the area,
    `strength` and `coloured` [h, w]."""

    area: Rectangle
    pixels: NDArray[np.uint8]
    strength: NDArray[np.uint8]
    coloured: NDArray[np.bool_]
    patch: Patch | None
    lossy: bool


def look_in(screen: NDArray[np.uint8], area: Rectangle, lossy: bool, tint: Tint) -> Look:
    """Looks at one area of a screen [H, W, 3]: how strong the colour of each pixel is beyond the `tint`, and the
    overlay that it makes."""
    pixels = np.ascontiguousarray(screen[area.part])
    strength = colour_strength(pixels, tint)
    coloured = strength > COLOURED
    return Look(area, pixels, strength, coloured, overlay_of(pixels, coloured, lossy), lossy)


def around_overlay(look: Look) -> FoundBox | None:
    """Returns the frame around an overlay, or where none is drawn the overlay's own extent if it is large enough."""
    patch = look.patch
    if patch is None:
        return None
    window = grown(patch.extent, look.pixels.shape)
    overlay = look.coloured[window.part] & near_cells(patch.cells, window)
    if look.lossy:  # subsampled colour leaks over its border; half its strength is where the border is
        strength = look.strength[window.part]
        overlay &= strength > 0.5 * np.median(strength[overlay])
    height, width = look.coloured.shape
    ends = window.y == 0, window.right == width, window.bottom == height, window.x == 0
    frame = frame_around(np.ascontiguousarray(look.pixels[window.part]), overlay, look.lossy, ends)
    if frame is not None:
        return FoundBox(moved(moved(frame, window), look.area), 0.95, "frame")
    if patch.solidity < SOLID and not look.lossy:  # the colour of blood flow; a map fills its box, but for drop-outs
        straight = straight_lines(look)
        if straight is not None:
            return straight
    extent = extent_of(dilated(eroded(overlay, 3), 3))
    if extent is None or extent.area < ALONE * look.coloured.size:
        return None
    return FoundBox(moved(moved(extent, window), look.area), 0.5, "overlay")


def straight_lines(look: Look) -> FoundBox | None:
    """Returns the frame of straight lines around sparse colour; its confidence grows with the sides that were seen."""
    overlay = None if look.patch is None else look.patch.extent
    frame = straight_frame(look.pixels, look.coloured, overlay, look.lossy)
    return None if frame is None else FoundBox(moved(frame.roi, look.area), round(0.9 * frame.seen / 4, 3), "lines")


def around_pale(look: Look) -> FoundBox | None:
    """Returns the frame around a map that is white or grey; no more than its line and its calm tell of it, and JPEG
    leaves of the line only what is coloured."""
    frame = (pale_frame_lossy if look.lossy else pale_frame)(look.pixels, look.strength)
    return None if frame is None else FoundBox(moved(frame, look.area), 0.6, PALE)


def grown(roi: Rectangle, shape: tuple[int, ...]) -> Rectangle:
    """Returns a region with half of itself around it, inside a picture of `shape` (H, W, …)."""
    x, y = roi.x - roi.width // 2, roi.y - roi.height // 2
    right, bottom = roi.x + roi.width * 3 // 2, roi.y + roi.height * 3 // 2
    return clipped(between(x, y, right, bottom), shape[1], shape[0])


def near_cells(cells: NDArray[np.bool_], window: Rectangle) -> NDArray[np.bool_]:
    """Says of each pixel of a window [window.height, window.width] whether it lies in a patch's cells or the next ones;
    `cells` [H // CELL, W // CELL] cover the picture that the window is of."""
    wide = dilated(cells, 3)
    rows = np.minimum(np.arange(window.y, window.bottom) // CELL, wide.shape[0] - 1)
    columns = np.minimum(np.arange(window.x, window.right) // CELL, wide.shape[1] - 1)
    return np.asarray(wide[np.ix_(rows, columns)])


def frame_around(
    pixels: NDArray[np.uint8], overlay: NDArray[np.bool_], lossy: bool, open_sides: Sides = NO_SIDES
) -> Rectangle | None:
    """Returns the extent of the line of one colour around an overlay, in pixels of the window; None where there is
    none. `pixels` [h, w, 3] and `overlay` [h, w] are of the window. The line is closed, but for the `open_sides` on
    which the window ends where the picture does: there the overlay may end with the picture."""
    whole = filled(eroded(dilated(overlay, DASH), DASH))
    rim = dilated(whole, 2 * RIM + 1) & ~eroded(whole, 2 * RIM + 1)
    colour = rim_colour(pixels, rim, overlay, lossy)
    if colour is None:
        return None
    line = like(pixels, colour, LIKE_LOSSY if lossy else 0)
    if not lossy:
        line = without_specks(line, SPECK)
    solid = inside_of(line, overlay)
    if solid is None and any(reached := reaches(whole, open_sides)):
        solid = inside_of(line, overlay, closed_at(line & rim, whole, reached))
    if solid is not None:
        return extent_of(solid)
    line &= rim
    if np.count_nonzero(line) < DRAWN * around_of(overlay):
        return None
    return extent_of(line | whole)


def inside_of(
    line: NDArray[np.bool_], overlay: NDArray[np.bool_], closed: NDArray[np.bool_] | None = None
) -> NDArray[np.bool_] | None:
    """Returns what a line goes around [h, w], itself included; None where that does not hold most of the overlay, or is
    full of the line's colour. `line` and `overlay` are [h, w]; `closed` [h + 2·DASH, w + 2·DASH] is the line with what
    closes it outside the picture."""
    padded = np.pad(line, DASH) if closed is None else closed
    ring = eroded(dilated(padded, DASH), DASH)
    solid = dilated(eroded(filled(ring), THIN), THIN)[DASH:-DASH, DASH:-DASH]
    labels, _ = ndimage.label(solid)
    inside = np.bincount(labels[overlay & solid], minlength=1)
    inside[:1] = 0
    if not inside.any() or inside.max() < 0.8 * np.count_nonzero(overlay):
        return None
    solid = labels == int(inside.argmax())
    core = eroded(solid, 2 * DASH + 1)
    return solid if np.count_nonzero(line & core) <= 0.5 * np.count_nonzero(line & solid) else None


def reaches(whole: NDArray[np.bool_], open_sides: Sides) -> Sides:
    """Says of each of the `open_sides` whether a mask [h, w] comes within RIM pixels of it."""
    edges = whole[:RIM], whole[:, -RIM:], whole[-RIM:], whole[:, :RIM]
    top, right, bottom, left = (ends and bool(edge.any()) for ends, edge in zip(open_sides, edges, strict=True))
    return top, right, bottom, left


def closed_at(line: NDArray[np.bool_], whole: NDArray[np.bool_], reached: Sides) -> NDArray[np.bool_]:
    """Returns a line [h, w] padded by DASH on each side, and closed outside the picture on the sides that its overlay
    `whole` [h, w] has reached: from one end of the line to the other, or to the corner where the next side is open
    too."""
    result = np.pad(line, DASH)
    turned, turned_whole = line, whole
    for side in range(4):  # top first; then the right side is turned up, and so on
        if reached[side]:
            seen = np.flatnonzero((turned | turned_whole)[:RIM].any(axis=0))
            start, stop = int(seen[0]) + DASH, int(seen[-1]) + DASH + 1
            if reached[side - 1]:
                start = 0
            if reached[(side + 1) % 4]:
                stop = result.shape[1]
            result[DASH // 2 : DASH, start:stop] = True
        result, turned, turned_whole = np.rot90(result), np.rot90(turned), np.rot90(turned_whole)
    return np.ascontiguousarray(result)


def rim_colour(
    pixels: NDArray[np.uint8], rim: NDArray[np.bool_], overlay: NDArray[np.bool_], lossy: bool
) -> NDArray[np.int16] | None:
    """Returns the RGB colour [3] that is common along an overlay's rim and rare elsewhere; None where there is none.
    `pixels` is [h, w, 3], `rim` and `overlay` are [h, w]."""
    shift = 4 if lossy else 0
    codes = codes_of(pixels, shift)
    drawn_everywhere = np.ones_like(rim) if lossy else paired(codes)
    drawn = rim & drawn_everywhere
    found, counts = np.unique(codes[drawn], return_counts=True)
    length = around_of(overlay)
    for index in np.argsort(counts)[::-1][:6]:
        if counts[index] < 0.3 * length:
            return None
        everywhere = np.count_nonzero((codes == found[index]) & drawn_everywhere)
        colour = np.array([found[index] >> 16, found[index] >> 8 & 255, found[index] & 255]) << shift
        if counts[index] > (0.4 if lossy else 0.25) * everywhere and colour.max() > 50:
            same = rim & (codes == found[index])
            return np.asarray(np.median(pixels[same], axis=0), dtype=np.int16)
    return None


def around_of(overlay: NDArray[np.bool_]) -> int:
    """Returns half the way around the extent of a mask [h, w] in pixels, its width and height; 0 where it is empty."""
    extent = extent_of(overlay)
    return 0 if extent is None else extent.width + extent.height


def extent_of(overlay: NDArray[np.bool_]) -> Rectangle | None:
    """Returns the extent of a mask [h, w]; None where it is empty."""
    rows, columns = np.flatnonzero(overlay.any(axis=1)), np.flatnonzero(overlay.any(axis=0))
    if not len(rows):
        return None
    return Rectangle(int(columns[0]), int(rows[0]), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1)


def overlay_of(pixels: NDArray[np.uint8], coloured: NDArray[np.bool_], lossy: bool) -> Patch | None:
    """Returns the largest dense patch of colour on tissue, with the pieces that drop-outs cut off; None where there is
    none. `pixels` is [h, w, 3], `coloured` [h, w]."""
    patches, _ = ndimage.label(cell_sums(coloured, CELL) > CELL**2 // 2, np.ones((3, 3)))
    if not patches.size:
        return None
    pieces = []
    for index, (rows, columns) in enumerate(ndimage.find_objects(patches), start=1):
        cells = patches[rows, columns] == index
        if cells.sum() < 6 or is_bar(cells):
            continue
        roi = Rectangle(columns.start * CELL, rows.start * CELL, cells.shape[1] * CELL, cells.shape[0] * CELL)
        if not is_icon(pixels[roi.part][coloured[roi.part] & enlarged(cells)], lossy):
            pieces.append((int(cells.sum()), index, roi))
    for most, main, roi in sorted(pieces, reverse=True):
        if most * CELL**2 < LEAST * coloured.size or min(roi.width, roi.height) < SMALLEST:
            break
        if on_tissue(pixels, roi):
            least = (0.1 if lossy else 0.04) * most  # less is a label or a mark
            return joined(patches, main, roi, {index: piece for size, index, piece in pieces if size >= least})
    return None


def joined(patches: NDArray[np.int32], main: int, extent: Rectangle, pieces: dict[int, Rectangle]) -> Patch:
    """Returns the patch labelled `main` with those next to it, which drop-outs cut off. `patches`
    [h // CELL, w // CELL] are labels, and `pieces` the places in pixels of those that may join, by label."""
    chosen = {main}
    while True:
        reach = max(6 * CELL, round(0.4 * min(extent.width, extent.height)))
        near = {index for index, piece in pieces.items() if index not in chosen and gap(extent, piece) <= reach}
        if not near:
            return Patch(extent, np.isin(patches, list(chosen)))
        chosen |= near
        extent = around([extent, *(pieces[index] for index in near)])


def enlarged(cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Repeats each of the cells [r, c] for every pixel in it [CELL · r, CELL · c]."""
    return np.repeat(np.repeat(cells, CELL, axis=0), CELL, axis=1)


def on_tissue(pixels: NDArray[np.uint8], roi: Rectangle) -> bool:
    """Says whether what surrounds a patch of pixels [h, w, 3] varies over a few pixels, as a picture does, enlarged or
    not, and an interface does not."""
    height, width = pixels.shape[:2]
    strips = []
    for distance in (8, 12, 16):
        left, right = max(0, roi.x - distance), min(width - 1, roi.right + distance)
        top, bottom = max(0, roi.y - distance), min(height - 1, roi.bottom + distance)
        strips += [pixels[y, left:right:APART] for y in (top, bottom) if not roi.y <= y < roi.bottom]
        strips += [pixels[top:bottom:APART, x] for x in (left, right) if not roi.x <= x < roi.right]
    return share_that_varies(strips) > TISSUE


def is_bar(cells: NDArray[np.bool_]) -> bool:
    """Says whether the cells [r, c] of a patch make a narrow, full strip, no wider than colour bars are."""
    h, w = cells.shape
    return max(h, w) > 3.5 * min(h, w) and min(h, w) * CELL <= WIDEST and float(cells.mean()) > 0.8
