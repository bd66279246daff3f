"""Pixels and regions of real DICOM files, whose colours somebody else decoded.

The files come with pydicom, pydicom-data and deid-data; tests that need the last two are skipped without them.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.encaps import generate_frames
from pydicom.pixels import set_pixel_data

from fibrostage.ground.errors import UnreadableImageError
from fibrostage.phantom.dicom_files import write_dicom
from tests.dicom.real_files import difference, frame, opened, real
from tests.intake.hospital import minimal

PUBLISHED = np.array(  # the stripes of SC_rgb*, from above: red, green, blue, each with its light, and black to white
    [
        (255, 0, 0), (255, 128, 128), (0, 255, 0), (128, 255, 128), (0, 0, 255), (128, 128, 255),
        (0, 0, 0), (64, 64, 64), (192, 192, 192), (255, 255, 255),
    ]
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "photometric", "off"),
    [
        ("SC_rgb.dcm", "RGB", 0),
        ("SC_rgb_16bit.dcm", "RGB", 0),
        ("SC_rgb_expb.dcm", "RGB", 0),  # big-endian
        ("SC_rgb_expb_16bit.dcm", "RGB", 0),
        ("SC_rgb_rle.dcm", "RGB", 0),
        ("SC_rgb_rle_16bit.dcm", "RGB", 0),
        ("SC_rgb_jpeg_gdcm.dcm", "RGB", 0),  # lossless
        ("SC_rgb_gdcm_KY.dcm", "RGB", 0),  # JPEG 2000
        ("SC_rgb_dcmtk_+eb+cr.dcm", "RGB", 0),  # JPEG of RGB
        ("SC_rgb_jls_lossy_line.dcm", "RGB", 2),
        ("SC_rgb_jpeg_dcmtk.dcm", "YBR_FULL", 5),
        ("SC_rgb_jpeg_lossy_gdcm.dcm", "YBR_FULL", 1),
        ("SC_rgb_dcmtk_+eb+cy+n1.dcm", "YBR_FULL", 5),
        ("SC_rgb_dcmtk_+eb+cy+n2.dcm", "YBR_FULL", 5),
        ("SC_rgb_dcmtk_+eb+cy+s4.dcm", "YBR_FULL", 5),
        ("SC_ybr_full_uncompressed.dcm", "YBR_FULL", 5),
        ("SC_rgb_dcmtk_+eb+cy+np.dcm", "YBR_FULL_422", 5),
        ("SC_rgb_dcmtk_+eb+cy+s2.dcm", "YBR_FULL_422", 5),
        ("SC_ybr_full_422_uncompressed.dcm", "YBR_FULL_422", 5),
    ],
)
def test_published_colours(name: str, photometric: str, off: int) -> None:
    """Ten stripes, each read in its middle; the greys that a lossy coder left are 5 off at most."""
    path = real(name)
    medium = opened(path)
    assert medium.header.photometric == photometric
    pixels = frame(path)
    assert pixels.shape == (100, 100, 3)
    for column in (0, 50, 99):
        assert np.abs(pixels[5::10, column].astype(int) - PUBLISHED).max() <= off


@pytest.mark.parametrize(
    ("name", "same", "index"),
    [
        ("US1_J2KR.dcm", "US1_UNCR.dcm", 0),  # YBR_RCT
        ("examples_jpeg2k.dcm", "US1_UNCR.dcm", 0),
        ("US1_J2KI.dcm", "US1_UNCI.dcm", 0),  # YBR_ICT
        ("RG1_J2KR.dcm", "RG1_UNCR.dcm", 0),  # MONOCHROME1, 16 bits
        ("OBXXXX1A_rle.dcm", "OBXXXX1A.dcm", 0),  # PALETTE COLOR
        ("OBXXXX1A_expb.dcm", "OBXXXX1A.dcm", 0),
        ("OBXXXX1A_expb_2frame.dcm", "OBXXXX1A.dcm", 0),
        ("OBXXXX1A_rle_2frame.dcm", "OBXXXX1A_2frame.dcm", 1),
        ("gdcm-US-ALOKA-16_big.dcm", "gdcm-US-ALOKA-16.dcm", 0),  # a palette in segments
        ("SC_rgb_small_odd_big_endian.dcm", "SC_rgb_small_odd.dcm", 0),
    ],
)
def test_the_same_picture_in_another_coding(name: str, same: str, index: int) -> None:
    assert difference(frame(real(name), index), frame(real(same), index)) == 0


def test_a_palette_is_looked_up(tmp_path: Path) -> None:
    """Entries of 16 bits, of 8, and of 8 in fields of 16, against the tables themselves."""
    data = pydicom.dcmread(real("OBXXXX1A.dcm"))
    names = [f"{channel}PaletteColorLookupTableData" for channel in ("Red", "Green", "Blue")]
    tables = np.stack([np.frombuffer(data[name].value, "<u2") for name in names], axis=1)
    index = np.frombuffer(data.PixelData, np.uint8)[: data.Rows * data.Columns].reshape(data.Rows, data.Columns)
    truth = (tables >> 8).astype(np.uint8)[index]
    assert truth.max() == 255
    assert difference(frame(real("OBXXXX1A.dcm")), truth) == 0
    for bits in (8, 16):
        for channel, name in enumerate(names):
            data[name.replace("Data", "Descriptor")].value = [256, 0, bits]
            data[name].value = (tables[:, channel] >> 8).astype("u1" if bits == 8 else "<u2").tobytes()
        data.save_as(tmp_path / f"{bits}.dcm")
        assert difference(frame(tmp_path / f"{bits}.dcm"), truth) == 0


def test_a_dark_frame_of_a_palette_stays_dark(tmp_path: Path) -> None:
    data = pydicom.dcmread(real("OBXXXX1A.dcm"))
    table = (np.arange(256) * 257).astype("<u2")
    table[1] = 200  # of 65535
    for channel in ("Red", "Green", "Blue"):
        data[f"{channel}PaletteColorLookupTableData"].value = table.tobytes()
    data.PixelData = np.resize(np.array([0, 1], np.uint8), data.Rows * data.Columns).tobytes()
    data.save_as(tmp_path / "dark.dcm")
    assert frame(tmp_path / "dark.dcm").max() == 0


@pytest.mark.parametrize("name", ["examples_ybr_color.dcm", "color3d_jpeg_baseline.dcm"])
def test_a_loop_of_jpegs_as_another_decoder_shows_it(name: str) -> None:
    data = pydicom.dcmread(real(name))
    streams = list(generate_frames(data.PixelData, number_of_frames=int(data.NumberOfFrames)))
    for index in (0, len(streams) - 1):
        truth = np.asarray(Image.open(io.BytesIO(streams[index])).convert("RGB"))
        pixels = frame(real(name), index)
        assert difference(pixels, truth) <= 8
        assert np.abs(pixels.astype(int) - truth).mean() < 0.5


def test_inverted_grey(tmp_path: Path) -> None:
    """MONOCHROME1 shows its largest value black; MONOCHROME2 is shown as it is."""
    stored = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    for photometric in ("MONOCHROME1", "MONOCHROME2"):
        for bits, values in ((8, (stored // 16).astype(np.uint8)), (12, stored)):
            path = write_dicom(tmp_path / "a", np.zeros((64, 64), np.uint8), **minimal("7")) and tmp_path / "a"
            data = pydicom.dcmread(path)
            set_pixel_data(data, values, photometric, bits)
            data.save_as(path)
            truth = np.round(values / (2**bits - 1) * 255)
            pixels = frame(path).astype(float)
            assert np.abs(pixels - (255 - truth if photometric == "MONOCHROME1" else truth)).max() <= 0.5
    film = frame(real("RG1_UNCR.dcm"))
    data = pydicom.dcmread(real("RG1_UNCR.dcm"))
    raw = data.pixel_array.astype(float)
    assert np.corrcoef(film.ravel()[::97], raw.ravel()[::97])[0, 1] < -0.5


def test_pixels_that_nobody_can_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImageError, match="has 32 bits a sample"):
        opened(real("SC_rgb_rle_32bit.dcm"))
    data = pydicom.dcmread(real("examples_ybr_color.dcm"))
    data.NumberOfFrames = 40
    data.save_as(tmp_path / "short.dcm")
    with pytest.raises(UnreadableImageError, match="says 40 frames and holds 30"):
        list(opened(tmp_path / "short.dcm").frames())


def test_regions_say_where_the_tissue_is_and_how_large() -> None:
    first, second, bar = opened(real("gdcm-US-ALOKA-16.dcm")).regions(0)
    assert (first.kind, second.kind, bar.kind) == ("tissue", "tissue", "grey bar")
    assert (first.x, first.y, first.width, first.height) == (32, 24, 304, 392)
    assert second.x == first.x + first.width
    assert first.spacing_mm == pytest.approx(0.383, abs=5e-4)
    assert bar.spacing_mm is None
    data = pydicom.dcmread(real("gdcm-US-ALOKA-16.dcm"), stop_before_pixels=True)
    assert first.spacing_mm == pytest.approx(10 * float(data.SequenceOfUltrasoundRegions[0].PhysicalDeltaX))


@pytest.mark.parametrize("name", ["examples_ybr_color.dcm", "examples_palette.dcm"])
def test_regions_written_for_another_size_are_none(name: str) -> None:
    assert "SequenceOfUltrasoundRegions" in pydicom.dcmread(real(name), stop_before_pixels=True)
    assert opened(real(name)).regions(0) == ()
