"""Whole scanner screens with known truth: where the box is, which colours mean what, what is written where.

A finder of boxes and a reader of colour bars are measured on them. The tissue panels hold the picture and the word
SIMULATED; the name stands in the header above them. Colour means stiffness only inside the box: logos, icons, focus
marks, earlier pictures and a bar beside plain B-mode are coloured too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps
from scipy.ndimage import binary_erosion, zoom

from fibrostage import SIMULATED
from fibrostage.ground.geometry import Rectangle, moved
from fibrostage.ground.quantities import kpa_from_speed
from fibrostage.phantom import interface
from fibrostage.phantom.bmode import HEIGHT
from fibrostage.phantom.placing import Places, arrange, bounds, box_mask, pushed
from fibrostage.phantom.screen import colours, stiffness_map
from fibrostage.phantom.vendors import LAYOUTS, WHITE, Layout, draw_layout

__all__ = ["COLOUR_MAPS", "LAYOUTS", "Layout", "Screen", "draw_layout", "render"]

MM_PER_PIXEL = 0.4545  # of a picture, at the middle of the probe's depths
BAR_WITHOUT_BOX = 0.35  # share of plain B-mode screens that keep their colour bar


def blended(*stops: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Makes a colour map [256, 3] through evenly spaced stops."""
    at, t = np.linspace(0, 1, len(stops)), np.linspace(0, 1, 256)
    return np.stack([np.interp(t, at, channel) for channel in np.array(stops).T], axis=1).round().astype(np.uint8)


COLOUR_MAPS: dict[str, NDArray[np.uint8]] = {  # softest first
    "jet": colours(),
    "jet-reversed": colours()[::-1].copy(),
    "rainbow": blended((20, 40, 200), (0, 190, 210), (30, 200, 40), (250, 240, 30), (245, 130, 20), (225, 20, 20)),
    "hot": blended((60, 0, 0), (190, 10, 0), (250, 120, 0), (255, 235, 40), (255, 255, 245)),
    "ice-fire": blended((10, 20, 190), (20, 210, 235), (250, 250, 250), (250, 150, 20), (200, 10, 10)),
}


@dataclass(frozen=True)
class Screen:
    """A screen [H, W, 3] and its truth; rectangles are (x, y, width, height) in its pixels.

    `box` bounds the elastogram with its frame line (without a line, the colour that is shown) and is None on plain
    B-mode. `field` is the true stiffness in kPa over `box`, NaN where no pure overlay colour is seen: drop-outs, the
    frame, marks and letters over it. `shape` says what of `box` is the box, its line included. `kpa` is the field's
    median after clipping to the scale. `scale` is in `unit`.
    """

    pixels: NDArray[np.uint8]
    box: Rectangle | None
    tissue: tuple[Rectangle, ...]
    bar: Rectangle | None
    grey_bar: Rectangle | None
    kpa: float | None
    field: NDArray[np.float32] | None
    shape: NDArray[np.bool_] | None
    scale: float
    unit: str
    opacity: float
    mm_per_pixel: float


def fitted(grey: NDArray[np.uint8], panel: Rectangle, layout: Layout) -> NDArray[np.uint8]:
    """Returns a picture, grey [H, W] or colour [H, W, 3], as the panel shows it in its own size, RGB [h, w, 3].

    Grey takes the scanner's tint, and only its middle is shown where the panel is narrower or the layout has a zoom; a
    picture in colour is kept whole.
    """
    if grey.ndim == 3:
        return np.asarray(
            ImageOps.pad(Image.fromarray(grey), (panel.width, panel.height), Image.Resampling.BICUBIC)
        ).copy()
    rows = round(grey.shape[0] / layout.zoom)
    keep = min(round(grey.shape[1] / layout.zoom), round(rows * panel.width / panel.height))
    above, cut = (grey.shape[0] - rows) // 2, (grey.shape[1] - keep) // 2
    part = Image.fromarray(np.ascontiguousarray(grey[above : above + rows, cut : cut + keep]))
    large = np.asarray(part.resize((panel.width, panel.height), Image.Resampling.BICUBIC))
    bright = (large / 255) ** layout.gamma
    return np.round(bright[:, :, None] * np.array(layout.tint)).astype(np.uint8)


def map_over(
    box: Rectangle, panel: Rectangle, kpa: float, cv: float, fill: float, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Makes the stiffness in kPa over a box [h, w], and where it is shown [h, w], for a box in pixels of the screen.

    `kpa` is in the middle of the map, `cv` its variation, and `fill` the share that is shown. The map is made at the
    picture's own scale and enlarged.
    """
    scale = panel.height / HEIGHT
    small = Rectangle(0, 0, max(8, round(box.width / scale)), max(8, round(box.height / scale)))
    field, shown = stiffness_map(small, kpa, cv, fill, rng)
    factors = box.height / small.height, box.width / small.width
    large = zoom(field, factors, order=1, grid_mode=True, mode="nearest")[: box.height, : box.width]
    holes = zoom(shown.astype(np.float32), factors, order=1, grid_mode=True, mode="nearest")[: box.height, : box.width]
    return large.astype(np.float32), holes > 0.5


def coloured(field: NDArray[np.float32], layout: Layout) -> NDArray[np.uint8]:
    """Turns stiffness `field` [h, w] in kPa into the overlay's colours [h, w, 3].

    A bar in m/s is even in speed: E = 3c². What is drained has lost its colour to grey, then what is washed to white.
    """
    value = np.sqrt(field / kpa_from_speed(1.0)) if layout.unit == "m/s" else field
    found = COLOUR_MAPS[layout.colours][np.clip(np.round(value / layout.scale * 255), 0, 255).astype(np.uint8)]
    if not layout.washed and not layout.drained:
        return found
    pale = found + layout.drained * (found.mean(axis=2, keepdims=True) - found)
    return np.round(pale + layout.washed * (255 - pale)).astype(np.uint8)


def full_scale(layout: Layout) -> float:
    """Returns the stiffest kPa that the colours can show."""
    return kpa_from_speed(layout.scale) if layout.unit == "m/s" else layout.scale


def mm_per_pixel(layout: Layout, panel: Rectangle) -> float:
    """Returns the spacing in mm of what a panel shows."""
    return MM_PER_PIXEL * HEIGHT / panel.height / layout.zoom


def around(
    layout: Layout, places: Places, grey: NDArray[np.uint8], name: str, bar: bool, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Draws the screen [H, W, 3] without its overlay: the interface, and in each panel the picture `grey`.

    The picture is grey [h, w] or in colour [h, w, 3], and `name` goes into the header.
    """
    image = Image.new("RGB", (layout.width, layout.height), layout.background)
    draw = ImageDraw.Draw(image)
    pictures = [Image.fromarray(fitted(grey, panel, layout)) for panel in places.panels]
    interface.header(image, layout, name, rng)
    interface.footer(draw, layout, rng)
    if places.side is not None:
        free = interface.side_texts(draw, places.side, layout, rng)
        if layout.thumbnails:
            below = Rectangle(places.side.x, free, places.side.width, places.side.y + places.side.height - free)
            interface.thumbnails(image, below, pictures[-1], COLOUR_MAPS[layout.colours], rng)
    for panel, picture in zip(places.panels, pictures, strict=True):
        image.paste(picture, (panel.x, panel.y))
        if layout.panel_frame is not None:
            x, y, right, bottom = panel.corners
            draw.rectangle((x - 1, y - 1, right + 1, bottom + 1), outline=layout.panel_frame)
    if places.grey_bar is not None:
        interface.bar(
            image, places.grey_bar, np.arange(256, dtype=np.uint8)[:, None].repeat(3, axis=1), layout.bar_frame
        )
    if bar and places.bar is not None:
        interface.bar(image, places.bar, COLOUR_MAPS[layout.colours], layout.bar_frame)
        interface.bar_ticks(draw, places.bar, layout)
    return np.asarray(image).copy()


def overlay(
    pixels: NDArray[np.uint8],
    layout: Layout,
    places: Places,
    stiffness: tuple[float, float, float],
    rng: np.random.Generator,
) -> tuple[Rectangle, NDArray[np.float32], NDArray[np.bool_]]:
    """Draws the elastogram into the screen `pixels` [H, W, 3]; returns its bounding rectangle, what is seen there, and
    its shape [h, w].

    What is seen is the stiffness [h, w] in kPa, NaN where it is not shown. `stiffness` is the kPa in the middle of the
    map, its variation, and the share of the box that is shown.
    """
    panel = places.panels[-1]
    mask = box_mask(layout, panel, rng)
    if layout.leaves:
        mask = pushed(mask, layout.leaves, rng)
    inside = mask if layout.frame is None else within_line(mask, layout)
    whole = bounds(mask)
    field, shown = map_over(whole, panel, *stiffness, rng)
    part = np.s_[whole.y : whole.y + whole.height, whole.x : whole.x + whole.width]
    shown &= inside[part]
    for each in places.panels:
        area = pixels[each.y : each.y + each.height, each.x : each.x + each.width]
        last = each is panel
        if last:
            mixed = (1 - layout.opacity) * area[part] + layout.opacity * coloured(field, layout)
            area[part][shown] = np.round(mixed[shown]).astype(np.uint8)
        if layout.frame is not None and (last or layout.twin_frame):
            area[line_of(mask & ~inside, layout)] = layout.frame
    field = np.where(shown, field, np.nan).astype(np.float32)
    shape = shown if layout.frame is None else mask[part]
    seen = bounds(shape)  # all of it where a line goes around
    return moved(moved(seen, whole), panel), field[seen.part], shape[seen.part]


def within_line(mask: NDArray[np.bool_], layout: Layout) -> NDArray[np.bool_]:
    """Returns a box's mask [h, w] without its line; a box that leaves the panel has none along the panel's border."""
    steps = np.ones((3, 3))
    return binary_erosion(mask, steps, iterations=layout.thickness, border_value=int(bool(layout.leaves)))


def line_of(ring: NDArray[np.bool_], layout: Layout) -> NDArray[np.bool_]:
    """Returns the pixels of a frame line [h, w]: all of the `ring` [h, w], or dashes of it."""
    if not layout.dashed:
        return ring
    y, x = np.indices(ring.shape)
    return np.asarray(ring & ((x + y) % 10 < 6))


def over(
    pixels: NDArray[np.uint8],
    layout: Layout,
    places: Places,
    box: Rectangle | None,
    kpa: float,
    marked: bool,
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    """Returns the screen `pixels` [H, W, 3] with what is drawn upon the tissue [H, W, 3]: rulers, marks and readings.

    Each panel says SIMULATED outside the box, unless the picture is `marked` already.
    """
    image = Image.fromarray(pixels)
    draw = ImageDraw.Draw(image)
    low = rng.random() < 0.4
    for panel in places.panels:
        if layout.ruler != "none":
            interface.ruler(draw, panel, layout, mm_per_pixel(layout, panel))
        if layout.logo is not None:
            interface.orientation_mark(draw, panel, layout.logo, layout.letters)
        if layout.focus is not None:
            interface.focus_marks(draw, panel, layout, rng)
        at = (panel.x + 14, panel.y + (panel.height - 4 if low else 4))
        if not marked:
            interface.label(draw, at, SIMULATED, WHITE, layout.letters, "ld" if low else "la", rim=True)
    panel = places.panels[-1]
    if layout.body_mark:
        interface.body_mark(draw, panel, rng)
    if layout.calipers is not None and (box is None or rng.random() < 0.3):
        interface.calipers(draw, panel, layout.calipers, rng)
    if layout.circle and box is not None:
        interface.measuring_circle(draw, box, panel, kpa, layout, rng)
    return np.asarray(image).copy()


def render(
    layout: Layout,
    grey: NDArray[np.uint8],
    kpa: float | None,
    cv: float,
    fill: float,
    name: str,
    rng: np.random.Generator,
) -> Screen:
    """Draws the screen that shows a picture `grey` [H, W] of `phantom.bmode`, or one in colour [H, W, 3].

    One in colour says SIMULATED itself. `kpa` is the stiffness in the middle of the map, `cv` its variation, `fill` the
    share of the box that is shown; with None for `kpa` there is no box. `name` is burned into the header.
    """
    places = arrange(layout)
    barred = layout.bar != "none" and (kpa is not None or bool(rng.random() < BAR_WITHOUT_BOX))
    pixels = around(layout, places, grey, name, barred, rng)
    box, field, shape, median = None, None, None, None
    if kpa is not None:
        box, field, shape = overlay(pixels, layout, places, (kpa, cv, fill), rng)
    done = over(pixels, layout, places, box, kpa or 0.0, grey.ndim == 3, rng)
    if box is not None and field is not None:
        part = np.s_[box.y : box.y + box.height, box.x : box.x + box.width]
        field[(done[part] != pixels[part]).any(axis=2)] = np.nan
        seen = field[np.isfinite(field)]
        median = float(np.median(np.clip(seen, 0, full_scale(layout)))) if seen.size else None
    return Screen(
        pixels=done,
        box=box,
        tissue=places.panels,
        bar=places.bar if barred else None,
        grey_bar=places.grey_bar,
        kpa=median,
        field=field,
        shape=shape,
        scale=layout.scale,
        unit=layout.unit,
        opacity=layout.opacity,
        mm_per_pixel=mm_per_pixel(layout, places.panels[0]),
    )
