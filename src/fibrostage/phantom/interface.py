"""What a scanner writes around its picture and over it: header, readings, rulers, marks, logos, earlier pictures.

The patient's name goes into the header and nowhere else. Nothing here depends on the name's length or letters, so two
screens drawn from the same generator with different names differ in the header alone.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from fibrostage.ground.geometry import Rectangle
from fibrostage.ground.quantities import speed_from_kpa
from fibrostage.phantom.vendors import BLACK, CYAN, GREEN, GREY, ORANGE, RED, WHITE, YELLOW, Colour, Layout

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
MODES = ("2D", "Gen", "THI", "Res", "Pen", "SWE", "STE", "Map 4", "Chroma 3")
STATIONS = ("Ultrasound 2", "Room 4", "US-03", "Abdominal lab")
ICONS = (CYAN, GREEN, ORANGE, RED, YELLOW, GREY, WHITE)


@lru_cache(maxsize=32)
def font_of(size: int) -> Font:
    return ImageFont.load_default(size)


def label(
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    text: str,
    ink: Colour,
    size: int,
    anchor: str = "la",
    rim: bool = False,
) -> None:
    """Writes text, with a black rim where it stands on tissue."""
    draw.text(at, text, fill=ink, font=font_of(size), anchor=anchor, stroke_width=int(rim), stroke_fill=BLACK)


def header(image: Image.Image, layout: Layout, name: str, rng: np.random.Generator) -> None:
    """Draws the band above: the name first, the exam's settings right.

    It is drawn apart, so that no letter leaves the band.
    """
    shade = tuple(min(255, v + 14) for v in layout.background) if rng.random() < 0.5 else layout.background
    band = Image.new("RGB", (layout.width, layout.header), shade)
    draw = ImageDraw.Draw(band)
    size = min(layout.letters, max(8, layout.header // 3))
    left = 6
    if layout.logo is not None:
        left += logo(draw, Rectangle(6, 3, round(2.4 * layout.header), layout.header - 6), layout.logo, rng)
    middle = layout.header // 2
    settings = f"MI {rng.uniform(0.4, 1.5):.1f}  TIs {rng.uniform(0.1, 1.2):.1f}"
    probe = f"C{rng.integers(4, 7)}-{rng.integers(1, 3)}"
    label(draw, (left, middle), name, layout.ink, size, "ld")
    label(draw, (left, middle + 1), str(rng.choice(STATIONS)), layout.ink, size, "la")
    right = layout.width - 6
    label(draw, (right, middle), settings, layout.ink, size, "rd")
    label(draw, (right, middle + 1), f"Abdomen {probe}", layout.ink, size, "ra")
    image.paste(band, (0, 0))


def logo(draw: ImageDraw.ImageDraw, at: Rectangle, colour: Colour, rng: np.random.Generator) -> int:
    """Draws a coloured emblem and letters of no company; returns the width it took in pixels."""
    kind = int(rng.integers(3))
    emblem = (at.x, at.y, at.x + at.height - 1, at.y + at.height - 1)
    second = tuple(255 - v // 2 for v in colour)
    if kind == 0:
        draw.ellipse(emblem, fill=colour)
        draw.pieslice(emblem, 20, 160, fill=second)
    elif kind == 1:
        draw.rectangle(emblem, fill=colour)
        draw.polygon([(at.x, emblem[3]), (at.x + at.height // 2, at.y), (emblem[2], emblem[3])], fill=second)
    else:
        for step, shade in enumerate((RED, YELLOW, GREEN, CYAN)):
            part = at.height // 4
            draw.rectangle((at.x + step * part, at.y, at.x + step * part + part - 1, emblem[3]), fill=shade)
    word = str(rng.choice(["sona", "VIDEA", "echon", "UltraX"]))
    label(draw, (at.x + at.height + 4, at.y + at.height / 2), word, colour, max(9, at.height // 2), "lm")
    return at.height + 4 + round(at.height * 0.32 * len(word)) + 14


def footer(draw: ImageDraw.ImageDraw, layout: Layout, rng: np.random.Generator) -> None:
    """Draws the bar below: its icons, and a status."""
    top = layout.height - layout.footer
    shade = tuple(min(255, v + 22) for v in layout.background)
    draw.rectangle((0, top, layout.width - 1, layout.height - 1), fill=shade)
    side = max(6, layout.footer - 8)
    x = 6
    if layout.icons:
        for _ in range(int(rng.integers(4, 13))):
            box = (x, top + 4, x + side - 1, top + 4 + side - 1)
            colour = ICONS[int(rng.integers(len(ICONS)))]
            (draw.ellipse, draw.rectangle)[int(rng.integers(2))](box, fill=None if rng.random() < 0.5 else colour,
                                                                 outline=colour)  # fmt: skip
            x += side + 5
    status = str(rng.choice(["Frozen", "Cine 112/112", "Select  Store  End exam", "Trackball: move box"]))
    label(draw, (layout.width - 6, top + layout.footer / 2), status, layout.ink, layout.letters, "rm")


def side_texts(draw: ImageDraw.ImageDraw, at: Rectangle, layout: Layout, rng: np.random.Generator) -> int:
    """Draws a column of settings and returns the first free row of pixels below it."""
    size = layout.letters
    lines = [str(rng.choice(MODES)), f"F {rng.uniform(2.5, 5):.1f} MHz", f"D {rng.integers(9, 17)}.0 cm"]
    lines += [f"G {rng.integers(30, 80)} %", f"DR {rng.integers(50, 90)}", f"FR {rng.integers(8, 40)} Hz"]
    lines += ["", str(rng.choice(["STE", "SWE", "E Map"])), f"Opac {round(100 * layout.opacity)} %"]
    lines += [f"0-{layout.scale:g} {layout.unit}", "M-STB"]
    y = at.y + 4
    for line in lines:
        if y + size > at.y + at.height:
            break
        label(draw, (at.x + 4, y), line, layout.ink, size)
        y += round(1.4 * size)
    stars = int(rng.integers(1, 6))
    for star in range(5):
        x = at.x + 4 + star * (size + 2)
        draw.regular_polygon((x + size / 2, y + size / 2, size / 2), 4, fill=GREEN if star < stars else GREY)
    return y + 2 * size


def thumbnails(
    image: Image.Image, at: Rectangle, picture: Image.Image, colours: NDArray[np.uint8], rng: np.random.Generator
) -> None:
    """Draws earlier pictures of the exam, small, down the column `at`, some with a coloured box of their own.

    `colours` is the colour map [256, 3].
    """
    width = at.width - 8
    height = round(width * picture.height / picture.width)
    y = at.y
    while y + height < at.y + at.height and width > 20:
        small = np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR)).copy()
        if rng.random() < 0.6:
            h, w = height // 3, width // 3
            part = small[h : 2 * h, w : 2 * w]
            run = np.cumsum(rng.normal(0, 6, (h, w)), axis=1) + rng.uniform(40, 200)
            part[:] = part // 2 + colours[np.clip(run, 0, 255).astype(np.uint8)] // 2
        image.paste(Image.fromarray(small), (at.x + 4, y))
        y += height + 6


def ruler(draw: ImageDraw.ImageDraw, panel: Rectangle, layout: Layout, mm_per_pixel: float) -> None:
    """Draws a tick each centimetre down one edge of the panel, longer and numbered each five."""
    step = 10 / mm_per_pixel
    left = layout.ruler == "left"
    x = panel.x + 2 if left else panel.x + panel.width - 3
    inward = 1 if left else -1
    for number in range(int(panel.height / step)):
        y = panel.y + 4 + round(number * step)
        long = number % 5 == 0
        draw.line((x, y, x + inward * (7 if long else 3), y), fill=layout.ink)
        if long and number and y < panel.y + panel.height - 10:
            anchor = "lm" if left else "rm"
            label(draw, (x + inward * 10, y), str(number), layout.ink, layout.letters - 1, anchor)


def orientation_mark(draw: ImageDraw.ImageDraw, panel: Rectangle, colour: Colour, size: int) -> None:
    """Draws the coloured letter that says which side of the probe is left."""
    x, y = panel.x + round(0.32 * panel.width), panel.y + 3
    draw.rectangle((x, y, x + size - 1, y + size - 1), fill=colour)
    label(draw, (x + size / 2, y + size / 2), "P", BLACK, size - 2, "mm")


def focus_marks(draw: ImageDraw.ImageDraw, panel: Rectangle, layout: Layout, rng: np.random.Generator) -> None:
    """Draws triangles at the focal depths, beside the ruler."""
    side = layout.letters * 0.6
    left = layout.ruler != "right"
    x = panel.x + 12 if left else panel.x + panel.width - 13
    for _ in range(int(rng.integers(1, 3))):
        y = panel.y + panel.height * rng.uniform(0.25, 0.75)
        draw.polygon([(x, y - side), (x, y + side), (x + (side if left else -side), y)], fill=layout.focus)


def body_mark(draw: ImageDraw.ImageDraw, panel: Rectangle, rng: np.random.Generator) -> None:
    """Draws a small torso with the probe on it, low in a corner of the panel."""
    w, h = round(panel.height * 0.09), round(panel.height * 0.12)
    x = panel.x + 16 if rng.random() < 0.5 else panel.x + panel.width - w - 30
    y = panel.y + panel.height - h - 24
    draw.rectangle((x - 2, y - 2, x + w + 2, y + h + 2), fill=(70, 66, 110), outline=GREY)
    draw.line([(x + 2, y), (x + 4, y + h // 2), (x + 2, y + h)], fill=WHITE)
    draw.line([(x + w - 2, y), (x + w - 4, y + h // 2), (x + w - 2, y + h)], fill=WHITE)
    at = x + w // 3, y + h // 2
    draw.line((at[0] - 4, at[1] + 2, at[0] + 5, at[1] - 3), fill=GREEN, width=2)


def calipers(draw: ImageDraw.ImageDraw, panel: Rectangle, colour: Colour, rng: np.random.Generator) -> None:
    """Draws two crosses and the dotted line between them."""
    arm = max(3, panel.height // 90)
    ends = [
        (panel.x + panel.width * rng.uniform(0.3, 0.7), panel.y + panel.height * rng.uniform(0.25, 0.8))
        for _ in range(2)
    ]
    for x, y in ends:
        draw.line((x - arm, y, x + arm, y), fill=colour)
        draw.line((x, y - arm, x, y + arm), fill=colour)
    dashes(draw, ends[0], ends[1], colour)


def dashes(draw: ImageDraw.ImageDraw, start: tuple[float, float], end: tuple[float, float], colour: Colour) -> None:
    """Draws a dashed line between two points: two pixels of each six."""
    length = float(np.hypot(end[0] - start[0], end[1] - start[1]))
    for at in np.arange(0, length, 6):
        a, b = at / max(length, 1), min(1.0, (at + 2) / max(length, 1))
        first = start[0] + a * (end[0] - start[0]), start[1] + a * (end[1] - start[1])
        last = start[0] + b * (end[0] - start[0]), start[1] + b * (end[1] - start[1])
        draw.line((*first, *last), fill=colour)


def bar(image: Image.Image, at: Rectangle, colours: NDArray[np.uint8], frame: Colour | None) -> None:
    """Draws a bar of the colour map `colours` [256, 3], the highest value uppermost; its line stands outside `at`."""
    rows = colours[np.round(np.linspace(255, 0, at.height)).astype(int)]
    image.paste(Image.fromarray(np.repeat(rows[:, None], at.width, axis=1)), (at.x, at.y))
    if frame is not None:
        x, y, right, bottom = at.corners
        ImageDraw.Draw(image).rectangle((x - 1, y - 1, right + 1, bottom + 1), outline=frame)


def bar_ticks(draw: ImageDraw.ImageDraw, at: Rectangle, layout: Layout) -> None:
    """Draws ticks and values right of the colour bar, and the unit above it."""
    size = layout.letters - 1
    right = at.x + at.width
    for value in np.linspace(0, layout.scale, layout.ticks):
        y = at.y + round((at.height - 1) * (1 - value / layout.scale))
        draw.line((right + 1, y, right + 4, y), fill=layout.ink)
        label(draw, (right + 6, y), f"{value:.1f}".removesuffix(".0"), layout.ink, size, "lm", rim=layout.bar_inset)
    label(draw, (at.x, at.y - 4), layout.unit, layout.ink, size, "ld", rim=layout.bar_inset)


def measuring_circle(
    draw: ImageDraw.ImageDraw, box: Rectangle, panel: Rectangle, kpa: float, layout: Layout, rng: np.random.Generator
) -> None:
    """Draws a circle inside the box, a dashed line from it and its reading low in the panel."""
    radius = max(4.0, min(box.width, box.height) * rng.uniform(0.08, 0.2))
    x = box.x + box.width / 2 + rng.uniform(-0.15, 0.15) * box.width
    y = box.y + box.height / 2 + rng.uniform(-0.15, 0.15) * box.height
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=WHITE)
    size = layout.letters
    low = panel.y + panel.height - 3 * size - 8
    end = panel.x + panel.width - round(9.5 * size), low + size
    dashes(draw, (x + radius, y), (end[0] - size, end[1]), WHITE)
    speed = speed_from_kpa(kpa)
    lines = (f"E  {kpa:.1f} kPa", f"Vs {speed:.2f} m/s") if layout.unit == "kPa" else (f"Vs {speed:.2f} m/s",)
    for row, line in enumerate(lines):
        label(draw, (end[0], low + row * (size + 3)), line, YELLOW, size, rim=True)
