"""JPEG XL in DICOM: the very pixels back, and a size that is known before anything is decoded."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import HTJ2KLossless

from fibrostage.dicom.file import open_dicom
from fibrostage.dicom.jpeg_xl import BARE, size_said
from fibrostage.ground.errors import UnreadableImageError
from tests.intake.build.bad_files import write

pytest.importorskip("pillow_jxl")
LOSSLESS, RECOMPRESSED = "1.2.840.10008.1.2.4.110", "1.2.840.10008.1.2.4.111"


def coded(pixels: NDArray[Any], **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JXL", **{"lossless": True, "effort": 1, **options})
    return buffer.getvalue()


def noise(*shape: int, kind: str = "uint8") -> NDArray[Any]:
    return np.random.default_rng(1).integers(0, np.iinfo(kind).max, shape, dtype=kind)


def file_of(path: Path, streams: list[bytes], shape: tuple[int, ...], syntax: str = LOSSLESS, **tags: Any) -> Path:
    """A DICOM file of frames [H, W] or [H, W, 3] that are coded already."""
    data = pydicom.dcmread(write(path, np.zeros(shape, dtype=np.uint8)))
    if len(streams) > 1:
        data.NumberOfFrames = len(streams)
    data.file_meta.TransferSyntaxUID = HTJ2KLossless  # pydicom writes no syntax that it does not know
    data.PixelData = encapsulate([stream + b"\0" * (len(stream) % 2) for stream in streams])
    for keyword, value in tags.items():
        setattr(data, keyword, value)
    data.save_as(path)
    path.write_bytes(path.read_bytes().replace(HTJ2KLossless.encode(), syntax.encode(), 1))
    return path


def frames_of(path: Path) -> list[NDArray[np.uint8]]:
    return [pixels for _, _, pixels in open_dicom(path).frames()]  # type: ignore[union-attr]


@pytest.mark.parametrize("shape", [(120, 160), (120, 160, 3)])
@pytest.mark.parametrize("container", [False, True])
def test_lossless_streams_give_their_pixels_back(shape: tuple[int, ...], container: bool, tmp_path: Path) -> None:
    pixels = noise(*shape)
    path = file_of(tmp_path / "a.dcm", [coded(pixels, use_container=container)], shape)
    (found,) = frames_of(path)
    np.testing.assert_array_equal(found, pixels)
    assert not open_dicom(path).lossy  # type: ignore[union-attr]


def test_frames_of_a_loop_and_of_a_large_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = [noise(96, 128) // divisor for divisor in (1, 2, 3)]
    path = file_of(tmp_path / "loop.dcm", [coded(one) for one in loop], (96, 128))
    np.testing.assert_array_equal(frames_of(path), loop)
    monkeypatch.setattr("fibrostage.dicom.file.WHOLE", 0)
    np.testing.assert_array_equal(frames_of(path), loop)


def test_deep_grey_is_brought_to_eight_bits(tmp_path: Path) -> None:
    pixels = noise(120, 160, kind="uint16")
    tags = {"BitsAllocated": 16, "BitsStored": 16, "HighBit": 15}
    (found,) = frames_of(file_of(tmp_path / "deep.dcm", [coded(pixels)], (120, 160), **tags))
    np.testing.assert_allclose(found, pixels / 257, atol=0.51)


def test_a_recompressed_jpeg_is_that_jpeg(tmp_path: Path) -> None:
    smooth = np.broadcast_to(np.linspace(0, 250, 160).astype(np.uint8), (120, 160)).copy()
    buffer = io.BytesIO()
    Image.fromarray(smooth).save(buffer, "JPEG", quality=90)
    buffer.seek(0)
    told = io.BytesIO()
    with Image.open(buffer) as jpeg:
        pixels = np.asarray(jpeg)
        jpeg.save(told, "JXL", lossless_jpeg=True)
    path = file_of(tmp_path / "again.dcm", [told.getvalue()], (120, 160), RECOMPRESSED)
    np.testing.assert_allclose(frames_of(path)[0], pixels.astype(int), atol=1)  # two decoders round otherwise
    assert open_dicom(path).lossy  # type: ignore[union-attr]


@pytest.mark.parametrize("size", [(8, 8), (256, 256), (160, 120), (513, 30), (640, 480), (1920, 1080), (9000, 2)])
@pytest.mark.parametrize("container", [False, True])
def test_a_stream_says_its_size_before_it_is_decoded(size: tuple[int, int], container: bool) -> None:
    stream = coded(np.zeros(size[::-1], dtype=np.uint8), use_container=container)
    assert size_said(stream) == size
    assert size_said(stream[:2]) is None
    assert size_said(b"\xff\xd8\xff\xe0") is None


def test_another_size_is_refused_and_nothing_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = file_of(tmp_path / "bomb.dcm", [coded(np.zeros((4000, 4000), dtype=np.uint8))], (120, 160))
    monkeypatch.setattr("fibrostage.dicom.file.decoded", None)
    with pytest.raises(UnreadableImageError, match="says 160×120 pixels, and frame 0 is 4000×4000"):
        open_dicom(path)


def test_a_damaged_stream_and_a_missing_decoder_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = coded(noise(120, 160))
    with pytest.raises(UnreadableImageError, match="JPEG XL stream is damaged, or cut short"):
        frames_of(file_of(tmp_path / "cut.dcm", [stream[: len(stream) // 2]], (120, 160)))
    path = file_of(tmp_path / "whole.dcm", [stream], (120, 160))
    assert stream.startswith(BARE)
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)
    with pytest.raises(UnreadableImageError, match=r"JPEG XL needs .* extra \[dicom\]"):
        frames_of(path)
