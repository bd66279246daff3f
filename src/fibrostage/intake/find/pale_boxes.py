"""The frame of a map that has no colour of its own: white all over, washed out, or grey.

Nothing but the line tells where such a map is, and a line alone may be a zoom or a twin's: what lies inside it must
have less grain than what lies around it, as a map that is laid over tissue leaves less of it. JPEG leaves no line of
one colour; there the line must be coloured, as a vessel's wall or a capsule may look like a white one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fibrostage.ground.geometry import Rectangle
from fibrostage.intake.find.masks import codes_of, dilated, eroded, filled, paired, without_specks

DRAWN = 50  # grey levels; a frame is brighter
STRONG = (48, 32)  # grey levels of colour that are left of a line by JPEG
CANDIDATES = 5  # colours, and as many greys, that are looked at
SMALLEST = 40  # pixels, either side of such a box
LEAST, MOST = 0.03, 0.5  # of the picture
CLOSE = 9  # pixels; shorter gaps in a line are closed
SPECK = 5  # pixels; less in one colour is chance
THIN = 5  # pixels; thinner things lead elsewhere
DARK = 16  # grey levels without grain
GRAIN = 0.8  # grey levels between neighbours, that tissue has at least
CALMER = 0.8  # of the grain around it, what a map leaves at most
ENOUGH = 400  # steps that grain is measured from


def pale_frame(pixels: NDArray[np.uint8], strength: NDArray[np.uint8]) -> Rectangle | None:
    """Returns the extent of the largest closed line of one colour whose inside has less grain than what is around it;
    None where there is none. `pixels` is RGB [h, w, 3] that were never JPEG, `strength` [h, w] that of their colour."""
    codes = codes_of(pixels, 0)
    drawn = (pixels.max(axis=2) > DRAWN) & paired(codes)
    coloured = strength > DRAWN
    best: Rectangle | None = None
    for part in (drawn & coloured, drawn & ~coloured):  # tissue has any grey
        found, counts = np.unique(codes[part], return_counts=True)
        for index in np.argsort(counts)[::-1][:CANDIDATES]:
            if counts[index] < 2 * SMALLEST:
                break
            for roi in closed_lines(without_specks(codes == found[index], SPECK), pixels):
                if best is None or roi.area > best.area:
                    best = roi
    return best


def pale_frame_lossy(pixels: NDArray[np.uint8], strength: NDArray[np.uint8]) -> Rectangle | None:
    """Returns the extent of the largest closed coloured line of a picture that was JPEG, as `pale_frame` does; the
    line is the thinner, the stronger the colour that is asked for."""
    for least in STRONG:
        found = closed_lines(without_specks(strength > least, SPECK), pixels)
        if found:
            return max(found, key=lambda roi: roi.area)
    return None


def closed_lines(line: NDArray[np.bool_], pixels: NDArray[np.uint8]) -> list[Rectangle]:
    """Returns the extents of what a `line` [h, w] goes around in pixels [h, w, 3], where it is a calm part of tissue
    and hardly has the line's colour inside."""
    ring = eroded(dilated(line, CLOSE), CLOSE)
    whole = filled(ring)
    if np.count_nonzero(whole) < np.count_nonzero(ring) + LEAST * line.size / 2:
        return []
    solid = dilated(eroded(whole, THIN), THIN)
    labels, _ = ndimage.label(solid)
    found = []
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        roi = Rectangle(columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)
        if min(roi.width, roi.height) < SMALLEST or not LEAST <= roi.area / line.size <= MOST:
            continue
        inside = labels == number
        core = eroded(inside, 2 * CLOSE + 1)
        drawn = np.count_nonzero(line & inside)
        if drawn < roi.width + roi.height or np.count_nonzero(line & core) > 0.5 * drawn:
            continue
        near = dilated(inside, 2 * min(roi.width, roi.height) // 4 + 1) & ~dilated(inside, CLOSE)
        if calm(pixels, core, near):
            found.append(roi)
    return found


def calm(pixels: NDArray[np.uint8], inside: NDArray[np.bool_], around: NDArray[np.bool_]) -> bool:
    """Says whether pixels [h, w, 3] have clearly less grain `inside` [h, w] than `around` [h, w], where there is tissue
    in both."""
    grey = pixels.min(axis=2).astype(np.float32)
    steps = np.abs(np.diff(grey, axis=1))
    lit = grey[:, 1:] >= DARK
    within, beyond = (np.sort(steps[part[:, 1:] & lit]) for part in (inside, around))
    if min(len(within), len(beyond)) < ENOUGH:
        return False
    least, most = (float(part[: int(0.8 * len(part))].mean()) for part in (within, beyond))
    return most >= GRAIN and least <= CALMER * most
