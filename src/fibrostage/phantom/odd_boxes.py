"""Screens whose box is hard to find or must not be read: it leaves the panel, a crop cut it, or its map has no colour.

They are drawn by the same layouts as whole boxes, from draws of their own, so that the screens of whole boxes stay as
they were. Pictures of boxes that leave are enlarged, since a box reaches the border of what is shown mostly there.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fibrostage.ground.geometry import Rectangle, between, clipped, moved, shared
from fibrostage.ground.quantities import kpa_from_speed
from fibrostage.phantom.layouts import Screen, full_scale
from fibrostage.phantom.placing import bounds
from fibrostage.phantom.vendors import YELLOW, Layout

SIDES = (("top",), ("right",), ("bottom",), ("left",),
         ("top", "right"), ("bottom", "right"), ("bottom", "left"), ("top", "left"))  # fmt: skip
ZOOMS = (1.6, 2.2)
CUT = (0.15, 0.5)  # of a box's height or width, by a crop
PALE = ("white", "washed", "drained", "middle", "top")


def leaving(layout: Layout, number: int, rng: np.random.Generator) -> Layout:
    """Returns a layout whose box goes past one or two sides of its panel, which ones by `number` in turn."""
    return replace(layout, leaves=SIDES[number % len(SIDES)], zoom=float(rng.uniform(*ZOOMS)))


def pale(layout: Layout, number: int, rng: np.random.Generator, bare: bool = False) -> tuple[Layout, float, float]:
    """Returns a layout whose map shows hardly any colour, the kPa in the map's middle, and its variation.

    In turn by `number`: white all over, nearly white, nearly grey, a stiffness in the white middle of the colours
    "ice-fire", and one at the white end of "hot". All have a frame, as nothing else tells where they are, unless they
    are to be `bare`.
    """
    layout = replace(layout, frame=None if bare else layout.frame or YELLOW)
    kind = PALE[number % len(PALE)]
    kpa, cv = float(np.exp(rng.normal(2.1, 0.5))), float(rng.uniform(0.06, 0.25))
    if kind == "white":
        return replace(layout, washed=1.0), kpa, cv
    if kind == "washed":
        return replace(layout, washed=float(rng.uniform(0.8, 0.97))), kpa, cv
    if kind == "drained":
        return replace(layout, drained=float(rng.uniform(0.9, 1.0))), kpa, cv
    cv = float(rng.uniform(0.01, 0.04))
    if kind == "middle":
        half = full_scale(replace(layout, scale=layout.scale / 2))
        return replace(layout, colours="ice-fire"), half, cv
    return replace(layout, colours="hot"), 1.1 * full_scale(layout), cv


def cropped(screen: Screen, number: int, rng: np.random.Generator) -> Screen:
    """Returns a part of a screen whose crop cut the box on one or two sides, which ones by `number` in turn.

    A plain screen comes back whole. Panels and bars that the crop cut in half or more are gone; `kpa` is that of the
    part of the map that is left.
    """
    if screen.box is None or screen.field is None or screen.shape is None:
        return screen
    box, (height, width) = screen.box, screen.pixels.shape[:2]
    left, top, right, bottom = 0, 0, width, height
    for side in SIDES[number % len(SIDES)]:
        share = rng.uniform(*CUT)
        if side == "top":
            top = box.y + round(share * box.height)
        elif side == "bottom":
            bottom = box.bottom - round(share * box.height)
        elif side == "left":
            left = box.x + round(share * box.width)
        else:
            right = box.right - round(share * box.width)
    kept = between(left, top, right, bottom)
    left_over = part_of(kept, box)
    inside = moved(bounds(screen.shape[left_over.part]), left_over)
    field = screen.field[inside.part]
    limit = kpa_from_speed(screen.scale) if screen.unit == "m/s" else screen.scale
    shown = np.clip(field[np.isfinite(field)], 0, limit)
    return replace(
        screen,
        pixels=np.ascontiguousarray(screen.pixels[kept.part]),
        box=moved(inside, Rectangle(box.x - kept.x, box.y - kept.y, 0, 0)),
        tissue=tuple(part_of(panel, kept) for panel in screen.tissue if 2 * shared(panel, kept) > panel.area),
        bar=screen.bar and (part_of(screen.bar, kept) if shared(screen.bar, kept) == screen.bar.area else None),
        grey_bar=None,
        kpa=float(np.median(shown)) if shown.size else None,
        field=field,
        shape=screen.shape[inside.part],
    )


def part_of(roi: Rectangle, kept: Rectangle) -> Rectangle:
    """Returns what a crop leaves of a rectangle, in pixels of the crop."""
    return clipped(Rectangle(roi.x - kept.x, roi.y - kept.y, roi.width, roi.height), kept.width, kept.height)
