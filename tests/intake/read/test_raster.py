"""Pictures read from files: the square around a region, proportions, formats."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fibrostage.ground.errors import UnreadableImageError
from fibrostage.ground.geometry import Rectangle
from fibrostage.intake.read.crops import Square, around_region
from fibrostage.intake.read.raster import Picture, decode, read_pictures
from fibrostage.plan.intake import ModalityPlan

ELASTOGRAM = ModalityPlan(name="LSTE", kind="elastogram", size=224)
BMODE = ModalityPlan(name="LUS", kind="bmode", size=64)


def read_picture(path: Path, modality: ModalityPlan, roi: Rectangle | None) -> Picture:
    (only,) = read_pictures(path, modality, roi)
    return only


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """x in red, y in green, so that a crop tells where it was taken."""
    y, x = np.mgrid[0:240, 0:255]
    image = np.stack([x, y, np.zeros_like(x)], axis=-1).astype(np.uint8)
    Image.fromarray(image).save(tmp_path / "p.png")
    return tmp_path / "p.png"


def test_an_elastogram_is_the_native_square_around_its_region(picture: Path) -> None:
    read = read_picture(picture, ELASTOGRAM, Rectangle(100, 90, 50, 40))
    assert read.pixels.shape == (224, 224, 3)
    assert around_region(Rectangle(100, 90, 50, 40), 224, 255, 240) == Square(13, 0, 224)
    assert read.box == (100 - 13, 90, 50, 40)
    assert read.pixels[0, 0].tolist() == [13, 0, 0]
    assert read.pixels[223, 223].tolist() == [13 + 223, 223, 0]


@pytest.mark.parametrize(
    ("roi", "square"),
    [
        (Rectangle(0, 0, 50, 50), (0, 0, 224)),  # shifted inwards at the border
        (Rectangle(500, 400, 100, 80), (416, 256, 224)),
        (Rectangle(100, 100, 300, 60), (100, 0, 300)),  # a region larger than the square
        (Rectangle(10, 10, 20, 20), (0, 0, 224)),
    ],
)
def test_the_square_contains_the_region_and_stays_inside(roi: Rectangle, square: tuple[int, int, int]) -> None:
    found = around_region(roi, 224, 640, 480)
    x, y, side = found.x, found.y, found.side
    assert (x, y, side) == square
    assert x <= roi.x
    assert y <= roi.y
    assert roi.x + roi.width <= x + side <= 640
    assert roi.y + roi.height <= y + side <= 480


def test_a_picture_smaller_than_the_square_is_centred_in_black() -> None:
    assert around_region(Rectangle(10, 10, 20, 20), 224, 100, 300) == Square(-62, 0, 224)


def test_bmode_keeps_its_proportions_unless_told_to_stretch(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(100, 255, (30, 60), dtype=np.uint8)).save(tmp_path / "wide.png")
    padded = read_picture(tmp_path / "wide.png", BMODE, None).pixels
    assert padded.shape == (64, 64, 1)
    assert padded[:15].max() == 0
    assert padded[17:47].min() > 50
    stretched = BMODE.model_copy(update={"fit": "stretch"})
    assert read_picture(tmp_path / "wide.png", stretched, None).pixels.min() > 50


def test_a_region_of_bmode_is_cut_out(picture: Path) -> None:
    colour = BMODE.model_copy(update={"channels": 3})
    pixels = read_picture(picture, colour, Rectangle(100, 50, 64, 64)).pixels
    assert pixels[0, 0].tolist() == [100, 50, 0]
    assert pixels[63, 63].tolist() == [163, 113, 0]


def test_a_region_that_leaves_the_picture_is_refused(picture: Path) -> None:
    with pytest.raises(UnreadableImageError, match=r"100×40 at \(200, 10\) leaves the 255×240 picture"):
        read_picture(picture, ELASTOGRAM, Rectangle(200, 10, 100, 40))


def test_jpeg_grey_rgb_and_palette_are_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    grey = Image.fromarray(rng.integers(0, 255, (50, 50), dtype=np.uint8))
    for name, image in (("a.jpg", grey), ("b.jpg", grey.convert("RGB")), ("c.png", grey.convert("P"))):
        image.save(tmp_path / name)
        read = read_picture(tmp_path / name, BMODE, None)
        assert read.pixels.shape == (64, 64, 1)
        assert read.source_format == ("JPEG" if name.endswith("jpg") else "PNG")


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_become_eight_by_the_window_that_is_given(suffix: str, tmp_path: Path) -> None:
    values = np.linspace(0, 4095, 64 * 48).round().astype(np.uint16).reshape(48, 64)
    path = tmp_path / f"deep.{suffix}"
    Image.fromarray(values).save(path)
    with pytest.raises(UnreadableImageError, match=r"16 bits a pixel.*\[raster\] window = \[black, white\]"):
        decode(path)
    image, _ = decode(path, (1000, 3000))
    literal = np.clip((values.astype(float) - 1000) / 2000 * 255, 0, 255).round()
    np.testing.assert_array_equal(np.asarray(image), literal)


def test_what_a_printer_would_take_is_read_as_the_same_colours(tmp_path: Path) -> None:
    colours = np.zeros((32, 32, 3), np.uint8)
    colours[:, :16], colours[:, 16:] = (200, 30, 40), (20, 90, 220)
    Image.fromarray(colours).convert("CMYK").save(tmp_path / "c.jpg", quality=95)
    image, source_format = decode(tmp_path / "c.jpg")
    assert (image.mode, source_format) == ("RGB", "JPEG")
    assert np.abs(np.asarray(image)[:, [4, 28]].astype(int) - colours[:, [4, 28]]).max() <= 6


def test_every_format_is_read_in_a_process_that_has_read_none(tmp_path: Path) -> None:
    image = Image.fromarray(np.arange(48 * 64, dtype=np.uint8).reshape(48, 64))
    for suffix in ("bmp", "tif"):
        image.save(tmp_path / f"p.{suffix}")
        said = "import sys, pathlib; from fibrostage.intake.read import raster; "
        said += "print(raster.decode(pathlib.Path(sys.argv[1]))[1])"
        done = subprocess.run([sys.executable, "-c", said, tmp_path / f"p.{suffix}"], capture_output=True, text=True)
        assert done.stdout.strip() == {"bmp": "BMP", "tif": "TIFF"}[suffix], done.stderr
