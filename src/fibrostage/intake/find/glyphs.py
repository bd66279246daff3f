"""Signs of a scanner's lettering told apart: digits, a point, and the letters of kPa and m/s.

A sign is compared with the same sign as fonts draw it that come with our own dependencies, small and smoothed as on a
screen; what is like none of them, or like two, is not read. There are no weights to be trained or kept: the templates
are drawn when they are first needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

ROWS, COLUMNS = 16, 10  # of a sign once it is brought to one size
OWN = ""  # the name of Pillow's own font among FONTS
FONTS = (OWN, "DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "DejaVuSerif", "cmss10", "cmtt10", "STIXGeneral")
SIZES = (8, 9, 10, 12, 15, 22)  # pixels of a font
CONTEXTS = {
    "0123456789.": "0",
    "kKPacBdHzVEMx": "kPa",
    "ms/c": "m/s",
    "-%": "0",
}  # signs, and what is as high as a line
NARROW = 0.9  # how much a sign's width counts against its looks
POINT = 0.4  # of a line's height, that a point is high at most


@dataclass(frozen=True, eq=False)
class Templates:
    """What signs look like: `looks` [n, ROWS · COLUMNS + 1] of unit length but for the width, and which `signs` [n].
    Templates are equal to themselves alone, so that what was read by them can be remembered."""

    looks: NDArray[np.float32]
    signs: NDArray[np.str_]


@lru_cache(maxsize=16)
def templates(fonts: tuple[str, ...] = FONTS) -> Templates:
    """Draws every sign in the fonts by name, at all SIZES. Raises `OSError` where matplotlib has no such font."""
    looks, signs = [], []
    for font in fonts:
        for size in SIZES:
            drawn = font_named(font, size)
            for chars, context in CONTEXTS.items():
                top, bottom = extent(drawn, context)
                for sign in chars:
                    ink = ink_of(drawn, sign)
                    rows = np.flatnonzero(ink.max(axis=1) > 0.5)
                    columns = np.flatnonzero(ink.max(axis=0) > 0.5)
                    if not len(rows):
                        continue
                    first, last = min(top, int(rows[0])), max(bottom, int(rows[-1]) + 1)
                    looks.append(look_of(ink[first:last, columns[0] : columns[-1] + 1]))
                    signs.append(sign)
    return Templates(np.stack(looks), np.array(signs))


def font_named(name: str, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Returns Pillow's own font, or one that comes with matplotlib, at a size in pixels."""
    if name == OWN:
        return ImageFont.load_default(size)
    from matplotlib import get_data_path

    return ImageFont.truetype(str(Path(get_data_path()) / "fonts" / "ttf" / f"{name}.ttf"), size)


def ink_of(font: ImageFont.FreeTypeFont | ImageFont.ImageFont, text: str) -> NDArray[np.float32]:
    """Draws a text and returns how much ink each pixel [h, w] has, 0–1."""
    image = Image.new("L", (64, 64), 0)
    ImageDraw.Draw(image).text((8, 44), text, fill=255, font=font, anchor="ls")
    return np.asarray(image, dtype=np.float32) / np.float32(255)


def extent(font: ImageFont.FreeTypeFont | ImageFont.ImageFont, text: str) -> tuple[int, int]:
    """Returns the rows that a text covers in `ink_of`, the second exclusive."""
    rows = np.flatnonzero(ink_of(font, text).max(axis=1) > 0.5)
    return int(rows[0]), int(rows[-1]) + 1


def look_of(ink: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns what a sign of a line [h, w] looks like at one size [ROWS · COLUMNS + 1], its width over its height last;
    `ink` is 0–1 and as high as the line."""
    image = Image.fromarray(np.ascontiguousarray(ink, dtype=np.float32))
    even = np.asarray(image.resize((COLUMNS, ROWS), Image.Resampling.BILINEAR), dtype=np.float32).ravel()
    length = float(np.linalg.norm(even)) or 1.0
    return np.append(even / length, np.float32(NARROW * min(ink.shape[1] / ink.shape[0], 1.5)))


def told_apart(looks: NDArray[np.float32], known: Templates) -> list[tuple[str, float, float]]:
    """Says of each of `looks` [n, ROWS · COLUMNS + 1] which sign it is, how far it is from it, and how much farther
    from the next other sign."""
    squared = (looks**2).sum(axis=1)[:, None] + (known.looks**2).sum(axis=1)[None] - 2 * looks @ known.looks.T
    distance = np.sqrt(np.maximum(squared, 0))
    found = []
    for row in distance:
        best = int(row.argmin())
        sign = known.signs[best]
        other = float(row[known.signs != sign].min())
        found.append((str(sign), float(row[best]), other - float(row[best])))
    return found
