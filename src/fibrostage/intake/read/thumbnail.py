"""A screen made small for the contact sheet, as it will be kept."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from fibrostage.ground.geometry import Rectangle

WIDTH, HEIGHT = 200, 150  # of a tile
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
    written = io.BytesIO()
    small.save(written, "JPEG", quality=80)
    return written.getvalue()
