"""Which square of a picture's own pixels is stored: around an elastogram's region, or three around a click.

The DLRE paper (§2.3) makes several 250×250 regions of one click and says no more. Here they are three: centred on the
click, and a tenth of the side to its left and right. A square that would leave the picture is shifted inwards; where
the picture itself is smaller it is centred, black outside. Squares that come to lie on one another are kept once.
"""

from __future__ import annotations

from dataclasses import dataclass

from fibrostage.ground.geometry import Rectangle
from fibrostage.intake.read.tables import Click

MOVES = (0.0, -0.1, 0.1)  # of the side, sideways


@dataclass(frozen=True)
class Square:
    """A square of a source picture's pixels; parts outside the picture are black."""

    x: int
    y: int
    side: int


def around_region(roi: Rectangle, size: int, width: int, height: int) -> Square:
    """The square of at least `size` that contains the region, inside the picture if it can be (MMFN paper §4.1)."""
    side = max(size, roi.width, roi.height)
    return Square(
        start(roi.x + roi.width // 2, side, width),
        start(roi.y + roi.height // 2, side, height),
        side,
    )


def around_click(click: Click, size: int, width: int, height: int) -> list[Square]:
    """The different squares of a click, the one centred on it first."""
    x, y = click
    top = start(y, size, height)
    lefts = [start(x + round(move * size), size, width) for move in MOVES]
    return [Square(left, top, size) for left in dict.fromkeys(lefts)]


def start(centre: int, side: int, limit: int) -> int:
    """Returns where a stretch of `side` pixels around `centre` begins, inside a picture of `limit` pixels if it
    fits."""
    if side > limit:
        return (limit - side) // 2
    return min(max(centre - side // 2, 0), limit - side)


def centre_of(roi: Rectangle) -> Click:
    """Returns the pixel in the middle of a region, to be taken for a click."""
    return roi.x + roi.width // 2, roi.y + roi.height // 2
