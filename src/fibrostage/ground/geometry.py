"""Rectangles in pixels of a picture, x right, y down, and the little geometry that intake does with them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Rectangle:
    """A rectangle in pixels of the source picture; `right` and `bottom` are exclusive."""

    x: int
    y: int
    width: int
    height: int

    @property
    def right(self) -> int:
        return self.x + self.width

    @property
    def bottom(self) -> int:
        return self.y + self.height

    @property
    def area(self) -> int:
        return self.width * self.height

    @property
    def corners(self) -> tuple[int, int, int, int]:
        """Inclusive corners (x, y, x, y), as Pillow draws them."""
        return self.x, self.y, self.right - 1, self.bottom - 1

    @property
    def part(self) -> tuple[slice, slice]:
        """The index of its pixels in an array [H, W, …]."""
        return slice(self.y, self.bottom), slice(self.x, self.right)

    def fits(self, width: int, height: int) -> bool:
        """Says whether the rectangle ends inside a picture of this width and height in pixels."""
        return self.right <= width and self.bottom <= height


def between(left: int, top: int, right: int, bottom: int) -> Rectangle:
    """The rectangle between two corners, the second exclusive."""
    return Rectangle(left, top, right - left, bottom - top)


def around(rois: Iterable[Rectangle]) -> Rectangle:
    """Returns the smallest rectangle that holds all of these; raises `ValueError` where there are none."""
    every = list(rois)
    return between(
        min(roi.x for roi in every),
        min(roi.y for roi in every),
        max(roi.right for roi in every),
        max(roi.bottom for roi in every),
    )


def clipped(roi: Rectangle, width: int, height: int) -> Rectangle:
    """Returns the part of a rectangle that lies inside a picture of this width and height in pixels.

    Its own width or height is not positive where no part does.
    """
    return between(max(0, roi.x), max(0, roi.y), min(width, roi.right), min(height, roi.bottom))


def moved(roi: Rectangle, origin: Rectangle) -> Rectangle:
    """Turns a rectangle in pixels of a part into pixels of the picture that the part was taken from at `origin`."""
    return Rectangle(roi.x + origin.x, roi.y + origin.y, roi.width, roi.height)


def shared(one: Rectangle, other: Rectangle) -> int:
    """Pixels that two rectangles have in common."""
    w = min(one.right, other.right) - max(one.x, other.x)
    h = min(one.bottom, other.bottom) - max(one.y, other.y)
    return max(0, w) * max(0, h)


def iou(one: Rectangle, other: Rectangle) -> float:
    """Returns the intersection of two rectangles over their union, 0–1."""
    both = shared(one, other)
    return both / (one.area + other.area - both)


def gap(one: Rectangle, other: Rectangle) -> int:
    """How many pixels lie between two rectangles."""
    across = max(one.x, other.x) - min(one.right, other.right)
    down = max(one.y, other.y) - min(one.bottom, other.bottom)
    return max(across, down, 0)


def lies_in(one: Rectangle, other: Rectangle) -> bool:
    """Whether a rectangle lies inside a different one."""
    return one != other and shared(one, other) == one.area
