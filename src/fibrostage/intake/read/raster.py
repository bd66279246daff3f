"""One picture → a square of stored pixels, or with `fit` = "click" several.

B-mode: the whole picture (or its region), padded or stretched to the square. Elastogram: the square of native
pixels that contains the whole region (paper §4.1: 224×224), only scaled when the region itself is larger; without a
region, the whole picture as for B-mode. A click: see `crops`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from fibrostage.dicom.jpeg_xl import CONTAINER, is_jpeg_xl, opened, said_of
from fibrostage.ground.errors import UnreadableImageError
from fibrostage.ground.geometry import Rectangle
from fibrostage.intake.find.quality import Area, Quality, measure
from fibrostage.intake.read.crops import Square, around_click, around_region, centre_of
from fibrostage.intake.read.tables import Click
from fibrostage.plan.intake import ModalityPlan

FORMATS = ("PNG", "JPEG", "BMP", "TIFF")  # Pillow opens an MPO as a JPEG, and fails where it is named
SEVERAL_OF_ONE = ("MPO",)  # a JPEG with previews or depth maps of the same shot behind it
LOSSY_JPEG_XL = "JPEG XL (lossy)"
MOST_PIXELS = 64 * 2**20  # of one picture
MOST_BYTES = 8 * MOST_PIXELS  # of a file that is read whole
RGB_MODES = ("RGB", "RGBA", "P", "L", "LA", "1", "CMYK")
DEEP_MODES = ("I;16", "I;16B", "I;16L", "I;16N")  # grey of 16 bits


@dataclass(frozen=True)
class Picture:
    """Stored pixels uint8 [S, S, C] of one picture, and what its source was like; `crop` is the part of the source that
    they show, `box` an elastogram's region in them."""

    pixels: NDArray[np.uint8]
    source_format: str
    width: int
    height: int
    quality: Quality
    crop: Rectangle
    box: Area | None = None


def read_pictures(
    path: Path, modality: ModalityPlan, roi: Rectangle | None = None, click: Click | None = None
) -> list[Picture]:
    """Reads, crops and scales one picture file. Raises `UnreadableImageError` with the reason where it cannot be
    decoded, or as `pictures_of` does."""
    image, source_format = decode(path)
    return pictures_of(image, source_format, modality, roi, click)


def pictures_of(
    image: Image.Image,
    source_format: str,
    modality: ModalityPlan,
    roi: Rectangle | None = None,
    click: Click | None = None,
) -> list[Picture]:
    """Returns the stored squares of one decoded picture. Raises `UnreadableImageError` where region or click leave it,
    fit = "click" has neither, or all pixels of a square are the same."""
    width, height = image.size
    if roi is not None:
        check_region(roi, width, height)
    if click is not None and (click[0] >= width or click[1] >= height):
        raise UnreadableImageError(f"the click ({click[0]}, {click[1]}) lies outside the {width}×{height} picture")
    mode = "RGB" if modality.stored_channels == 3 else "L"
    pictures = []
    for square in squares_of(modality, roi, click, width, height):
        stored = (
            whole_square(image, modality, roi) if square is None else native_square(image, square, modality.size, mode)
        )
        pixels = np.asarray(stored, dtype=np.uint8).reshape(modality.size, modality.size, -1)
        if pixels.min() == pixels.max():
            raise UnreadableImageError(f"zero variance: every pixel is {pixels.min()}")
        box = None if square is None or roi is None else stored_box(roi, square, modality)
        lit = stored_picture(roi, modality, width, height) if square is None else None
        crop = crop_of(square, modality, roi or Rectangle(0, 0, width, height))
        pictures.append(Picture(pixels, source_format, width, height, measure(pixels, box, lit), crop, box))
    return pictures


def check_region(roi: Rectangle, width: int, height: int) -> None:
    """Checks that a region lies in a picture of `width` × `height` pixels. Raises `UnreadableImageError` where it does
    not."""
    if not roi.fits(width, height):
        raise UnreadableImageError(
            f"the region {roi.width}×{roi.height} at ({roi.x}, {roi.y}) leaves the {width}×{height} picture"
        )


def decode(path: Path, window: tuple[int, int] | None = None) -> tuple[Image.Image, str]:
    """Decodes a picture file: the picture, upright, and its format. Grey of 16 bits becomes 8 by a `window`, the values
    that are black and white; CMYK, as printers have it, becomes RGB. Raises `UnreadableImageError` where it is gone,
    damaged, none of FORMATS nor JPEG XL, not 8-bit and without a window, of several frames, or of more than MOST_PIXELS
    pixels."""
    try:
        with path.open("rb") as file:
            if is_jpeg_xl(file.read(len(CONTAINER))):
                return decode_jpeg_xl(path, window)
        with Image.open(path, formats=FORMATS) as image:
            check_mode(image.mode, window)
            if getattr(image, "n_frames", 1) > 1 and image.format not in SEVERAL_OF_ONE:
                raise UnreadableImageError("holds several frames; give one picture a file")
            check_pixels(image.width, image.height)
            source_format = "JPEG" if image.format in SEVERAL_OF_ONE else str(image.format)
            image.load()
            return eight_bit(ImageOps.exif_transpose(image), window), source_format
    except UnreadableImageError:
        raise
    except FileNotFoundError:
        raise UnreadableImageError("the file is gone") from None
    except MemoryError:
        raise UnreadableImageError("does not fit into memory") from None
    except Exception:  # Pillow's readers let all kinds through
        raise UnreadableImageError(
            "not a readable PNG or JPEG picture, nor BMP, TIFF or JPEG XL: damaged, or cut short"
        ) from None


def decode_jpeg_xl(path: Path, window: tuple[int, int] | None = None) -> tuple[Image.Image, str]:
    """As `decode`, of a JPEG XL file, whose decoder is of the extra [dicom]; the format tells whether it may have lost
    something. The size is looked at first, as the decoder makes all that a stream says."""
    with path.open("rb") as file:
        said = said_of(stream := file.read(MOST_BYTES))
    if said is not None:
        check_pixels(said.width, said.height)
    image = opened(stream)
    check_mode(image.mode, window)
    upright = ImageOps.exif_transpose(image) if getattr(image, "jpeg", False) else image  # others lie as they should
    return eight_bit(upright, window), LOSSY_JPEG_XL if said is None or said.lossy else "JPEG XL"


def eight_bit(image: Image.Image, window: tuple[int, int] | None) -> Image.Image:
    """A picture whose mode was checked, in 8 bits a sample, grey or colours as screens have them."""
    if window is not None and image.mode in DEEP_MODES:
        image = windowed(image, window)
    return image.convert("RGB") if image.mode == "CMYK" else image


def check_pixels(width: int, height: int) -> None:
    """Raises `UnreadableImageError` for a picture of more than MOST_PIXELS."""
    if width * height > MOST_PIXELS:
        raise UnreadableImageError(f"has {width}×{height} pixels; at most {MOST_PIXELS} are read")


def check_mode(mode: str, window: tuple[int, int] | None) -> None:
    """Raises `UnreadableImageError` for a pixel mode that cannot be brought to 8-bit grey or RGB."""
    if mode in DEEP_MODES and window is None:
        raise UnreadableImageError(
            "has 16 bits a pixel, and nothing says which values are black and white: give [raster] window = "
            "[black, white] in the plan, or save it as 8-bit PNG"
        )
    if mode not in (*RGB_MODES, *DEEP_MODES):
        raise UnreadableImageError(f"pixel mode {mode} is not 8-bit grey or RGB; save it as 8-bit PNG")


def windowed(image: Image.Image, window: tuple[int, int]) -> Image.Image:
    """Returns a grey picture of 16 bits as one of 8, with the first value of the window black and the second white."""
    black, white = window
    values = np.asarray(image).astype(np.float32)
    return Image.fromarray(np.clip((values - black) / (white - black) * 255, 0, 255).round().astype(np.uint8))


def squares_of(
    modality: ModalityPlan, roi: Rectangle | None, click: Click | None, width: int, height: int
) -> list[Square | None]:
    """Returns the squares to store; None is the whole picture, or the whole of its region. Raises
    `UnreadableImageError` where fit = "click" has neither a click nor a region."""
    if modality.fit == "click":
        if click is None and roi is None:
            raise UnreadableImageError(
                "has neither click_x and click_y nor a region, and fit = 'click' crops around one"
            )
        clicked = click if click is not None else centre_of(roi)  # type: ignore[arg-type]
        return list(around_click(clicked, modality.size, width, height))
    if roi is not None and modality.kind == "elastogram":
        return [around_region(roi, modality.size, width, height)]
    return [None]


def native_square(image: Image.Image, square: Square, size: int, mode: str) -> Image.Image:
    """Cuts a square of a picture's own pixels in `mode`, black outside the picture, and scales it where its side is not
    `size`."""
    native = image.crop((square.x, square.y, square.x + square.side, square.y + square.side)).convert(mode)
    return native if square.side == size else native.resize((size, size), Image.Resampling.BILINEAR)


def whole_square(image: Image.Image, modality: ModalityPlan, roi: Rectangle | None) -> Image.Image:
    """Makes a square of the whole picture, or of its region, stretched or padded with black as the plan says."""
    size = (modality.size, modality.size)
    if roi is not None:
        image = image.crop((roi.x, roi.y, roi.right, roi.bottom))
    image = image.convert("RGB" if modality.stored_channels == 3 else "L")
    if modality.fit == "stretch":
        return image.resize(size, Image.Resampling.BILINEAR)
    return ImageOps.pad(image, size, Image.Resampling.BILINEAR, color=0)


def crop_of(square: Square | None, modality: ModalityPlan, area: Rectangle) -> Rectangle:
    """Returns the part of the source picture, in its pixels, that the stored square shows: the square that was cut, or
    of the whole of an `area` the area itself where it is stretched, and the square around it where it is padded."""
    if square is not None:
        return Rectangle(square.x, square.y, square.side, square.side)
    if modality.fit == "stretch":
        return area
    side = max(area.width, area.height)
    return Rectangle(area.x - (side - area.width) // 2, area.y - (side - area.height) // 2, side, side)


def stored_picture(roi: Rectangle | None, modality: ModalityPlan, width: int, height: int) -> Area | None:
    """Returns where the picture lies in a padded square, in stored pixels; None where it fills it."""
    if modality.fit == "stretch":
        return None
    if roi is not None:
        width, height = roi.width, roi.height
    scale = modality.size / max(width, height)
    w, h = max(1, round(width * scale)), max(1, round(height * scale))
    return (modality.size - w) // 2, (modality.size - h) // 2, w, h


def stored_box(roi: Rectangle, square: Square, modality: ModalityPlan) -> Area | None:
    """Returns where an elastogram's region lies in a stored square, in stored pixels and as far as it does; None where
    it does not, or the picture is no elastogram."""
    if modality.kind != "elastogram":
        return None
    scale = modality.size / square.side
    left, top = (max(0, round(v * scale)) for v in (roi.x - square.x, roi.y - square.y))
    right = min(modality.size, round((roi.right - square.x) * scale))
    bottom = min(modality.size, round((roi.bottom - square.y) * scale))
    return (left, top, right - left, bottom - top) if right > left and bottom > top else None
