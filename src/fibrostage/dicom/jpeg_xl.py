"""JPEG XL streams, in DICOM and outside: what they say before anything is decoded, and their pixels.

The decoder makes the whole picture of a stream at once, whatever its size, and the first of a moving one without a
word, so both are read first, from the stream's own header (ISO/IEC 18181-1, SizeHeader and ImageMetadata). The decoder
is Pillow's plugin for JPEG XL, of the extra [dicom].
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
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
WHOLE_BITS, FLOAT_BITS = ((8, 0), (10, 0), (12, 0), (1, 6)), ((32, 0), (16, 0), (24, 0), (1, 6))  # of a sample
EXTRA = ((0, 0), (1, 0), (2, 4), (1, 12))  # channels
HEAD = 64  # bytes of a bare stream that hold what is read of its header
DAMAGED = "its JPEG XL stream is damaged, or cut short"
MODES = ("L", "RGB", "RGBA", "I;16")


def is_jpeg_xl(stream: bytes) -> bool:
    """Whether a stream begins as JPEG XL does, bare or in its container."""
    return stream.startswith((BARE, CONTAINER))


@dataclass(frozen=True)
class Said:
    """What a stream says of its picture: its size, and where its header is read that far, its bits a sample, whether
    it moves or holds a preview, how many channels are beside grey or colour, and whether it may have lost something."""

    width: int
    height: int
    bits: int = 8
    moves: bool = False
    preview: bool = False
    extra: int = 0
    lossy: bool = True


def said_of(stream: bytes) -> Said | None:
    """What a JPEG XL stream says of itself; None where it is none, or breaks off before its size.

    Of a JPEG that was recompressed, and of colours as the eye has them (XYB), something is lost.
    """
    bare = stream if stream.startswith(BARE) else within(stream)
    if not bare.startswith(BARE):
        return None
    bits = Bits(bare[2:HEAD])
    try:
        width, height = size_of(bits)
    except EOFError:
        return None
    found = Said(width, height)
    try:
        return found if bits.take(1) else metadata(bits, found, b"jbrd" in (kind for kind, _, _ in boxes(stream)))
    except EOFError:
        return found


def size_said(stream: bytes) -> tuple[int, int] | None:
    """Width and height that a JPEG XL stream says; None where it is none, or breaks off before."""
    said = said_of(stream)
    return None if said is None else (said.width, said.height)


def size_of(bits: Bits) -> tuple[int, int]:
    """SizeHeader, 18181-1 D.2: width and height."""
    small = bits.take(1)
    height = bits.side(small)
    ratio = bits.take(3)
    return (bits.side(small) if ratio == 0 else int(height * RATIOS[ratio - 1])), height


def metadata(bits: Bits, found: Said, recompressed: bool) -> Said:
    """ImageMetadata that is not all default, 18181-1 D.3, as far as it matters here."""
    if bits.take(1):  # extra_fields
        bits.take(3)  # orientation
        if bits.take(1):  # have_intr_size
            size_of(bits)
        if bits.take(1):
            return replace(found, preview=True)
        if bits.take(1):
            return replace(found, moves=True)
    floats = bits.take(1)
    depth = bits.u32(FLOAT_BITS if floats else WHOLE_BITS)
    if floats:
        bits.take(4)  # exp_bits
    bits.take(1)  # modular_16bit_buffers
    extra = bits.u32(EXTRA)
    plain = all(bits.take(1) for _ in range(extra))  # alpha as it mostly is; what others are takes more reading
    return replace(found, bits=depth, extra=extra, lossy=recompressed or not plain or bool(bits.take(1)))


def within(stream: bytes) -> bytes:
    """The beginning of the bare stream that a container holds, in one box or in parts; nothing where it holds none."""
    found = b""
    for kind, start, end in boxes(stream):
        if kind in HOLDS:
            found += stream[start:end][: HEAD - len(found)]
        if len(found) >= HEAD:
            break
    return found


def boxes(stream: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The boxes of a container: what each is, where its content begins, a part's number left out, and where it ends."""
    at = 0
    while at + 8 <= len(stream):
        length, kind, head = int.from_bytes(stream[at : at + 4], "big"), stream[at + 4 : at + 8], 8
        if length == 1:
            length, head = int.from_bytes(stream[at + 8 : at + 16], "big"), 16
        last = length < head  # 0: to the end
        yield kind, at + head + HOLDS.get(kind, 0), len(stream) if last else at + length
        if last:
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

    def u32(self, ways: tuple[tuple[int, int], ...]) -> int:
        """A number in one of four ways: a least value, and how many bits are added to it."""
        least, count = ways[self.take(2)]
        return least + self.take(count)

    def side(self, small: int) -> int:
        """A side of the picture: `small` ones are counted in eights."""
        return 8 * (1 + self.take(5)) if small else 1 + self.take(LENGTHS[self.take(2)])


def opened(stream: bytes) -> Image.Image:
    """The picture of a JPEG XL stream, its pixels at hand, in whatever mode they are; grey of 9 to 16 bits has the
    stream's own values. A JPEG that was recompressed lies as its camera held it, anything else upright.

    Raises `UnreadableImageError` where the stream says no size, moves, has a preview or many channels, is damaged, or
    its decoder is not installed.
    """
    said = said_of(stream)
    if said is None:
        raise UnreadableImageError(DAMAGED)
    if said.moves or said.preview or said.extra > 1:
        raise UnreadableImageError("its JPEG XL stream holds more than one picture; give one picture a stream")
    try:
        import pillow_jxl  # noqa: F401  # tells Pillow of the format
    except ImportError:
        raise UnreadableImageError(
            "JPEG XL needs Pillow's plugin for it: install fibrostage with its extra [dicom]"
        ) from None
    try:
        with Image.open(io.BytesIO(stream), formats=("JXL",)) as image:
            image.load()
            if image.mode == "I;16" and said.bits < 16:  # the decoder stretches them
                own = np.asarray(image) * ((2**said.bits - 1) / 65535)
                return Image.fromarray(own.round().astype(np.uint16))
            return image
    except MemoryError:
        raise
    except Exception:  # whatever the decoder makes of damaged data
        raise UnreadableImageError(DAMAGED) from None


def decoded(stream: bytes) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """The pixels of a JPEG XL stream, grey [H, W] of 8 or 16 bits, or RGB [H, W, 3].

    Raises `UnreadableImageError` as `opened` does, and where its pixels are of another kind.
    """
    image = opened(stream)
    if image.mode not in MODES:
        raise UnreadableImageError(f"its JPEG XL pixels are {image.mode!r}; grey of 8 or 16 bits and RGB are read")
    pixels: NDArray[np.uint8] | NDArray[np.uint16] = np.asarray(image)
    return pixels[..., :3] if pixels.ndim == 3 else pixels
