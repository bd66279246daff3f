"""What a DICOM file's pixel data really hold, before any decoder sees them.

Decoders believe a stream's own header: one that says 20000×20000 takes gigabytes, one that breaks off is patched with
grey. So frames are counted, and each JPEG or JPEG 2000 stream must have the size that the file says, and an end.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fibrostage.dicom.elements import number_of, value_of
from fibrostage.dicom.jpeg_xl import BARE, CONTAINER, JPEG_XL, is_jpeg_xl, size_said
from fibrostage.ground.errors import UnreadableImageError

with suppress(ImportError):  # the extra [dicom]
    import pydicom
    from pydicom.encaps import generate_fragments, generate_frames, parse_basic_offsets

START_OF_IMAGE, END_OF_IMAGE = b"\xff\xd8", b"\xff\xd9"
PADDING = b"\0\xff"  # what may follow the end of an image
ITEM = b"\xfe\xff\x00\xe0"  # what compressed pixel data begin with
PIXELS = (b"\xe0\x7f\x10\x00", b"\x7f\xe0\x00\x10")  # the tag of pixel data, little- and big-endian
VIDEO = "1.2.840.10008.1.2.4.10"  # 100 to 108: MPEG-2, MPEG-4, HEVC
CODESTREAM = b"\xff\x4f\xff\x51"  # JPEG 2000: start, and the marker of its size
JP2 = b"\0\0\0\x0cjP  \r\n\x87\n"  # a file around a codestream, which DICOM does not have and exporters write
MOST_COMPONENTS = 4  # of a picture; decoders make all that a JPEG 2000 stream says, up to 16384
SIZES = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0), 0xF7)  # start of frame


def first_frame(dataset: Any, path: Path) -> tuple[bool, bytes]:
    """Whether pixel data come in items, as compressed ones do, and the first frame as it is stored; it is empty where
    it cannot be told. Pixels that were left on disk are looked up in the file at `path`."""
    frames = int(number_of(dataset, "NumberOfFrames") or 1)
    try:
        if "PixelData" in dataset:
            data = bytes(dataset.PixelData)
            if data.startswith(ITEM):
                return True, next(generate_frames(data, number_of_frames=frames), b"")
            return False, data[: bytes_of_frame(dataset)]
        with path.open("rb") as file:
            if not go_to_pixels(file):
                return False, b""
            start = file.read(4)
            file.seek(-len(start), io.SEEK_CUR)
            if start == ITEM:
                return True, next(generate_frames(file, number_of_frames=frames), b"")
            return False, file.read(bytes_of_frame(dataset))
    except Exception:  # whatever pydicom makes of damaged pixel data; what is wrong is said when they are decoded
        return False, b""


def go_to_pixels(file: BinaryIO) -> bool:
    """Moves an open file to where the value of its pixel data begins; says whether it has some."""
    head = pydicom.dcmread(file, force=True, stop_before_pixels=True)
    if file.read(4) not in PIXELS:
        return False
    file.seek(4 if head.original_encoding[0] else 8, io.SEEK_CUR)  # the rest of the element's head
    return True


def is_video(dataset: Any) -> bool:
    """Whether the pixel data are one moving picture, not a stream a frame."""
    return str(dataset.file_meta.TransferSyntaxUID).startswith(VIDEO)


def bytes_of_frame(dataset: Any) -> int:
    """How many bytes one uncompressed frame has, all of its samples stored."""
    samples, bits = number_of(dataset, "SamplesPerPixel") or 1, number_of(dataset, "BitsAllocated") or 8
    return int((number_of(dataset, "Rows") or 0) * (number_of(dataset, "Columns") or 0) * samples * bits) // 8


def check_frames(dataset: Any) -> list[bytes]:
    """The encapsulated streams, one a frame, or none of native data.

    Raises `UnreadableImageError` where frames are missing, too many, cut, or of another size.
    """
    said = int(number_of(dataset, "NumberOfFrames") or 1)
    height, width = int(dataset.Rows), int(dataset.Columns)
    try:
        syntax = dataset.file_meta.TransferSyntaxUID
        if syntax not in JPEG_XL and not syntax.is_encapsulated:
            check_native(dataset, said)
            return []
        held = frames_held(dataset.PixelData, said)
        if held != said:
            raise UnreadableImageError(f"says {counted(said)} and holds {held}")
        streams = list(generate_frames(dataset.PixelData, number_of_frames=said))
    except UnreadableImageError:
        raise
    except Exception:
        raise UnreadableImageError("its frames cannot be told apart: its compressed data are damaged") from None
    for number, stream in enumerate(streams):
        check_stream(stream, number, width, height)
    return streams


def check_stream(stream: bytes, number: int, width: int, height: int) -> None:
    """Raises `UnreadableImageError` where the stream of a frame has another size, no end, or too many components."""
    found = size_of(stream)
    if found is not None and found != (width, height):
        raise UnreadableImageError(f"says {width}×{height} pixels, and frame {number} is {found[0]}×{found[1]}")
    if stream.startswith(START_OF_IMAGE) and not stream.rstrip(PADDING).endswith(END_OF_IMAGE):
        raise UnreadableImageError(f"frame {number} breaks off")
    at = start_2000(stream)
    components = 0 if at is None else int.from_bytes(stream[at + 40 : at + 42], "big")
    if components > MOST_COMPONENTS:
        raise UnreadableImageError(f"frame {number} says {components} components; at most {MOST_COMPONENTS} are read")


def check_streams_of(path: Path, frames: int, width: int, height: int) -> None:
    """As `check_frames`, of compressed pixel data that are left in the file at `path`, one frame after the other."""
    with path.open("rb") as file:
        if not go_to_pixels(file) or file.read(4) != ITEM:
            return
        file.seek(-4, io.SEEK_CUR)
        with suppress(ValueError, TypeError, EOFError, struct.error):  # what is wrong is said when they are decoded
            for number, stream in enumerate(generate_frames(file, number_of_frames=frames)):
                check_stream(stream, number, width, height)


def counted(frames: int) -> str:
    return "1 frame" if frames == 1 else f"{frames} frames"


def check_native(dataset: Any, said: int) -> None:
    """Checks that unencapsulated pixel data hold as many frames as the file says (`said`).

    Raises `UnreadableImageError` where they hold fewer or more.
    """
    one = bytes_of_frame(dataset)
    if str(value_of(dataset, "PhotometricInterpretation")) == "YBR_FULL_422" and len(dataset.PixelData) < one * said:
        one = one * 2 // 3
    held = len(dataset.PixelData) // one if one else said
    if held != said:
        raise UnreadableImageError(f"says {counted(said)} and holds {held}")


def frames_held(data: bytes, said: int) -> int:
    """How many frames encapsulated data hold: by their offsets, or by how many fragments begin a stream."""
    offsets = parse_basic_offsets(data)
    if offsets:
        return len(offsets)
    starts = [bytes(fragment[:4]) for fragment in generate_fragments(data)][1:]
    begun = sum(start.startswith((START_OF_IMAGE, CODESTREAM, BARE, CONTAINER[:4])) for start in starts)
    return begun or (len(starts) if said > 1 else 1)


def size_of(stream: bytes) -> tuple[int, int] | None:
    """Width and height that a JPEG, JPEG-LS, JPEG 2000 or JPEG XL stream says; None for anything else."""
    if is_jpeg_xl(stream):
        return size_said(stream)
    start = start_2000(stream)
    if start is not None and len(stream) >= start + 24:
        corners = (int.from_bytes(stream[start + at : start + at + 4], "big") for at in (8, 12, 16, 20))
        right, bottom, left, top = corners
        return right - left, bottom - top
    for marker, body in segments(stream):
        if marker in SIZES and len(body) >= 5:
            return int.from_bytes(body[3:5], "big"), int.from_bytes(body[1:3], "big")
    return None


def start_2000(stream: bytes) -> int | None:
    """Where the codestream of a JPEG 2000 picture begins, high throughput or not, bare or in a JP2 file."""
    if stream.startswith(CODESTREAM):
        return 0
    at = stream.find(CODESTREAM) if stream.startswith(JP2) else -1
    return None if at < 0 else at


def segments(stream: bytes) -> Iterator[tuple[int, bytes]]:
    """The markers of a JPEG or JPEG-LS stream with what stands in each, up to its pixels; none of anything else."""
    at = 2 if stream.startswith(START_OF_IMAGE) else len(stream)
    while at + 4 <= len(stream) and stream[at] == 0xFF:
        if stream[at + 1] == 0xFF:  # padding
            at += 1
            continue
        end = at + 2 + int.from_bytes(stream[at + 2 : at + 4], "big")
        yield stream[at + 1], stream[at + 4 : end]
        at = end


def picture_of(stream: bytes) -> NDArray[np.uint8] | None:
    """A baseline JPEG stream in the colours that its own header says, grey [H, W] or RGB [H, W, 3].

    None where the stream says that it is not YCbCr, though the file does: pydicom knows what to do with those.
    """
    with Image.open(io.BytesIO(stream), formats=("JPEG",)) as image:
        if image.mode not in ("L", "RGB") or image.info.get("adobe_transform", 1) != 1:
            return None
        if image.mode == "RGB" and bytes(layer[0] for layer in image.layer) == b"RGB":  # type: ignore[attr-defined]
            return None
        return np.asarray(image)
