"""Where a scanner's screen has its panels, bars and texts, and where a box may lie on the tissue.

The box stays inside the sector that the probe sees: its sides follow the probe's rays where its shape does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fibrostage.ground.geometry import Rectangle, clipped
from fibrostage.phantom.bmode import HALF_ANGLE, HEIGHT
from fibrostage.phantom.vendors import Layout

APEX = -79.0  # picture row where the convex probe's rays meet, at the middle of its depths
OUTSIDE = (0.15, 0.5)  # of the height or width of a box that leaves its panel
ASPECTS = (0.72, 1.25)  # of a panel; a narrow one shows the middle of the picture


@dataclass(frozen=True)
class Places:
    """Where a layout puts its parts; panels are left to right, the elastogram's last."""

    panels: tuple[Rectangle, ...]
    bar: Rectangle | None
    grey_bar: Rectangle | None
    side: Rectangle | None


def arrange(layout: Layout) -> Places:
    """Places side texts outermost, then the bars' columns, then one or two panels as large as fit between them."""
    top, bottom = layout.header, layout.height - layout.footer
    left, right = 4, layout.width - 4
    side = None
    if layout.side == "left":
        side, left = Rectangle(0, top, layout.side_width, bottom - top), layout.side_width
    elif layout.side == "right":
        right -= layout.side_width
        side = Rectangle(right, top, layout.side_width, bottom - top)
    column = layout.bar_width + round(3.2 * layout.letters)
    at_left = layout.bar == "left" and not layout.bar_inset
    at_right = layout.bar == "right" and not layout.bar_inset
    grey_left = layout.grey_bar and at_right  # the grey bar takes the side that the colour bar leaves
    grey_right = layout.grey_bar and not at_right
    strip = layout.bar_width + 12
    inner = left + column * at_left + strip * grey_left, right - column * at_right - strip * grey_right
    panels = place_panels(Rectangle(inner[0], top + 6, inner[1] - inner[0], bottom - top - 12), layout.dual)
    tall = panels[-1]
    high = round(layout.bar_height * tall.height)
    y = tall.y + 2 * layout.letters
    bar = None
    if layout.bar != "none":
        x = left + 6 if at_left else right - column + 6
        if layout.bar_inset:
            x = (
                tall.x + 8
                if layout.bar == "left"
                else tall.x + tall.width - layout.bar_width - round(3 * layout.letters)
            )
        bar = Rectangle(x, y, layout.bar_width, high)
    grey_bar = None
    if layout.grey_bar:
        grey_bar = Rectangle(
            left + 5 if grey_left else right - strip + 6, y, layout.bar_width, round(0.3 * tall.height)
        )
    return Places(panels, bar, grey_bar, side)


def place_panels(free: Rectangle, dual: bool) -> tuple[Rectangle, ...]:
    """Places one panel, or two side by side, as large as fit the free rectangle."""
    count, gap = (2, 8) if dual else (1, 0)
    width = (free.width - gap * (count - 1)) // count
    aspect = min(max(width / free.height, ASPECTS[0]), ASPECTS[1])
    w = min(width, round(aspect * free.height))
    h = min(free.height, round(w / aspect))
    first = free.x + (free.width - count * w - gap * (count - 1)) // 2
    return tuple(Rectangle(first + k * (w + gap), free.y, w, h) for k in range(count))


def box_mask(layout: Layout, panel: Rectangle, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Draws the box with its line on a panel of size [h, w], somewhere inside the probe's sector: true inside it."""
    scale = panel.height / HEIGHT
    half = panel.width / scale / 2 - (50 if layout.bar_inset else 14)  # picture pixels beside the axis that are free
    high = rng.uniform(0.22, 0.46) * HEIGHT
    top = rng.uniform(56, 250 - high)
    level = top if layout.shape == "rectangle" else top + high / 2
    reach = min(half, (level - APEX) * np.tan(0.93 * HALF_ANGLE), (top - APEX) * half / (top + high - APEX) * 1.1)
    wide = min(rng.uniform(80, 180), 2 * reach * rng.uniform(0.75, 1.0))
    middle = rng.uniform(-1, 1) * (reach - wide / 2)
    y, x = np.mgrid[: panel.height, : panel.width].astype(np.float32) / scale
    x -= panel.width / scale / 2
    ends = np.arctan2([middle - wide / 2, middle + wide / 2], level - APEX)
    angle, radius = np.arctan2(x, y - APEX), np.hypot(x, y - APEX)
    rows = (y >= top) & (y < top + high)
    if layout.shape == "rectangle":
        return np.asarray(rows & (np.abs(x - middle) <= wide / 2))
    if layout.shape == "sector":
        rows = (radius >= top - APEX) & (radius < top + high - APEX)
    return np.asarray(rows & (angle >= ends[0]) & (angle <= ends[1]))


def pushed(mask: NDArray[np.bool_], leaves: Sequence[str], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Returns a box's mask on a panel [h, w], moved so far past each of the sides that it `leaves` ("top", "right",
    "bottom", "left") that between a seventh and a half of its height or width is outside."""
    box, (height, width) = bounds(mask), mask.shape
    down = across = 0
    for side in leaves:
        share = rng.uniform(*OUTSIDE)
        if side in ("top", "bottom"):
            out = round(share * box.height)
            down = -box.y - out if side == "top" else height - box.bottom + out
        else:
            out = round(share * box.width)
            across = -box.x - out if side == "left" else width - box.right + out
    seen = clipped(Rectangle(box.x + across, box.y + down, box.width, box.height), width, height)
    result = np.zeros_like(mask)
    result[seen.part] = mask[seen.y - down : seen.bottom - down, seen.x - across : seen.right - across]
    return result


def bounds(mask: NDArray[np.bool_]) -> Rectangle:
    """Returns the smallest rectangle around the true pixels of a mask [h, w]; it is empty where there are none."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return Rectangle(0, 0, 0, 0)
    x, y = int(columns[0]), int(rows[0])
    return Rectangle(x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1)
