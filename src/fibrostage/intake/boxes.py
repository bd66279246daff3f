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

from fibrostage.intake.colour import COLOURED, colour_strength, is_icon, tint_of
from fibrostage.intake.frames import SMALLEST, straight_frame
from fibrostage.intake.labels import Roi

LEAST = 0.004  # of the picture, an overlay
CELL = 4  # the overlay is first looked for on a grid this coarse
TINTED = 0.7  # share of the lit picture; more colour is a tint, not an overlay
RIM = 6  # pixels to either side of an overlay's border where its frame is
DRAWN = 0.8  # of height and width together, the least length of a frame that is not closed
DASH = 9  # pixels; shorter gaps in a frame are closed
SPECK = 5  # pixels; less in one colour is chance
THIN = 5  # pixels; thinner things are lines that lead elsewhere
TISSUE = 0.4  # share of what surrounds an overlay that varies


@dataclass(frozen=True)
class Box:
    """A colour box in pixels of the picture, and how sure the finder is (0–1)."""

    roi: Roi
    confidence: float
    by: str  # "frame", "lines" or "overlay"


def find_box(pixels: NDArray[np.uint8], within: Sequence[Roi] = (), lossy: bool = False) -> Box | None:
    """The colour box of RGB pixels [H, W, 3], or None where there is none to be sure of.

    `within` are the tissue areas, where they are known; `lossy` says that the picture was JPEG.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3:
        return None
    strength = colour_strength(pixels, tint_of(pixels))
    coloured = strength > COLOURED
    if within:
        inside = np.zeros_like(coloured)
        for area in within:
            inside[area.y : area.y + area.height, area.x : area.x + area.width] = True
        coloured &= inside
    if not coloured.any():
        return None
    patch = overlay_of(pixels, coloured, lossy)
    if patch is None:
        return lined(pixels, coloured, None, lossy)
    window = grown(patch.extent, pixels.shape)
    part = np.s_[window.y : window.y + window.height, window.x : window.x + window.width]
    overlay = coloured[part] & near_cells(patch.cells, window)
    if lossy:  # subsampled colour leaks over its border; half its strength is where the border is
        overlay &= strength[part] > 0.5 * np.median(strength[part][overlay])
    frame = frame_around(pixels[part], overlay, lossy)
    if frame is not None:
        return Box(moved(frame, window), 0.95, "frame")
    straight = lined(pixels, coloured, patch.extent, lossy)
    if straight is not None:
        return straight
    extent = extent_of(dilated(eroded(overlay, 3), 3))
    return None if extent is None else Box(moved(extent, window), 0.5, "overlay")


def lined(pixels: NDArray[np.uint8], coloured: NDArray[np.bool_], overlay: Roi | None, lossy: bool) -> Box | None:
    frame = straight_frame(pixels, coloured, overlay, lossy)
    return None if frame is None else Box(frame.roi, round(0.9 * frame.seen / 4, 3), "lines")


def grown(roi: Roi, shape: tuple[int, ...]) -> Roi:
    """A region with half of itself around it, inside the picture."""
    x, y = max(0, roi.x - roi.width // 2), max(0, roi.y - roi.height // 2)
    right, bottom = min(shape[1], roi.x + roi.width * 3 // 2), min(shape[0], roi.y + roi.height * 3 // 2)
    return Roi(x, y, right - x, bottom - y)


def moved(roi: Roi, window: Roi) -> Roi:
    return Roi(roi.x + window.x, roi.y + window.y, roi.width, roi.height)


def near_cells(cells: NDArray[np.bool_], window: Roi) -> NDArray[np.bool_]:
    """Which pixels of a window lie in a patch's cells or the next ones."""
    wide = dilated(cells, 3)
    rows = np.minimum(np.arange(window.y, window.y + window.height) // CELL, wide.shape[0] - 1)
    columns = np.minimum(np.arange(window.x, window.x + window.width) // CELL, wide.shape[1] - 1)
    return np.asarray(wide[np.ix_(rows, columns)])


def dilated(mask: NDArray[np.bool_], size: int) -> NDArray[np.bool_]:
    return np.asarray(ndimage.maximum_filter(mask.view(np.uint8), size=size, mode="constant").view(bool))


def eroded(mask: NDArray[np.bool_], size: int) -> NDArray[np.bool_]:
    return np.asarray(ndimage.minimum_filter(mask.view(np.uint8), size=size, mode="nearest").view(bool))


def frame_around(pixels: NDArray[np.uint8], overlay: NDArray[np.bool_], lossy: bool) -> Roi | None:
    """The extent of the closed line of one colour around an overlay; None where there is none."""
    filled = ndimage.binary_fill_holes(eroded(dilated(overlay, 9), 9))
    rim = dilated(filled, 2 * RIM + 1) & ~eroded(filled, 2 * RIM + 1)
    colour = rim_colour(pixels, rim, overlay, lossy)
    if colour is None:
        return None
    line = (np.abs(pixels.astype(np.int16) - colour).max(axis=2)) <= (28 if lossy else 0)
    if not lossy:
        line = without_specks(line, SPECK)
    ring = eroded(dilated(line, DASH), DASH)
    enclosed = ndimage.binary_fill_holes(ring)
    solid = dilated(eroded(enclosed, THIN), THIN)
    labels, _ = ndimage.label(solid)
    inside = np.bincount(labels[overlay & solid], minlength=1)
    inside[:1] = 0
    if inside.any() and inside.max() >= 0.8 * np.count_nonzero(overlay):
        solid = labels == int(inside.argmax())
        core = eroded(solid, 2 * DASH + 1)
        if np.count_nonzero(line & core) <= 0.5 * np.count_nonzero(line & solid):
            return extent_of(solid)
    line &= rim
    if np.count_nonzero(line) < DRAWN * sum(np.ptp(np.nonzero(overlay), axis=1)):
        return None
    return extent_of(line | filled)


def without_specks(mask: NDArray[np.bool_], least: int) -> NDArray[np.bool_]:
    labels, _ = ndimage.label(mask, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(sizes[labels] >= least)


def rim_colour(
    pixels: NDArray[np.uint8], rim: NDArray[np.bool_], overlay: NDArray[np.bool_], lossy: bool
) -> NDArray[np.int16] | None:
    """The colour that is common along an overlay's rim and rare elsewhere."""
    shift = 4 if lossy else 0
    coarse = pixels.astype(np.int32) >> shift
    codes = (coarse[..., 0] << 16) | (coarse[..., 1] << 8) | coarse[..., 2]
    drawn_everywhere = np.ones_like(rim) if lossy else paired(codes)
    drawn = rim & drawn_everywhere
    found, counts = np.unique(codes[drawn], return_counts=True)
    height, width = np.ptp(np.nonzero(overlay), axis=1)
    for index in np.argsort(counts)[::-1][:6]:
        if counts[index] < 0.3 * (height + width):
            return None
        everywhere = np.count_nonzero((codes == found[index]) & drawn_everywhere)
        colour = np.array([found[index] >> 16, found[index] >> 8 & 255, found[index] & 255]) << shift
        if counts[index] > (0.4 if lossy else 0.25) * everywhere and colour.max() > 50:
            same = rim & (codes == found[index])
            return np.asarray(np.median(pixels[same], axis=0), dtype=np.int16)
    return None


def paired(codes: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Which pixels have a neighbour of their own code, as those of a drawn line have."""
    same = np.zeros(codes.shape, dtype=bool)
    for one, other in (
        (np.s_[:, 1:], np.s_[:, :-1]), (np.s_[1:], np.s_[:-1]),
        (np.s_[1:, 1:], np.s_[:-1, :-1]), (np.s_[1:, :-1], np.s_[:-1, 1:]),
    ):  # fmt: skip
        equal = codes[one] == codes[other]
        same[one] |= equal
        same[other] |= equal
    return same


def extent_of(overlay: NDArray[np.bool_]) -> Roi | None:
    """The extent of what is two pixels wide or more."""
    rows, columns = np.flatnonzero(overlay.any(axis=1)), np.flatnonzero(overlay.any(axis=0))
    if not len(rows):
        return None
    return Roi(int(columns[0]), int(rows[0]), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1)


@dataclass(frozen=True)
class Patch:
    """An overlay: where it is, and its cells on the coarse grid over the whole picture."""

    extent: Roi
    cells: NDArray[np.bool_]


def overlay_of(pixels: NDArray[np.uint8], coloured: NDArray[np.bool_], lossy: bool) -> Patch | None:
    """The largest dense patch of colour on tissue, with the pieces that drop-outs cut off."""
    height, width = (size // CELL * CELL for size in coloured.shape)
    density = coloured[:height, :width].reshape(height // CELL, CELL, width // CELL, CELL).mean(axis=(1, 3))
    patches, _ = ndimage.label(density > 0.5, np.ones((3, 3)))
    pieces = []
    for index, (rows, columns) in enumerate(ndimage.find_objects(patches), start=1):
        cells = patches[rows, columns] == index
        cornered = (rows.start == 0 or rows.stop >= len(patches)) and (
            columns.start == 0 or columns.stop >= patches.shape[1]
        )
        if cells.sum() < 6 or is_bar(cells) or cornered:
            continue
        roi = Roi(columns.start * CELL, rows.start * CELL, cells.shape[1] * CELL, cells.shape[0] * CELL)
        part = np.s_[roi.y : roi.y + roi.height, roi.x : roi.x + roi.width]
        if not is_icon(pixels[part][coloured[part] & enlarged(cells)], lossy):
            pieces.append((int(cells.sum()), index, roi))
    for most, main, roi in sorted(pieces, reverse=True):
        if most * CELL**2 < LEAST * coloured.size or min(roi.width, roi.height) < SMALLEST:
            break
        if on_tissue(pixels, roi):
            least = 0.1 * most if lossy else 0
            return joined(patches, main, roi, {index: piece for size, index, piece in pieces if size >= least})
    return None


def joined(patches: NDArray[np.int32], main: int, extent: Roi, pieces: dict[int, Roi]) -> Patch:
    """A patch with those next to it, which drop-outs cut off."""
    chosen = {main}
    while True:
        reach = max(6 * CELL, round(0.4 * min(extent.width, extent.height)))
        near = {index for index, piece in pieces.items() if index not in chosen and gap(extent, piece) <= reach}
        if not near:
            return Patch(extent, np.isin(patches, list(chosen)))
        chosen |= near
        for index in near:
            extent = around(extent, pieces[index])


def gap(one: Roi, other: Roi) -> int:
    """How many pixels lie between two rectangles."""
    across = max(one.x, other.x) - min(one.x + one.width, other.x + other.width)
    down = max(one.y, other.y) - min(one.y + one.height, other.y + other.height)
    return max(across, down, 0)


def around(one: Roi, other: Roi) -> Roi:
    x, y = min(one.x, other.x), min(one.y, other.y)
    right = max(one.x + one.width, other.x + other.width)
    bottom = max(one.y + one.height, other.y + other.height)
    return Roi(x, y, right - x, bottom - y)


def enlarged(cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.repeat(np.repeat(cells, CELL, axis=0), CELL, axis=1)


def on_tissue(pixels: NDArray[np.uint8], roi: Roi) -> bool:
    """Whether what surrounds a patch varies from pixel to pixel, as a picture does and an interface does not."""
    height, width = pixels.shape[:2]
    strips = []
    for distance in (8, 12, 16):
        left, right = max(0, roi.x - distance), min(width - 1, roi.x + roi.width + distance)
        top, bottom = max(0, roi.y - distance), min(height - 1, roi.y + roi.height + distance)
        strips += [
            pixels[top, left:right],
            pixels[bottom, left:right],
            pixels[top:bottom, left],
            pixels[top:bottom, right],
        ]
    steps = [np.abs(np.diff(strip.astype(np.int16), axis=0)).max(axis=1) for strip in strips if len(strip) > 1]
    return bool((np.concatenate(steps) >= 2).mean() > TISSUE)


def is_bar(cells: NDArray[np.bool_]) -> bool:
    """Whether a patch is a narrow, full strip."""
    h, w = cells.shape
    return max(h, w) > 3.5 * min(h, w) and float(cells.mean()) > 0.8
