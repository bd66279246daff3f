"""JPEG XL streams: the size that they say before anything is decoded, and their pixels.

The decoder makes the whole picture of a stream at once, whatever its size, so the size is read first, from the stream's
own header (ISO/IEC 18181-1, SizeHeader). The decoder is Pillow's plugin for JPEG XL, of the extra [dicom].
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fibrostage.ground.errors import UnreadableImageError

LOSSY_JPEG_XL = ("1.2.840.10008.1.2.4.111", "1.2.840.10008.1.2.4.112")  # recompressed JPEG, and any
JPEG_XL = ("1.2.840.10008.1.2.4.110", *LOSSY_JPEG_XL)
BARE = b"\xff\x0a"
CONTAINER = b"\0\0\0\x0cJXL \r\n\x87\n"
HOLDS = {b"jxlc": 0, b"jxlp": 4}  # boxes that hold the stream, and how many bytes come before it
LENGTHS = (9, 13, 18, 30)  # bits of a side, by its selector
RATIOS = tuple(Fraction(*one) for one in ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1)))  # width : height
MODES = ("L", "RGB", "RGBA", "I;16")


def is_jpeg_xl(stream: bytes) -> bool:
    """Whether a stream begins as JPEG XL does, bare or in its container."""
    return stream.startswith((BARE, CONTAINER))


def size_said(stream: bytes) -> tuple[int, int] | None:
    """Width and height that a JPEG XL stream says; None where it is none, or breaks off before."""
    bare = stream if stream.startswith(BARE) else within(stream)
    if not bare.startswith(BARE):
        return None
    bits = Bits(bare[2:18])
    try:
        small = bits.take(1)
        height = bits.side(small)
        ratio = bits.take(3)
        width = bits.side(small) if ratio == 0 else int(height * RATIOS[ratio - 1])
    except EOFError:
        return None
    return width, height


def within(stream: bytes) -> bytes:
    """The beginning of the bare stream that a container holds; nothing where it holds none."""
    return next((stream[at : at + 64] for kind, at in boxes(stream) if kind in HOLDS), b"")


def boxes(stream: bytes) -> Iterator[tuple[bytes, int]]:
    """The boxes of a container: what each is, and where its content begins, a part's number left out."""
    at = 0
    while at + 8 <= len(stream):
        length, kind, head = int.from_bytes(stream[at : at + 4], "big"), stream[at + 4 : at + 8], 8
        if length == 1:
            length, head = int.from_bytes(stream[at + 8 : at + 16], "big"), 16
        yield kind, at + head + HOLDS.get(kind, 0)
        if length < head:  # 0: to the end
            return
        at += length


class Bits:
    """The bits of a header in their order, the least of each byte first; raises `EOFError` where they end."""

    def __init__(self, data: bytes) -> None:
        self.value, self.left = int.from_bytes(data, "little"), 8 * len(data)

    def take(self, count: int) -> int:
        """The next `count` bits as a number."""
        if count > self.left:
            raise EOFError
        taken = self.value & ((1 << count) - 1)
        self.value >>= count
        self.left -= count
        return taken

    def side(self, small: int) -> int:
        """A side of the picture: `small` ones are counted in eights."""
        return 8 * (1 + self.take(5)) if small else 1 + self.take(LENGTHS[self.take(2)])


def decoded(stream: bytes) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """The pixels of a JPEG XL stream, grey [H, W] of 8 or 16 bits, or RGB [H, W, 3].

    Raises `UnreadableImageError` where the decoder is not installed, the stream is damaged, or its pixels are of
    another kind.
    """
    try:
        import pillow_jxl  # noqa: F401  # tells Pillow of the format
    except ImportError:
        raise UnreadableImageError(
            "JPEG XL needs Pillow's plugin for it: install fibrostage with its extra [dicom]"
        ) from None
    try:
        with Image.open(io.BytesIO(stream), formats=("JXL",)) as image:
            mode, pixels = image.mode, np.asarray(image)
    except MemoryError:
        raise
    except Exception:  # whatever the decoder makes of damaged data
        raise UnreadableImageError("its JPEG XL stream is damaged, or cut short") from None
    if mode not in MODES:
        raise UnreadableImageError(f"its JPEG XL pixels are {mode!r}; grey of 8 or 16 bits and RGB are read")
    found: NDArray[np.uint8] | NDArray[np.uint16] = pixels[..., :3] if pixels.ndim == 3 else pixels
    return found
