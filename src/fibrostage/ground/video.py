"""The frames of a video (MP4, AVI and kin, or the stream in a DICOM file), one at a time, as RGB.

Read through PyAV, an optional dependency. Of the video only the pictures, their times, their rotation and the codec's
name are read: never a title, a device or a time of creation. A video that breaks off or is damaged is refused as a
whole, not shortened: the frames before the break have been yielded by then, and the caller throws them away. The
formats are named, because a playlist in a video's clothes could point to other files.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fibrostage.ground.errors import IntakeError, UnreadableImageError

SUFFIXES = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".wmv", ".mpg", ".mpeg")
FORMATS = "mov,avi,matroska,asf,mpeg,mpegvideo,mpegts"  # FFmpeg's names; "mov" is also MP4, "asf" is WMV
SHORT = 0.02  # of the announced length may be missing: players' lengths are rounded
ELEMENTARY = FORMATS + ",h264,hevc"  # bare streams too, which no first bytes of a file tell
BROKEN = "the video breaks off or is damaged; export it again"

Frame = tuple[int, float | None, NDArray[np.uint8]]


@dataclass(frozen=True)
class ClipFacts:
    """What a video announces: upright size in pixels, frames and seconds where it says so, and its codec."""

    width: int
    height: int
    frames: int | None
    seconds: float | None
    codec: str


def frames(source: Path | BinaryIO, formats: str = FORMATS, size: tuple[int, int] | None = None) -> Iterator[Frame]:
    """Yields (index, seconds since the first frame or None, upright RGB uint8 [H, W, 3]) of a file, or of an open one;
    memory stays flat. `size` is the width and height that they must have.

    Raises `UnreadableImageError` where the video cannot be opened, breaks off, is damaged or of another size, and
    `IntakeError` without PyAV.
    """
    with opened(source, formats) as (container, stream):
        coded = stream.codec_context.width, stream.codec_context.height
        if size is not None and all(coded) and sorted(coded) != sorted(size):
            raise UnreadableImageError(other_size(size, coded))
        first: float | None = None
        end: float | None = None
        index = 0
        for frame in decoded(container, stream):
            first = frame.time if first is None else first
            seconds = None if frame.time is None or first is None else float(frame.time - first)
            pixels = upright(frame)
            if size is not None and pixels.shape[1::-1] != size:
                raise UnreadableImageError(other_size(size, pixels.shape[1::-1]))
            yield index, seconds, pixels
            index += 1
            if seconds is not None:
                end = seconds + float((frame.duration or 0) * (frame.time_base or 0))
        announced = announced_seconds(container, stream)
        if index == 0:
            raise UnreadableImageError("the video holds no frame that can be read")
        if announced is not None and end is not None and missing(announced - end, announced, stream):
            raise UnreadableImageError(f"the video breaks off after {end:.1f} of {announced:.1f} s; export it again")


def describe(path: Path) -> ClipFacts:
    """Returns what a video announces, and the size of its first frame. Raises `UnreadableImageError` where the video
    cannot be opened or its first frame read, and `IntakeError` without PyAV."""
    with opened(path) as (container, stream):
        first = next(decoded(container, stream), None)
        if first is None:
            raise UnreadableImageError("the video holds no frame that can be read")
        height, width = upright(first).shape[:2]
        announced = announced_seconds(container, stream)
        return ClipFacts(width, height, stream.frames or None, announced, str(stream.codec_context.name))


def other_size(said: tuple[int, int], found: tuple[int, ...]) -> str:
    return f"says {said[0]}×{said[1]} pixels, and its video is {found[0]}×{found[1]}"


def count_frames(source: BinaryIO, formats: str = FORMATS) -> int:
    """Counts the coded frames of an open video without decoding them. Raises as `frames` does."""
    with opened(source, formats) as (container, stream):
        return sum(packet.size > 0 for packet in container.demux(stream))


@contextmanager
def opened(source: Path | BinaryIO, formats: str = FORMATS) -> Iterator[tuple[Any, Any]]:
    """Opens a video: its container and its first stream of moving pictures. Raises `UnreadableImageError` where the
    file is gone, no video, damaged, without moving pictures or of an unknown codec, and `IntakeError` without PyAV."""
    av = pyav()
    stream = None
    try:
        # An open file, not its name: FFmpeg would take some names for addresses.
        options = {"format_whitelist": formats}
        opening = source.open("rb") if isinstance(source, Path) else nullcontext(source)
        with opening as file, av.open(file, options=options, metadata_errors="replace") as container:
            if not container.streams.video:
                raise UnreadableImageError("holds no moving pictures")
            stream = container.streams.video[0]
            if stream.codec_context is None:
                raise UnreadableImageError("its codec is unknown; export it as H.264")
            stream.codec_context.thread_count = 1  # many videos are read side by side
            yield container, stream
    except FileNotFoundError:
        raise UnreadableImageError("the file is gone") from None
    except (av.error.FFmpegError, OSError):
        raise UnreadableImageError("not a readable video" if stream is None else BROKEN) from None


def pyav() -> Any:
    """Returns the module of PyAV. Raises `IntakeError`, which says how to install it, where there is none."""
    try:
        import av
    except ImportError:
        raise IntakeError('videos are read through PyAV; install it with: pip install "fibrostage[video]"') from None
    return av


def decoded(container: Any, stream: Any) -> Iterator[Any]:
    """Yields the stream's frames in order. Raises `UnreadableImageError` at a damaged one: FFmpeg patches it up, which
    a picture to learn from must not be."""
    for packet in container.demux(stream):
        if packet.is_corrupt:
            raise UnreadableImageError(BROKEN)
        for frame in packet.decode():
            if frame.is_corrupt:
                raise UnreadableImageError(BROKEN)
            yield frame


def upright(frame: Any) -> NDArray[np.uint8]:
    """Returns the pixels of a decoded frame as RGB [H, W, 3], turned upright by quarter turns."""
    pixels = np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
    turns = round(frame.rotation / 90) % 4  # quarter turns, counterclockwise
    return np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels


def announced_seconds(container: Any, stream: Any) -> float | None:
    """Returns how many seconds the moving pictures should last, if the file says so."""
    rate = stream.average_rate
    if container.format.name == "avi" and stream.frames and rate:
        return float(stream.frames / rate)  # FFmpeg shortens an AVI's duration to what the file still holds
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    if container.duration is not None and len(container.streams) == 1:  # else it may be the sound that lasts longer
        return float(container.duration / 1e6)
    return None


def missing(seconds: float, announced: float, stream: Any) -> bool:
    """Says whether the seconds that were announced but not found are more than two frames and a rounding."""
    two_frames = 2 / float(stream.average_rate) if stream.average_rate else 0.0
    return seconds > max(two_frames, SHORT * announced)
