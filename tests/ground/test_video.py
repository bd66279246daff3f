"""Frames of videos encoded in the test."""

import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from fibrostage.ground.errors import IntakeError, UnreadableImageError
from fibrostage.ground.video import ClipFacts, describe, frames

av = pytest.importorskip("av")

COUNT, WIDTH, HEIGHT = 24, 96, 64
CODECS = {"mp4": ("libx264", "yuv420p"), "avi": ("mjpeg", "yuvj420p"), "mkv": ("mpeg4", "yuv420p")}


def picture(index: int) -> np.ndarray:
    """A grey slope whose left half is red and whose brightness grows with the index."""
    slope = np.linspace(20, 120, HEIGHT)[:, None, None] + 4.0 * index
    pixels = np.broadcast_to(slope, (HEIGHT, WIDTH, 3)).astype(np.uint8).copy()
    pixels[:, : WIDTH // 2, 0] = 220
    return pixels


def encode(path: Path, title: str = "") -> Path:
    codec, pixel_format = CODECS[path.suffix[1:]]
    options = {"movflags": "faststart"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=options) as container:
        container.metadata["title"] = title
        stream = container.add_stream(codec, rate=12)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = WIDTH, HEIGHT, pixel_format, 4_000_000
        for index in range(COUNT):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(index), format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("suffix", sorted(CODECS))
def test_every_frame_comes_with_its_time_and_colours(tmp_path: Path, suffix: str) -> None:
    read = list(frames(encode(tmp_path / f"loop.{suffix}")))
    assert [index for index, _, _ in read] == list(range(COUNT))
    assert [seconds for _, seconds, _ in read] == pytest.approx(np.arange(COUNT) / 12, abs=2e-3)
    for index, _, pixels in read:
        assert pixels.dtype == np.uint8
        assert pixels.shape == (HEIGHT, WIDTH, 3)
        # the middle column mixes colours, of which a video keeps only every second pixel
        off = np.abs(pixels.astype(int) - picture(index))[:, np.r_[:44, 52:WIDTH]]
        assert off.mean() < 6


@pytest.mark.parametrize(("suffix", "codec", "count"), [("mp4", "h264", COUNT), ("avi", "mjpeg", COUNT)])
def test_a_video_is_described_without_what_could_name_a_patient(
    tmp_path: Path, suffix: str, codec: str, count: int
) -> None:
    facts = describe(encode(tmp_path / f"loop.{suffix}", title="DOE JOHN"))
    assert facts == ClipFacts(WIDTH, HEIGHT, count, 2.0, codec)


@pytest.mark.parametrize("suffix", sorted(CODECS))
@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.85])
def test_a_video_that_breaks_off_is_refused(tmp_path: Path, suffix: str, share: float) -> None:
    whole = encode(tmp_path / f"loop.{suffix}").read_bytes()
    broken = tmp_path / f"broken.{suffix}"
    broken.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(UnreadableImageError) as caught:
        list(frames(broken))
    assert "broken" not in str(caught.value)
    assert "Errno" not in str(caught.value)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])  # Motion JPEG decodes some damage without a word
def test_a_video_damaged_in_the_middle_is_refused(tmp_path: Path, suffix: str) -> None:
    path = encode(tmp_path / f"loop.{suffix}")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 300] = np.random.default_rng(0).bytes(300)
    path.write_bytes(data)
    with pytest.raises(UnreadableImageError, match="damaged"):
        list(frames(path))


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "not a readable video"), (b"no video" * 50, "not a readable video"), (None, "the file is gone")],
)
def test_what_is_no_video_is_refused(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "loop.mp4"
    if content is not None:
        path.write_bytes(content)
    for read in (lambda: list(frames(path)), lambda: describe(path)):
        with pytest.raises(UnreadableImageError, match=reason):
            read()


def test_a_playlist_does_not_lead_to_another_file(tmp_path: Path) -> None:
    other = encode(tmp_path / "other.mp4")
    playlist = tmp_path / "loop.mp4"
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{other}\n#EXT-X-ENDLIST\n")
    with pytest.raises(UnreadableImageError, match="not a readable video"):
        list(frames(playlist))


def test_a_turned_video_is_put_upright(tmp_path: Path) -> None:
    path = encode(tmp_path / "loop.mp4")
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40  # version 0: the matrix stands 40 bytes into the box
    clockwise = (0, 1 << 16, 0, -1 << 16, 0, 0, HEIGHT << 16, 0, 1 << 30)
    data[matrix : matrix + 36] = struct.pack(">9i", *clockwise)
    path.write_bytes(data)
    facts = describe(path)
    assert (facts.width, facts.height) == (HEIGHT, WIDTH)
    _, _, pixels = next(frames(path))
    assert np.abs(pixels.astype(int) - np.rot90(picture(0), -1)).mean() < 8


def test_without_pyav_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(IntakeError, match=r'pip install "fibrostage\[video\]"'):
        next(frames(tmp_path / "loop.mp4"))
