"""A picture is the same whatever its tags say of it, as long as the stream tells."""

from __future__ import annotations

import functools
import os
import tempfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate, generate_frames

from fibrostage.dicom.colours import (
    CLASSIC_2000,
    HIGH_THROUGHPUT,
    LOSSLESS_JPEG,
    LOSSY_JPEG,
    RLE,
    JpegColours,
    coding_of,
    colour_transform,
    in_planes,
    jpeg_colours,
    photometric_of,
)
from fibrostage.ground.errors import UnreadableImageError
from tests.dicom.real_files import frame, opened, real
from tests.intake.build.bad_files import write

JPEG_OF_YCBCR = (
    "RGB",
    "YBR_FULL",
    "YBR_FULL_422",
    "YBR_PARTIAL_422",
    "YBR_ICT",
    "YBR_RCT",
    "YBR_FULL_422 ",
    "ybr_full",
)
ONE_WORD = ("RGB", "rgb")
STREAMS = {  # a file of each coding, and what its tag may say of the colours without the picture changing
    "SC_rgb_jpeg_dcmtk.dcm": JPEG_OF_YCBCR,  # baseline JPEG, YCbCr
    "SC_rgb_dcmtk_+eb+cy+s2.dcm": JPEG_OF_YCBCR,  # its colours coarser than its light
    "SC_rgb_dcmtk_+eb+cr.dcm": JPEG_OF_YCBCR,  # JPEG of RGB, with Adobe's marker
    "jpeg2000": JPEG_OF_YCBCR,  # JPEG 2000, transformed: written here
    "SC_rgb_gdcm_KY.dcm": ("RGB", "YBR_ICT", "YBR_RCT"),  # JPEG 2000, untransformed: what else it says may be so
    "SC_rgb_jpeg_gdcm.dcm": ("RGB", "YBR_FULL_422", "rgb"),  # lossless JPEG
    "extended": JPEG_OF_YCBCR,  # extended JPEG: baseline but for its marker and its syntax
    "SC_rgb_jls_lossy_line.dcm": ONE_WORD,
    "SC_rgb_jls_lossy_sample.dcm": ONE_WORD,
    "SC_rgb_rle.dcm": ONE_WORD,
    "SC_rgb.dcm": ONE_WORD,  # uncompressed: its planes are told by the pixels
    "SC_rgb_expb.dcm": ONE_WORD,
}
TAGS = [(name, word) for name, words in STREAMS.items() for word in words]


@functools.cache
def coded(name: str) -> Path:
    """A published file, or one that is written here, of a wash of colours."""
    if name.endswith(".dcm"):
        return real(name)
    if name == "extended":
        data = pydicom.dcmread(real("SC_rgb_jpeg_dcmtk.dcm"))
        (stream,) = generate_frames(data.PixelData, number_of_frames=1)
        data.PixelData = encapsulate([stream.replace(b"\xff\xc0", b"\xff\xc1", 1)])
        data.file_meta.TransferSyntaxUID = pydicom.uid.JPEGExtended12Bit
        path = Path(tempfile.mkdtemp()) / "extended.dcm"
        data.save_as(path)
        return path
    return write(Path(tempfile.mkdtemp()) / "coded.dcm", wash(), syntax=name)


def wash() -> np.ndarray:
    """Colours [120, 120, 3] that run into each other."""
    two = np.stack(np.meshgrid(*(np.arange(0, 240, 2),) * 2), axis=-1).astype(np.uint8)
    return np.dstack([two, 255 - two[..., :1]])


def changed(name: str, place: Path, **tags: object) -> Path:
    """A file with other tags; None takes one away."""
    data = pydicom.dcmread(coded(name))
    for keyword, value in tags.items():
        if value is None:
            delattr(data, keyword)
        else:
            setattr(data, keyword, value)
    path = place / "changed.dcm"
    data.save_as(path)
    return path


@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize(("name", "photometric"), TAGS)
def test_the_stream_is_believed(name: str, photometric: str, planar: int, signed: int, tmp_path: Path) -> None:
    tags = {"PhotometricInterpretation": photometric, "PlanarConfiguration": planar, "PixelRepresentation": signed}
    path = changed(name, tmp_path, **tags)
    np.testing.assert_array_equal(frame(path), frame(coded(name)))
    if signed:
        assert "PixelRepresentation says 1, read as 0: colours are unsigned" in opened(path).mended


@pytest.mark.parametrize("missing", ["PlanarConfiguration", "PixelRepresentation", "BitsStored"])
@pytest.mark.parametrize("name", [*STREAMS, "SC_rgb.dcm"])
def test_a_missing_tag_is_what_is_usual(name: str, missing: str, tmp_path: Path) -> None:
    path = changed(name, tmp_path, **{missing: None})
    np.testing.assert_array_equal(frame(path), frame(coded(name)))
    assert any(line.startswith(f"{missing} is missing") for line in opened(path).mended)


@pytest.mark.parametrize("name", [*STREAMS, "SC_rgb.dcm"])
def test_tags_that_are_right_are_left_alone(name: str) -> None:
    assert opened(coded(name)).mended == []


@pytest.mark.parametrize("signed", [0, 1])
def test_uncompressed_colours_are_unsigned(signed: int, tmp_path: Path) -> None:
    path = changed("SC_rgb.dcm", tmp_path, PixelRepresentation=signed)
    np.testing.assert_array_equal(frame(path), frame(real("SC_rgb.dcm")))


def test_a_large_file_is_mended_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is not held in memory is decoded by its own tags: where those mislead it is read whole."""
    name = "SC_rgb_gdcm_KY.dcm"
    path = changed(name, tmp_path, PlanarConfiguration=1)
    monkeypatch.setattr("fibrostage.dicom.file.WHOLE", 0)
    assert "PixelData" not in opened(path).dataset
    np.testing.assert_array_equal(frame(path), frame(real(name)))


@pytest.mark.parametrize("padding", [b"\xff\xff", b"\xff\0", b"\0\0\0\xff\xff\xff"])
def test_a_jpeg_with_padding_after_its_end_is_whole(padding: bytes, tmp_path: Path) -> None:
    data = pydicom.dcmread(real("SC_rgb_jpeg_dcmtk.dcm"))
    (stream,) = generate_frames(data.PixelData, number_of_frames=1)
    data.PixelData = encapsulate([stream.rstrip(b"\0") + padding])
    data.save_as(tmp_path / "padded.dcm")
    np.testing.assert_array_equal(frame(tmp_path / "padded.dcm"), frame(real("SC_rgb_jpeg_dcmtk.dcm")))


def jpeg(ids: bytes, samplings: bytes, *segments: bytes) -> bytes:
    """The head of a JPEG stream, up to where its frame begins."""
    parts = b"".join(bytes((name, sampling, 0)) for name, sampling in zip(ids, samplings, strict=True))
    body = b"\x08\0\x10\0\x10" + bytes([len(ids)]) + parts
    return b"\xff\xd8" + b"".join(segments) + b"\xff\xc0" + (len(body) + 2).to_bytes(2, "big") + body


def adobe(transform: int) -> bytes:
    return b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0" + bytes([transform])


JFIF = b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"


@pytest.mark.parametrize(
    ("stream", "colours", "ycbcr"),
    [
        (jpeg(b"\1\2\3", b"\x11\x11\x11"), JpegColours(b"\1\2\3", False, None, False), None),
        (jpeg(b"\1\2\3", b"\x21\x11\x11"), JpegColours(b"\1\2\3", True, None, False), True),
        (jpeg(b"RGB", b"\x11\x11\x11"), JpegColours(b"RGB", False, None, False), False),
        (jpeg(b"\1\2\3", b"\x11\x11\x11", JFIF), JpegColours(b"\1\2\3", False, None, True), True),
        (jpeg(b"\1\2\3", b"\x11\x11\x11", b"\xff", adobe(0)), JpegColours(b"\1\2\3", False, 0, False), False),
        (jpeg(b"RGB", b"\x11\x11\x11", JFIF, adobe(1)), JpegColours(b"RGB", False, 1, True), True),
    ],
)
def test_what_a_jpeg_says_of_its_colours(stream: bytes, colours: JpegColours, ycbcr: bool | None) -> None:
    found = jpeg_colours(stream)
    assert found == colours
    assert found.ycbcr is ycbcr


@pytest.mark.parametrize("stream", [b"", b"\xff\xd8", jpeg(b"\1\2\3", b"\x11\x11\x11")[:-4], b"\xff\xd8\xff\xd9"])
def test_a_stream_that_breaks_off_says_nothing(stream: bytes) -> None:
    assert jpeg_colours(stream) is None
    assert colour_transform(stream) is None
    for syntax in ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.90"):
        assert photometric_of(stream, syntax, "YBR_FULL") == "YBR_FULL"


CASES = Path(os.environ.get("FIBROSTAGE_CASES", Path(__file__).parents[3] / "shared" / "cases")) / "dicom"


@pytest.mark.skipif(not CASES.is_dir(), reason="the published cases of wrong tags are not here")
@pytest.mark.parametrize(
    ("name", "off"),
    [
        ("j2k_planar1", 0.0), ("ll_rgb_ids123_planar1", 0.0), ("ll_rgb_says_ybr422_planar0", 0.0), ("raw_pr1", 0.0),
        ("says_partial422", 1.51), ("jpeg_ff_pad", 1.51), ("planar_absent", 0.0), ("pixelrep_absent", 0.0),
        ("pi_lower", 0.0), ("jls_rgb", 0.0),
    ],
)  # fmt: skip
def test_published_cases(name: str, off: float) -> None:
    truth = np.load(CASES / "truth.npy").astype(float)
    assert np.abs(frame(CASES / f"{name}.dcm") - truth).mean() <= off


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("said", [0, 1, None])
@pytest.mark.parametrize("large", [False, True])
def test_planes_are_told_by_the_pixels(
    said: int | None, planar: int, large: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An uncompressed picture is smooth from row to row in the order that it really has, whatever the tag says."""
    data = pydicom.dcmread(write(tmp_path / "plain.dcm", wash()))
    data.PixelData = (wash().transpose(2, 0, 1) if planar else wash()).tobytes()
    data.PlanarConfiguration = said
    data.save_as(tmp_path / "said.dcm")
    if large:
        monkeypatch.setattr("fibrostage.dicom.file.WHOLE", 0)
    np.testing.assert_array_equal(frame(tmp_path / "said.dcm"), wash())
    assert any("its samples lie" in note for note in opened(tmp_path / "said.dcm").mended) == (planar != (said or 0))


def test_where_a_picture_does_not_tell_its_planes_the_tag_is_believed() -> None:
    noise = np.random.default_rng(0).integers(0, 255, 3 * 64 * 64, dtype=np.uint8)
    assert in_planes(noise, 64) is None
    assert in_planes(np.zeros(3 * 64 * 64, dtype=np.uint8), 64) is None


@pytest.mark.parametrize("name", ["SC_rgb_jpeg_dcmtk.dcm", "jpeg2000", "SC_rgb_jls_lossy_line.dcm", "SC_rgb_rle.dcm"])
def test_frames_that_say_they_are_not_compressed(name: str, tmp_path: Path) -> None:
    data = pydicom.dcmread(coded(name))
    before = data.file_meta.TransferSyntaxUID
    data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    data["PixelData"].VR, data["PixelData"].is_undefined_length = "OB", True
    pydicom.dcmwrite(tmp_path / "lost.dcm", data, enforce_file_format=False)
    np.testing.assert_array_equal(frame(tmp_path / "lost.dcm"), frame(coded(name)))
    (note,) = (note for note in opened(tmp_path / "lost.dcm").mended if note.startswith("transfer syntax"))
    assert note.startswith("transfer syntax says 1.2.840.10008.1.2.1, read as 1.2.840.10008.1.2.")
    assert before.is_compressed


@pytest.mark.parametrize(
    ("stream", "codings"),
    [
        (jpeg(b"\1", b"\x11"), LOSSY_JPEG),
        (jpeg(b"\1", b"\x11").replace(b"\xff\xc0", b"\xff\xc3"), LOSSLESS_JPEG),
        (b"\xff\x4f\xff\x51" + bytes(40) + b"\xff\x52", CLASSIC_2000[::-1]),
        (b"\xff\x4f\xff\x51" + bytes(40) + b"\xff\x50\0\4\xff\x52", HIGH_THROUGHPUT[::-1]),
        (b"\3\0\0\0\x40\0\0\0" + bytes(80), (RLE,)),
        (b"\0\0\1\xba" + bytes(80), None),
    ],
)
def test_how_a_frame_is_coded(stream: bytes, codings: tuple[str, ...] | None) -> None:
    assert coding_of(stream) == codings


def test_frames_of_an_unknown_coding_are_refused(tmp_path: Path) -> None:
    data = pydicom.dcmread(coded("SC_rgb_jpeg_dcmtk.dcm"))
    data.PixelData = encapsulate([bytes(600)])
    data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    data["PixelData"].is_undefined_length = True
    pydicom.dcmwrite(tmp_path / "odd.dcm", data, enforce_file_format=False)
    with pytest.raises(UnreadableImageError, match="compressed frames of an unknown coding"):
        opened(tmp_path / "odd.dcm")
