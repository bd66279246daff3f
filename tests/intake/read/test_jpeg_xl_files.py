"""JPEG XL outside DICOM: read like other pictures, and measured before it is decoded."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fibrostage.dicom.jpeg_xl import BARE, said_of, size_said
from fibrostage.ground.errors import UnreadableImageError
from fibrostage.intake.read.media import Medium, open_medium
from fibrostage.intake.read.raster import decode
from tests.dicom.test_jpeg_xl import coded, noise

# Streams of imagecodecs 2026.3.6: two frames of 8×6, and grey of 12 bits, 12×8, whose pixel (x, y) is 331·x + 57·y.
MOVING = (
    "ff0a2830411300880908040100ec004b18938e8383091105ae313ac6186529c6a86284318cbc40b800ffff0f01ffffffffe7"
    "ff1f3e77fd6efe2df6aaa4cf0b6e1b416802e2a93803d90d08040500cc004b18938e83830950a08a8ed19530c218465e205e"
    "80ffff6f81ffffffffffff0f9fe57e507f46446e0aea25ee86d2f20fb8ea07"
)
TWELVE_BITS = (
    "ff0a016150b40808040100f8004b386898c283f72514cc40f168e9064c5da63e6e69b95c2e97cbe572b94444444444444c31"
    "01044440444480886910114044440488888808202222024404"
)


def opened(path: Path, data: bytes) -> Medium:
    path.write_bytes(data)
    medium = open_medium(path, ("US",))
    assert hasattr(medium, "frames")
    return medium


@pytest.mark.parametrize("shape", [(40, 60), (40, 60, 3), (40, 60, 4)])
@pytest.mark.parametrize("container", [False, True])
def test_a_lossless_file_gives_its_pixels_back(shape: tuple[int, ...], container: bool, tmp_path: Path) -> None:
    pytest.importorskip("pillow_jxl")
    pixels = noise(*shape)
    medium = opened(tmp_path / "a.png", coded(pixels, use_container=container))  # its name says nothing
    ((_, _, found),) = medium.frames()
    np.testing.assert_array_equal(found, pixels[..., :3] if len(shape) == 3 else pixels)
    assert (medium.format, medium.lossy) == ("JPEG XL", False)


def test_a_lossy_file_is_known_as_one(tmp_path: Path) -> None:
    pytest.importorskip("pillow_jxl")
    medium = opened(tmp_path / "a.jxl", coded(noise(40, 60, 3), lossless=False))
    assert (medium.format, medium.lossy) == ("JPEG XL (lossy)", True)


def test_a_recompressed_photo_lies_as_that_photo(tmp_path: Path) -> None:
    pytest.importorskip("pillow_jxl")
    ramp = np.broadcast_to(np.linspace(0, 250, 60).astype(np.uint8), (40, 60))
    turned = Image.Exif()
    turned[274] = 6  # a quarter turn to the right
    Image.fromarray(ramp.copy()).save(tmp_path / "a.jpg", quality=95, exif=turned)
    told = io.BytesIO()
    with Image.open(tmp_path / "a.jpg") as photo:
        photo.save(told, "JXL", lossless_jpeg=True)
    medium = opened(tmp_path / "a.jxl", told.getvalue())
    (tmp_path / "a.jxl").write_bytes(told.getvalue())
    np.testing.assert_allclose(next(medium.frames())[2], np.asarray(decode(tmp_path / "a.jpg")[0]).astype(int), atol=1)
    assert medium.lossy


def test_deep_grey_has_the_values_that_were_written(tmp_path: Path) -> None:
    pytest.importorskip("pillow_jxl")
    path = tmp_path / "deep.jxl"
    path.write_bytes(bytes.fromhex(TWELVE_BITS))
    rows, columns = np.mgrid[:8, :12]
    with pytest.raises(UnreadableImageError, match=r"16 bits a pixel.*\[raster\] window"):
        decode(path)
    literal = np.clip((331 * columns + 57 * rows - 1000) / 2000 * 255, 0, 255).round()
    np.testing.assert_array_equal(np.asarray(decode(path, (1000, 3000))[0]), literal)


def test_what_it_says_is_known_without_the_decoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)
    said = said_of(bytes.fromhex(TWELVE_BITS))
    assert said is not None
    assert (said.width, said.height, said.bits, said.lossy) == (12, 8, 12, False)
    with pytest.raises(UnreadableImageError, match=r"JPEG XL needs Pillow's plugin .* extra \[dicom\]"):
        opened(tmp_path / "a.jxl", bytes.fromhex(TWELVE_BITS))
    with pytest.raises(UnreadableImageError, match="more than one picture; give one picture a stream"):
        opened(tmp_path / "b.jxl", bytes.fromhex(MOVING))
    with pytest.raises(UnreadableImageError, match="stream is damaged, or cut short"):
        opened(tmp_path / "c.jxl", BARE + b"\0")


def huge(container: bool) -> bytes:
    """The head of a stream of 2³⁰×2³⁰ pixels; in a container that breaks after two bytes, before a smaller size."""
    side = (1 << 32) - 1  # selector 3 and thirty bits, all ones
    head = ((side << 1) | (0 << 33) | (side << 36)).to_bytes(10, "little")
    if not container:
        return BARE + head + bytes(64)

    def box(kind: bytes, content: bytes) -> bytes:
        return (8 + len(content)).to_bytes(4, "big") + kind + content

    first, rest = box(b"jxlp", bytes(4) + BARE), box(b"jxlp", b"\x80\0\0\1" + head + bytes(64))
    return b"\0\0\0\x0cJXL \r\n\x87\n" + box(b"ftyp", b"jxl \0\0\0\0jxl ") + first + rest


@pytest.mark.parametrize("container", [False, True])
def test_a_huge_picture_is_refused_and_nothing_decoded(
    container: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fibrostage.intake.read.raster.opened", None)
    assert size_said(huge(container)) == (2**30, 2**30)
    with pytest.raises(UnreadableImageError, match="has 1073741824×1073741824 pixels; at most 67108864 are read"):
        opened(tmp_path / "a.jxl", huge(container))


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("pillow_jxl")
    data: Any = coded(noise(40, 60))
    with pytest.raises(UnreadableImageError, match="stream is damaged, or cut short"):
        opened(tmp_path / "a.jxl", data[: len(data) // 2])
