"""One PNG or JPEG picture → a square of stored pixels.

B-mode: the whole picture (or its region), padded or stretched to the square. Elastogram: the square of native
pixels that contains the whole region (paper §4.1: 224×224), shifted inwards at the picture's border and only
scaled when the region itself is larger; without a region, the whole picture as for B-mode.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from fibrostage.intake.labels import Roi
from fibrostage.intake.quality import Area, Quality, measure
from fibrostage.plan import ModalityPlan

FORMATS = ("PNG", "JPEG")
RGB_MODES = ("RGB", "RGBA", "P", "L", "LA", "1")


class UnreadableImageError(Exception):
    """Why one picture was refused; the caller knows its file and row."""


@dataclass(frozen=True)
class Picture:
    """Stored pixels uint8 [S, S, C] of one picture, and what its source was like."""

    pixels: NDArray[np.uint8]
    source_format: str
    width: int
    height: int
    quality: Quality


def read_picture(path: Path, modality: ModalityPlan, roi: Roi | None) -> Picture:
    """Reads, crops and scales one picture; raises `UnreadableImageError` with the reason."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.mode not in RGB_MODES:
                raise UnreadableImageError(f"pixel mode {image.mode} is not 8-bit grey or RGB; save it as 8-bit PNG")
            if getattr(image, "n_frames", 1) > 1:
                raise UnreadableImageError("holds several frames; give one picture a file")
            source_format = str(image.format)
            image.load()
            upright = ImageOps.exif_transpose(image)
            rgb = upright.convert("RGB" if modality.stored_channels == 3 else "L")
    except UnreadableImageError:
        raise
    except FileNotFoundError:
        raise UnreadableImageError("the file is gone") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = str(error).replace(str(path), "the file").replace(repr(str(path)), "the file")
        raise UnreadableImageError(f"not a readable PNG or JPEG: {reason}") from None
    if roi is not None and (roi.x + roi.width > rgb.width or roi.y + roi.height > rgb.height):
        raise UnreadableImageError(
            f"the region {roi.width}×{roi.height} at ({roi.x}, {roi.y}) leaves the {rgb.width}×{rgb.height} picture"
        )
    square = to_square(rgb, modality, roi)
    pixels = np.asarray(square, dtype=np.uint8).reshape(modality.size, modality.size, -1)
    if pixels.min() == pixels.max():
        raise UnreadableImageError(f"zero variance: every pixel is {pixels.min()}")
    region = stored_region(roi, modality, rgb.width, rgb.height)
    quality = measure(pixels, region, stored_picture(roi, modality, rgb.width, rgb.height))
    return Picture(pixels, source_format, rgb.width, rgb.height, quality)


def stored_picture(roi: Roi | None, modality: ModalityPlan, width: int, height: int) -> Area | None:
    """Where the picture lies in a padded square; None where it fills it."""
    if modality.fit == "stretch" or (roi is not None and modality.kind == "elastogram"):
        return None
    if roi is not None:
        width, height = roi.width, roi.height
    scale = modality.size / max(width, height)
    w, h = max(1, round(width * scale)), max(1, round(height * scale))
    return (modality.size - w) // 2, (modality.size - h) // 2, w, h


def stored_region(roi: Roi | None, modality: ModalityPlan, width: int, height: int) -> Area | None:
    """Where an elastogram's region lies in its stored square (x, y, width, height)."""
    if roi is None or modality.kind != "elastogram":
        return None
    left, top, side = square_around(roi, modality.size, width, height)
    scale = modality.size / side
    x, y, w, h = ((roi.x - left) * scale, (roi.y - top) * scale, roi.width * scale, roi.height * scale)
    return round(x), round(y), round(w), round(h)


def to_square(image: Image.Image, modality: ModalityPlan, roi: Roi | None) -> Image.Image:
    size = (modality.size, modality.size)
    if roi is not None and modality.kind == "elastogram":
        x, y, side = square_around(roi, modality.size, image.width, image.height)
        native = image.crop((x, y, x + side, y + side))
        return native if side == modality.size else native.resize(size, Image.Resampling.BILINEAR)
    if roi is not None:
        image = image.crop((roi.x, roi.y, roi.x + roi.width, roi.y + roi.height))
    if modality.fit == "stretch":
        return image.resize(size, Image.Resampling.BILINEAR)
    return ImageOps.pad(image, size, Image.Resampling.BILINEAR, color=0)


def square_around(roi: Roi, size: int, width: int, height: int) -> tuple[int, int, int]:
    """(x, y, side) of the square of at least `size` that contains the region, inside the picture if it can be."""
    side = max(size, roi.width, roi.height)

    def start(low: int, extent: int, limit: int) -> int:
        if side > limit:  # centred on the picture, black outside it
            return (limit - side) // 2
        return min(max(low + extent // 2 - side // 2, 0), limit - side)

    return start(roi.x, roi.width, width), start(roi.y, roi.height, height), side
