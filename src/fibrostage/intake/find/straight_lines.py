"""Straight lines of one colour that a scanner draws: the sides of a frame.

A line is 1–3 pixels thick, keeps its colour along, and contrasts with both its sides. Tissue never keeps one colour
over dozens of pixels; what is left by chance is short, and no two such lines make a rectangle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fibrostage.ground.kernels import compiled

SHORTEST = 24  # pixels
RIDGE = 14  # by which a line differs from both its sides
GAP = 8  # pixels that text or a caliper may hide of a line
DENSE = 0.75  # share of a line's pixels that must be seen
MOST = 4096  # lines kept; a picture that has more is no ultrasound picture


@dataclass(frozen=True)
class Line:
    """A line at row or column `at`, `thick` pixels wide, from `start` to `stop` (exclusive), and its RGB colour."""

    at: int
    thick: int
    start: int
    stop: int
    colour: tuple[int, int, int]

    @property
    def length(self) -> int:
        return self.stop - self.start


def horizontal_lines(pixels: NDArray[np.uint8], steady: int) -> list[Line]:
    """Returns the horizontal lines of RGB pixels [H, W, 3]; neighbours on a line differ by at most `steady` grey
    levels."""
    found = scan(np.ascontiguousarray(pixels), steady)
    return joined([Line(y, t, a, b, (r, g, blue)) for y, t, a, b, r, g, blue in found.tolist()], steady)


def vertical_lines(pixels: NDArray[np.uint8], steady: int) -> list[Line]:
    """Returns the vertical lines of RGB pixels [H, W, 3], `at` their column; neighbours on a line differ by at most
    `steady` grey levels."""
    return horizontal_lines(pixels.transpose(1, 0, 2), steady)


def joined(lines: list[Line], steady: int) -> list[Line]:
    """Joins lines of one row and colour that have little between them."""
    result: list[Line] = []
    for line in sorted(lines, key=lambda line: (line.at, line.thick, line.start)):
        last = result[-1] if result else None
        if (
            last is not None
            and (last.at, last.thick) == (line.at, line.thick)
            and line.start - last.stop <= 0.15 * (line.stop - last.start)
            and max(abs(a - b) for a, b in zip(last.colour, line.colour, strict=True)) <= 2 * steady
        ):
            result[-1] = Line(last.at, last.thick, last.start, line.stop, last.colour)
        else:
            result.append(line)
    return result


@compiled()
def apart(p, y, x, v, u):  # type: ignore[no-untyped-def]
    """Returns the largest difference of any channel between pixels (y, x) and (v, u) of `p` [H, W, 3]."""
    most = 0
    for c in range(3):
        difference = abs(int(p[y, x, c]) - int(p[v, u, c]))
        most = max(most, difference)
    return most


@compiled()
def scan(p, steady):  # type: ignore[no-untyped-def]
    """Returns every line of `p` [H, W, 3], MOST at most, as rows (y, thickness, start, stop, red, green, blue)
    [n, 7]."""
    height, width = p.shape[0], p.shape[1]
    found = np.empty((MOST, 7), np.int64)
    count = 0
    for y in range(height):
        start, last, hits = -1, -1, 0
        red, green, blue = 0.0, 0.0, 0.0
        thickness = 0
        for x in range(1, width + 1):
            thick = 0
            if x < width and apart(p, y, x - 1, y, x) <= steady and (y == 0 or apart(p, y, x, y - 1, x) >= RIDGE):
                for t in range(1, 4):  # the first row below that differs ends the line
                    if y + t >= height or apart(p, y, x, y + t, x) >= RIDGE:
                        thick = t
                        break
                    if apart(p, y + t - 1, x, y + t, x) > steady:
                        break
            if thick == 0 and not (start >= 0 and x - last > GAP + 1) and x < width:
                continue
            same = (
                start >= 0
                and thick > 0
                and x - last <= GAP + 1
                and abs(p[y, x, 0] - red) <= 2 * steady
                and abs(p[y, x, 1] - green) <= 2 * steady
                and abs(p[y, x, 2] - blue) <= 2 * steady
            )
            if same:
                hits += 1
                last = x
                thickness += thick
                weight = 1.0 / min(hits, 32)
                red += (p[y, x, 0] - red) * weight
                green += (p[y, x, 1] - green) * weight
                blue += (p[y, x, 2] - blue) * weight
                continue
            if start >= 0 and last + 1 - start >= SHORTEST and hits >= DENSE * (last + 1 - start) and count < MOST:
                found[count, 0], found[count, 1] = y, int(thickness / hits + 0.5)
                found[count, 2], found[count, 3] = start, last + 1
                found[count, 4], found[count, 5], found[count, 6] = int(red), int(green), int(blue)
                count += 1
            start = -1
            if thick > 0:
                start, last, hits, thickness = x - 1, x, 1, thick
                red, green, blue = float(p[y, x, 0]), float(p[y, x, 1]), float(p[y, x, 2])
    return found[:count]
