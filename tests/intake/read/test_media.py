"""What a file is, told by its first bytes, and what is said of those that are not read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

from fibrostage.dicom.header import seconds_of
from fibrostage.ground.errors import UnreadableImageError
from fibrostage.intake.read.media import open_medium
from tests.dicom.real_files import frame
from tests.intake.build.bad_files import edit, write

OTHERS = {
    b"\0\0\0\x18ftypheic": "is a HEIC photo",
    b"\0\0\0\x18ftypmif1": "is a HEIC photo",
    b"\0\0\0\x18ftypavif": "is an AVIF picture",
    b"RIFF\0\0\0\0WEBP": "is a WebP picture",
    b"GIF89a": "is a GIF picture",
    b"%PDF-1.7": "is a PDF document",
    b"PK\3\4": "is an archive or office document",
    b"\x93NUMPY": "is a NumPy array",
}


@pytest.mark.parametrize("start", OTHERS)
def test_a_known_kind_that_is_not_read_is_named(start: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.dcm").write_bytes(start + bytes(400))
    with pytest.raises(UnreadableImageError, match=f"{OTHERS[start]}, which is not read: save it as PNG or JPEG"):
        open_medium(tmp_path / "x.dcm", ("US",))


def test_a_photo_with_previews_behind_it_is_its_first_picture(tmp_path: Path) -> None:
    shots = [Image.fromarray(np.full((40, 60, 3), shade, dtype=np.uint8)) for shade in (40, 200)]
    shots[0].save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=shots[1:])
    medium = open_medium(tmp_path / "a.jpg", ("US",))
    ((_, _, pixels),) = medium.frames()  # type: ignore[union-attr]
    assert medium.format == "JPEG"
    assert abs(int(pixels.mean()) - 40) <= 2


def test_a_transport_stream_is_a_video(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    path = tmp_path / "loop.bin"
    with av.open(str(path), "w", format="mpegts") as container:
        stream = container.add_stream("mpeg2video", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for shade in range(20, 220, 20):
            pixels = np.full((64, 96, 3), shade, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    medium = open_medium(path, ("US",))
    assert medium.format == "VIDEO"
    assert len(list(medium.frames())) == 10  # type: ignore[union-attr]


def test_an_ultrasound_without_a_modality_is_told_by_its_class(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm")
    before = frame(path)
    edit(path, Modality=None)
    np.testing.assert_array_equal(frame(path), before)
    edit(path, SOPClassUID="1.2.840.10008.5.1.4.1.1.2")
    with pytest.raises(UnreadableImageError, match="is of no modality, not ultrasound"):
        open_medium(path, ("US",))


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"FrameTime": 40}, (0.0, 0.04, 0.08)),
        ({"FrameTimeVector": [0, 10, 30]}, (0.0, 0.01, 0.04)),
        ({"FrameTimeVector": [0, 10, 30], "FrameTime": 40}, (0.0, 0.04, 0.08)),
        ({"FrameTimeVector": [0, 10, 30], "FrameTime": 40, "FrameIncrementPointer": 0x00181065}, (0.0, 0.01, 0.04)),
        ({"FrameTimeVector": [0, 10]}, None),
        ({"FrameTimeVector": [0, -10, 30], "CineRate": 50}, (0.0, 0.02, 0.04)),
        ({"CineRate": 25}, (0.0, 0.04, 0.08)),
        ({"RecommendedDisplayFrameRate": 10}, (0.0, 0.1, 0.2)),
        ({"CineRate": 0}, None),
        ({}, None),
    ],
)
def test_when_each_frame_was_taken(tags: dict[str, object], expected: tuple[float, ...] | None) -> None:
    data = pydicom.Dataset()
    for keyword, value in tags.items():
        setattr(data, keyword, value)
    found = seconds_of(data, 3)
    assert found == (None if expected is None else pytest.approx(expected))
