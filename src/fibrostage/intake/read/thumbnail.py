"""A screen made small for the contact sheet, as it will be kept, or too coarse to be read where it was kept out."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from fibrostage.ground.geometry import Rectangle

WIDTH, HEIGHT = 200, 150  # of a tile
SQUARE = 8  # pixels of a tile, a side of a mosaic's squares
FRAME = (60, 255, 90)


def thumb_of(pixels: NDArray[np.uint8], roi: Rectangle | None, stored: Rectangle | None = None) -> bytes:
    """Returns a screen `pixels` [H, W] or [H, W, 3] as a small JPEG that fits a tile, black but for the part that is
    stored, with its region framed; both are in pixels of the screen."""
    image = Image.fromarray(pixels)
    width, height = image.size
    if stored is not None:
        corners = stored.x, stored.y, stored.right, stored.bottom
        part = image.crop(corners)
        image = Image.new(image.mode, (width, height))
        image.paste(part, corners[:2])
    scale = min(WIDTH / width, HEIGHT / height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = image.resize(size, Image.Resampling.BILINEAR, reducing_gap=1.01).convert("RGB")
    if roi is not None:
        corners = roi.x, roi.y, roi.right - 1, roi.bottom - 1
        ImageDraw.Draw(small).rectangle([int(value * scale) for value in corners], outline=FRAME)
    return written(small)


def mosaic_of(pixels: NDArray[np.uint8]) -> bytes:
    """Returns a screen that was kept out, `pixels` [H, W] or [H, W, 3], as a small JPEG of squares so coarse that one
    sees which picture it is and reads nothing."""
    image = Image.fromarray(pixels).convert("RGB")
    scale = min(WIDTH / image.width, HEIGHT / image.height)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    coarse = max(1, round(size[0] / SQUARE)), max(1, round(size[1] / SQUARE))
    return written(image.resize(coarse, Image.Resampling.BOX).resize(size, Image.Resampling.NEAREST))


def written(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=80)
    return file.getvalue()
