"""High-throughput JPEG 2000 in DICOM: the very pixels back, and a size that is known before anything is decoded.

The kept streams are of pictures that a formula gives; OpenJPH wrote them, another coder than the one that reads them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.encaps import encapsulate
from pydicom.uid import UID

from fibrostage.dicom.file import open_dicom
from fibrostage.dicom.pixel_streams import CODESTREAM, JP2, size_of
from fibrostage.ground.errors import UnreadableImageError
from tests.dicom.test_jpeg_xl import frames_of
from tests.intake.build.bad_files import write

pytest.importorskip("openjpeg")
KEPT = Path(__file__).parents[1] / "golden" / "htj2k"
LOSSLESS, BY_RESOLUTION, ANY = (f"1.2.840.10008.1.2.4.{number}" for number in (201, 202, 203))
DEEP = {"BitsAllocated": 16, "BitsStored": 16, "HighBit": 15}
HEIGHT, WIDTH = 48, 64


def picture(kind: str) -> NDArray[Any]:
    """The pixels [48, 64] of "grey" and "deep", or [48, 64, 3] of "colour", whose stream is kept."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    grain = rows * rows * 7 + columns * columns * 13 + rows * columns
    if kind == "deep":
        return (grain * 37 % 65536).astype(np.uint16)
    grey = ((grain % 64) + 2 * rows + columns).astype(np.uint8)
    return grey if kind == "grey" else np.stack([grey, grey // 2 + 40, 255 - grey], axis=2)


def file_of(path: Path, streams: list[bytes], shape: tuple[int, ...], syntax: str = LOSSLESS, **tags: Any) -> Path:
    data = pydicom.dcmread(write(path, np.zeros(shape, dtype=np.uint8)))
    data.file_meta.TransferSyntaxUID = UID(syntax)
    data.PixelData = encapsulate([stream + b"\0" * (len(stream) % 2) for stream in streams])
    data["PixelData"].is_undefined_length = True
    for keyword, value in {**({"NumberOfFrames": len(streams)} if len(streams) > 1 else {}), **tags}.items():
        setattr(data, keyword, value)
    data.save_as(path)
    return path


def kept(name: str) -> bytes:
    return (KEPT / f"{name}.j2c").read_bytes()


@pytest.mark.parametrize("syntax", [LOSSLESS, BY_RESOLUTION, ANY])
@pytest.mark.parametrize("kind", ["grey", "colour"])
def test_lossless_streams_give_their_pixels_back(syntax: str, kind: str, tmp_path: Path) -> None:
    colours = {"PhotometricInterpretation": "YBR_RCT"} if kind == "colour" else {}
    path = file_of(tmp_path / "a.dcm", [kept(kind)], picture(kind).shape, syntax, **colours)
    np.testing.assert_array_equal(frames_of(path)[0], picture(kind))
    assert not open_dicom(path).mended  # type: ignore[union-attr]


def test_frames_of_a_loop_in_memory_and_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = file_of(tmp_path / "loop.dcm", [kept("grey")] * 3, (HEIGHT, WIDTH))
    np.testing.assert_array_equal(frames_of(path), [picture("grey")] * 3)
    monkeypatch.setattr("fibrostage.dicom.file.WHOLE", 0)
    np.testing.assert_array_equal(frames_of(path), [picture("grey")] * 3)


def test_deep_grey_is_brought_to_eight_bits(tmp_path: Path) -> None:
    (found,) = frames_of(file_of(tmp_path / "deep.dcm", [kept("deep")], (HEIGHT, WIDTH), **DEEP))
    np.testing.assert_allclose(found, picture("deep") / 257, atol=0.51)


def test_a_lossy_stream_is_near_its_picture(tmp_path: Path) -> None:
    tags = {"LossyImageCompression": "01"}
    path = file_of(tmp_path / "lossy.dcm", [kept("lossy")], (HEIGHT, WIDTH), ANY, **tags)
    difference = np.abs(frames_of(path)[0].astype(int) - picture("grey"))
    assert 0 < difference.max() <= 12
    assert open_dicom(path).lossy  # type: ignore[union-attr]


@pytest.mark.parametrize("around", [b"", JP2])
@pytest.mark.parametrize("memory", [2**26, 0])
def test_another_size_is_refused_and_nothing_decoded(
    around: bytes, memory: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grown = kept("grey").replace(WIDTH.to_bytes(4, "big"), (40000).to_bytes(4, "big"))
    path = file_of(tmp_path / "bomb.dcm", [around + grown], (HEIGHT, WIDTH))
    monkeypatch.setattr("fibrostage.dicom.file.WHOLE", memory)
    monkeypatch.setattr("fibrostage.dicom.file.iter_pixels", None)
    with pytest.raises(UnreadableImageError, match="says 64×48 pixels, and frame 0 is 40000×48"):
        frames_of(path)


def test_a_stream_of_many_components_is_refused(tmp_path: Path) -> None:
    stream = bytearray(kept("grey"))
    stream[40:42] = (16384).to_bytes(2, "big")
    path = file_of(tmp_path / "many.dcm", [bytes(stream)], (HEIGHT, WIDTH))
    with pytest.raises(UnreadableImageError, match="frame 0 says 16384 components; at most 4 are read"):
        open_dicom(path)
    assert size_of(CODESTREAM) is None


def test_damaged_streams_are_refused(tmp_path: Path) -> None:
    stream = kept("grey")
    for number, damaged in enumerate((stream[: len(stream) // 2], stream[:-50], stream[:300] + bytes(len(stream)))):
        path = file_of(tmp_path / f"{number}.dcm", [damaged], (HEIGHT, WIDTH))
        with pytest.raises(UnreadableImageError, match="frame 0 of 1 cannot be decoded: it is damaged"):
            frames_of(path)


def test_what_has_no_decoder_is_named_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = file_of(tmp_path / "a.dcm", [kept("grey")], (HEIGHT, WIDTH), ANY)
    decoder = pydicom.pixels.decoders.base.get_decoder(ANY)
    monkeypatch.setattr(decoder, "_available", {})
    with pytest.raises(UnreadableImageError, match=r"HTJ2K \(.*4\.203\) has no decoder here: install .*\[dicom\], or"):
        open_dicom(path)
    before = file_of(tmp_path / "b.dcm", [bytes(400)], (HEIGHT, WIDTH), ANY).read_bytes()
    for syntax, name in (("1.2.840.10008.1.2.4.94", "JPIP Referenced"), ("1.2.3.40", "transfer syntax 1.2.3.40 has")):
        path.write_bytes(before.replace(ANY.encode(), syntax.encode().ljust(len(ANY), b"\0"), 1))
        with pytest.raises(UnreadableImageError, match=rf"{name}.*no decoder here: write the file again uncompressed"):
            open_dicom(path)
