"""The moving picture in a DICOM file: MPEG-2, MPEG-4 (H.264) or HEVC, decoded as a video file of its own is.

It is one stream, cut into any number of fragments; they are read in place, however large the file is. What the stream
says of its size and length is held against the header, and its times are the header's where that gives some.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from fibrostage.dicom.header import Header
from fibrostage.dicom.pixel_streams import ITEM, go_to_pixels
from fibrostage.ground import video
from fibrostage.ground.errors import IntakeError, UnreadableImageError

HEAD = 8  # bytes before a fragment: its tag, and its length
FRAMES_SHORT = 2  # frames by which the header may say too many, as writers round


class JoinedFragments(io.RawIOBase):
    """Fragments of an open file, given by `places` (first byte, length), read as one stream."""

    def __init__(self, file: BinaryIO, places: list[tuple[int, int]]) -> None:
        self.file, self.places = file, places
        self.size = sum(length for _, length in places)
        self.at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self.at, io.SEEK_END: self.size}[whence]
        self.at = min(max(0, start + offset), self.size)
        return self.at

    def readinto(self, buffer: Any) -> int:
        """Fills a buffer with what comes next, at most to the end of a fragment; returns how many bytes that were."""
        before = 0
        for first, length in self.places:
            if self.at < before + length:
                inside = self.at - before
                self.file.seek(first + inside)
                data = self.file.read(min(len(buffer), length - inside))
                buffer[: len(data)] = data
                self.at += len(data)
                return len(data)
            before += length
        return 0


@contextmanager
def opened_stream(dataset: Any, path: Path) -> Iterator[BinaryIO]:
    """Opens the video in a dataset's pixel data, which may have been left in the file at `path`. Raises
    `UnreadableImageError` where there is none, or it breaks off."""
    if "PixelData" in dataset:
        file: BinaryIO = io.BytesIO(dataset.PixelData)
        yield cast(BinaryIO, JoinedFragments(file, fragments_in(file)))
        return
    with path.open("rb") as file:
        if not go_to_pixels(file):
            raise UnreadableImageError("holds no video, though it says so")
        yield cast(BinaryIO, JoinedFragments(file, fragments_in(file)))


def fragments_in(file: BinaryIO) -> list[tuple[int, int]]:
    """Finds the fragments of encapsulated pixel data from where an open file stands, the table of offsets left out:
    where each begins, and its bytes. Raises `UnreadableImageError` where there is none, or the last breaks off."""
    at = file.tell()
    end = file.seek(0, io.SEEK_END)
    places = []
    while at + HEAD <= end:
        file.seek(at)
        head = file.read(HEAD)
        length = int.from_bytes(head[4:], "little")
        if head[:4] != ITEM:
            break
        if at + HEAD + length > end:
            raise UnreadableImageError("its video breaks off: the file is cut short")
        places.append((at + HEAD, length))
        at += HEAD + length
    if not any(length for _, length in places[1:]):
        raise UnreadableImageError("holds no video, though it says so")
    return places[1:]


def video_frames(
    dataset: Any, path: Path, header: Header, wanted: Collection[int] | None = None
) -> Iterator[video.Frame]:
    """(index, seconds or None, RGB uint8 [H, W, 3]) of each frame, or of the wanted ones. Raises `UnreadableImageError`
    where the video is damaged, breaks off, is of another size than the header says, or cannot be read here."""
    seconds, held = header.seconds or (), 0
    with opened_stream(dataset, path) as stream, told_of_the_file():
        for index, own, pixels in video.frames(stream, video.ELEMENTARY, (header.width, header.height)):
            held = index + 1
            if wanted is None or index in wanted:
                yield index, seconds[index] if index < len(seconds) else own, pixels
    if header.frames - held > max(FRAMES_SHORT, video.SHORT * header.frames):
        raise UnreadableImageError(f"says {header.frames} frames and its video holds {held}: it breaks off")


def count_video_frames(dataset: Any, path: Path) -> int:
    """Counts the frames of a video whose header does not, without decoding them. Raises `UnreadableImageError` as
    `video_frames` does."""
    with opened_stream(dataset, path) as stream, told_of_the_file():
        return video.count_frames(stream, video.ELEMENTARY)


@contextmanager
def told_of_the_file() -> Iterator[None]:
    """Makes a missing PyAV a matter of this file alone: the others of its exam can be read without it."""
    try:
        yield
    except IntakeError:
        raise UnreadableImageError(
            'holds a video, which is read through PyAV; install it with: pip install "fibrostage[video]"'
        ) from None
