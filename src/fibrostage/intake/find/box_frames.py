"""Rectangles of straight lines: the frame of a colour box whose colour is sparse, as that of blood flow is.

A frame is one when most of its sides were seen, it has colour in it, and tissue lies on both sides of its lines; the
border of a panel has an interface on its outer side.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fibrostage.ground.geometry import Rectangle, between, shared
from fibrostage.intake.find.colour import is_icon, share_that_varies
from fibrostage.intake.find.straight_lines import Line, horizontal_lines, vertical_lines

SMALLEST = 24  # pixels, either side of a box
SLENDER = 6  # the longer side over the shorter, at most
STEADY = 8  # by which neighbours on a line differ at most
STEADY_LOSSY = 28  # after JPEG
MEET = 4  # pixels by which the ends of a frame's lines may miss each other
HIDDEN = 0.03  # of a side, that a mark may hide at its end
ALIKE = 48  # by which the colours of two sides may differ
SEEN = 0.8  # share of a side that makes it one
FEW = 12  # coloured pixels that make a frame one of a colour box
TISSUE = 0.5  # share of a side's outer neighbourhood that varies
OUTSIDE = (4, 6, 8)  # pixels from a side


@dataclass(frozen=True)
class BoxFrame:
    """Four sides (inclusive, in pixels), how many were seen, and the brightness of the brightest; a side on the
    picture's border counts half."""

    left: int
    top: int
    right: int
    bottom: int
    seen: float
    brightness: int

    @property
    def roi(self) -> Rectangle:
        return between(self.left, self.top, self.right + 1, self.bottom + 1)


Rough = tuple[int, int, int, int]  # left, top, right, bottom


def straight_frame(
    pixels: NDArray[np.uint8], coloured: NDArray[np.bool_], overlay: Rectangle | None, lossy: bool
) -> BoxFrame | None:
    """Returns the frame of straight lines that holds colour (the overlay, where there is one), with most of its sides
    seen; None where there is none. `pixels` is [h, w, 3], `coloured` [h, w]."""
    steady = STEADY_LOSSY if lossy else STEADY
    across, down = horizontal_lines(pixels, steady), vertical_lines(pixels, steady)
    height, width = coloured.shape
    frames = {snapped(rough, across, down, width, height) for rough in dict.fromkeys(rectangles(across, down))}
    fitting = [
        frame
        for frame in frames
        if frame is not None
        and frame.seen >= (4 if lossy else 3)  # JPEG draws lines of its own
        and holds_colour(frame, coloured, overlay)
        and lies_in_tissue(frame, pixels)
        and not is_icon(inner(frame, pixels)[::2, ::2].reshape(-1, 3), lossy)
    ]
    return max(fitting, key=lambda f: (f.seen, f.brightness, f.roi.area), default=None)


def rectangles(across: Sequence[Line], down: Sequence[Line]) -> Iterator[Rough]:
    """Rectangles that two parallel sides, or two sides that meet at a corner, propose."""
    for index, one in enumerate(down):
        for other in down[index + 1 :]:
            if parallel(one, other):
                yield one.at, min(one.start, other.start), other.at, max(one.stop, other.stop)
    for index, one in enumerate(across):
        for other in across[index + 1 :]:
            if parallel(one, other):
                yield min(one.start, other.start), one.at, max(one.stop, other.stop), other.at
    for level in across:
        for upright in down:
            at_end = min(abs(upright.at - level.start), abs(upright.at - level.stop)) <= MEET
            on_end = min(abs(level.at - upright.start), abs(level.at - upright.stop)) <= MEET
            if at_end and on_end and alike(level, upright):
                yield level.start, upright.start, level.stop, upright.stop


def alike(one: Line, other: Line) -> bool:
    """Says whether two lines are close enough in colour to be sides of one frame."""
    return max(abs(a - b) for a, b in zip(one.colour, other.colour, strict=True)) <= ALIKE


def parallel(one: Line, other: Line) -> bool:
    """Whether two lines can be opposite sides; the first lies before the second."""
    ends = max(abs(one.start - other.start), abs(one.stop - other.stop))
    most = max(MEET, HIDDEN * max(one.length, other.length))
    return ends <= most and other.at - one.at >= SMALLEST and alike(one, other)


def snapped(rough: Rough, across: Sequence[Line], down: Sequence[Line], width: int, height: int) -> BoxFrame | None:
    """A rough rectangle with each side on the brightest line that covers it; None where too few sides were seen."""
    left, top, right, bottom = rough
    upright, level = (top, bottom), (left, right)
    lines = side(down, left, upright), side(across, top, level), side(down, right, upright), side(across, bottom, level)
    on_border = left <= 2, top <= 2, right >= width - 3, bottom >= height - 3
    seen = sum(1.0 if line else 0.5 * border for line, border in zip(lines, on_border, strict=True))
    if sum(line is not None for line in lines) < 2 or seen < 3:
        return None
    borders = 0, 0, width - 1, height - 1
    left, top, right, bottom = [
        (line.at + (line.thick - 1) * (index >= 2)) if line else (border if open_side else place)
        for index, (line, border, open_side, place) in enumerate(zip(lines, borders, on_border, rough, strict=True))
    ]
    w, h = right - left, bottom - top
    if min(w, h) < SMALLEST or max(w, h) > SLENDER * min(w, h):
        return None
    return BoxFrame(left, top, right, bottom, seen, max(max(line.colour) for line in lines if line))


def side(lines: Sequence[Line], at: int, span: tuple[int, int]) -> Line | None:
    """The brightest line near `at` that covers most of a side."""
    length = span[1] - span[0]
    near = [
        line
        for line in lines
        if abs(line.at - at) <= MEET
        and min(line.stop, span[1]) - max(line.start, span[0]) >= SEEN * length
        and line.length <= length + 4 * MEET
    ]
    return max(near, key=lambda line: max(line.colour), default=None)


def holds_colour(frame: BoxFrame, coloured: NDArray[np.bool_], overlay: Rectangle | None) -> bool:
    """Says whether enough of the coloured pixels [h, w] lie inside a frame and, where there is an overlay, nearly all
    of it does."""
    if np.count_nonzero(inner(frame, coloured)) < FEW:
        return False
    return overlay is None or shared(overlay, frame.roi) >= 0.85 * overlay.area


def inner(frame: BoxFrame, array: NDArray[Any]) -> NDArray[Any]:
    """Returns the part of an array [h, w, …] that lies inside a frame, without the 3 pixels along each side."""
    return array[frame.top + 3 : frame.bottom - 2, frame.left + 3 : frame.right - 2]


def lies_in_tissue(frame: BoxFrame, pixels: NDArray[np.uint8]) -> bool:
    """Says whether what lies outside the sides, in pixels [h, w, 3], varies from pixel to pixel, as tissue does and an
    interface does not."""
    height, width = pixels.shape[:2]
    strips = []
    for distance in OUTSIDE:
        left, top, right, bottom = (
            frame.left - distance, frame.top - distance, frame.right + distance, frame.bottom + distance,
        )  # fmt: skip
        strips += [pixels[y, frame.left : frame.right] for y in (top, bottom) if 0 <= y < height]
        strips += [pixels[frame.top : frame.bottom, x] for x in (left, right) if 0 <= x < width]
    return share_that_varies(strips) > TISSUE
