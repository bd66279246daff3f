"""A video inside DICOM is read as the same loop frame by frame would be."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fibrostage.dicom import file as dicom_file
from fibrostage.ground.errors import UnreadableImageError
from fibrostage.intake.read.media import open_medium
from tests.dicom.real_files import opened
from tests.dicom.videos import KINDS, as_video
from tests.intake.build.bad_files import edit, write

COUNT = 20


def screens() -> list[NDArray[np.uint8]]:
    """A slope, half of it red, that brightens from frame to frame."""
    slope = np.broadcast_to(np.linspace(20, 120, 120)[:, None, None], (120, 160, 3))
    frames = [np.array(slope + 4.0 * index).astype(np.uint8) for index in range(COUNT)]
    for each in frames:
        each[:, :80, 0] = 220
    return frames


@pytest.fixture
def loop(tmp_path: Path) -> Path:
    return write(tmp_path / "loop.dcm", screens())


def off(pixels: NDArray[np.uint8], index: int) -> float:
    """How far a frame is from what was coded, but where half the colours are mixed."""
    return float(np.abs(pixels.astype(int) - screens()[index])[:, np.r_[:76, 84:160]].mean())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fragments", [1, 3])
def test_every_frame_comes_with_the_headers_time(loop: Path, kind: str, fragments: int) -> None:
    medium = opened(as_video(loop, kind, fragments=fragments))
    found = list(medium.frames())
    assert medium.count == COUNT
    assert medium.lossy
    assert [index for index, _, _ in found] == list(range(COUNT))
    assert [seconds for _, seconds, _ in found] == pytest.approx(np.arange(COUNT) * 0.04)
    assert max(off(pixels, index) for index, _, pixels in found) < 6
    ((index, _, pixels),) = medium.frames([7])
    assert index == 7
    assert off(pixels, 7) < 6


def test_a_large_file_is_read_where_it_lies(loop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_video(loop, "103", fragments=3)
    monkeypatch.setattr(dicom_file, "WHOLE", 1000)
    medium = opened(loop)
    assert "PixelData" not in medium.dataset
    assert max(off(pixels, index) for index, _, pixels in medium.frames()) < 6


@pytest.mark.parametrize("kind", KINDS)
def test_frames_that_nobody_counted_are_counted(loop: Path, kind: str) -> None:
    medium = opened(as_video(loop, kind, NumberOfFrames=None))
    assert medium.count == COUNT
    assert medium.notes == (f"NumberOfFrames is missing, read as {COUNT}: what its video holds",)
    assert len(list(medium.frames())) == COUNT


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("keep", [0.02, 0.3, 0.7])
def test_a_stream_that_breaks_off_is_refused(loop: Path, kind: str, keep: float) -> None:
    as_video(loop, kind, keep)
    with pytest.raises(UnreadableImageError, match=r"break|damaged|not a readable video|holds no frame"):
        list(opened(loop).frames())


def test_a_file_that_breaks_off_is_refused(loop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = as_video(loop).read_bytes()
    loop.write_bytes(whole[: int(0.8 * len(whole))])
    with pytest.raises(UnreadableImageError, match="is cut short"):
        open_medium(loop, ("US",))
    monkeypatch.setattr(dicom_file, "WHOLE", 1000)
    with pytest.raises(UnreadableImageError, match="its video breaks off: the file is cut short"):
        list(opened(loop).frames())


@pytest.mark.parametrize("said", [COUNT + 30, COUNT + 3])
def test_fewer_frames_than_said_are_refused(loop: Path, said: int) -> None:
    as_video(loop, NumberOfFrames=said)
    with pytest.raises(UnreadableImageError, match=f"says {said} frames and its video holds {COUNT}: it breaks off"):
        list(opened(loop).frames())


def test_a_frame_or_two_that_a_writer_counted_wrongly_stop_nothing(loop: Path) -> None:
    as_video(loop, NumberOfFrames=COUNT + 2)
    assert len(list(opened(loop).frames())) == COUNT
    edit(loop, NumberOfFrames=COUNT - 1)
    assert len(list(opened(loop).frames())) == COUNT


def test_a_video_of_another_size_is_refused(loop: Path) -> None:
    as_video(loop, Rows=240)
    with pytest.raises(UnreadableImageError, match="says 160×240 pixels, and its video is 160×120"):
        list(opened(loop).frames())


@pytest.mark.parametrize("content", [b"", b"no video at all" * 40])
def test_what_is_no_video_is_refused(loop: Path, content: bytes) -> None:
    from pydicom.encaps import encapsulate

    as_video(loop)
    edit(loop, PixelData=encapsulate([content]) if content else b"\xfe\xff\x00\xe0\0\0\0\0")
    with pytest.raises(UnreadableImageError, match="not a readable video|holds no video, though it says so"):
        list(opened(loop).frames())


def test_without_pyav_only_the_video_is_refused(loop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    as_video(loop)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UnreadableImageError, match=r'read through PyAV; install it with: pip install "fibrostage'):
        list(opened(loop).frames())
