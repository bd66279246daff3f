"""What the tags about colours must be for a decoder to show the picture that the stream holds.

Exporters compress a picture and leave the tags of the uncompressed one, or write them for another coder. Where stream
and tag disagree, the stream is believed: a JPEG's components and markers, a JPEG 2000's colour transform. The rules
are those of DICOM PS3.5 8.2 and PS3.3 C.7.6.3.1.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fibrostage.dicom.eight_bit import number_of

RLE = "1.2.840.10008.1.2.5"
LOSSY_JPEG = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51")
LOSSLESS_JPEG = ("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")
JPEG_2000 = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (90, 91, 201, 202, 203))
STAND_ALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a length
FRAME_STARTS = {*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)}
CODING_STYLE = b"\xff\x52"
YCBCR = ("YBR_FULL", "YBR_FULL_422")
TRANSFORMED = ("YBR_ICT", "YBR_RCT")


@dataclass(frozen=True)
class JpegColours:
    """What a JPEG stream says of its components: their ids, whether some are coarser than others, the Adobe marker's
    transform where there is one, and whether it is JFIF, which is YCbCr by definition."""

    ids: bytes
    subsampled: bool
    adobe: int | None
    jfif: bool

    @property
    def ycbcr(self) -> bool | None:
        """Whether the components are YCbCr; None where the stream leaves it open."""
        if self.adobe is not None:
            return self.adobe == 1
        if self.ids == b"RGB":
            return False
        return True if self.jfif or self.subsampled else None


def mend_tags(dataset: Any, stream: bytes | None = None) -> tuple[str, ...]:
    """Brings a dataset's tags about samples in line with its pixel data, and says each change.

    `stream` is the first frame's, where the data are encapsulated. Tags that are missing get what the standard takes
    for granted; tags that cannot be true of a stream get what it says.
    """
    said: list[str] = []

    def put(keyword: str, value: Any, why: str) -> None:
        before = value_of(dataset, keyword)
        if before is None or before != value:
            setattr(dataset, keyword, value)
            was = "is missing" if before is None else f"says {before}"
            said.append(f"{keyword} {was}, read as {value}: {why}")

    samples = int(number_of(dataset, "SamplesPerPixel") or 1)
    allocated = int(number_of(dataset, "BitsAllocated") or 8)
    plain = str(value_of(dataset, "PhotometricInterpretation") or "").strip()
    if plain and plain != plain.upper():
        put("PhotometricInterpretation", plain.upper(), "its terms are in capitals")
    for keyword, value in (("SamplesPerPixel", samples), ("BitsStored", allocated), ("PixelRepresentation", 0)):
        if value_of(dataset, keyword) is None:
            put(keyword, value, "what is usual")
    uid = dataset.file_meta.TransferSyntaxUID
    if samples == 1 or not uid.is_transfer_syntax:
        return tuple(said)
    put("PixelRepresentation", 0, "colours are unsigned")
    syntax = str(uid)
    if uid.is_encapsulated and syntax != RLE:
        put("PlanarConfiguration", 0, "a compressed stream keeps a pixel's colours together")
    elif value_of(dataset, "PlanarConfiguration") is None:
        put("PlanarConfiguration", 0, "what is usual")
    if stream is not None and samples == 3:
        found = photometric_of(stream, syntax, str(value_of(dataset, "PhotometricInterpretation") or ""))
        put("PhotometricInterpretation", found, "what the stream says of its colours")
    return tuple(said)


def value_of(dataset: Any, keyword: str) -> Any:
    """A tag's value, None where it is absent or cannot be read."""
    try:
        return dataset.get(keyword)
    except Exception:  # whatever pydicom makes of a damaged element
        return None


def photometric_of(stream: bytes, syntax: str, said: str) -> str:
    """The photometric interpretation that a stream of three components bears out, `said` where it leaves it open."""
    if syntax in JPEG_2000:
        transform = colour_transform(stream)
        if transform is None:
            return said
        if transform:
            return said if said in (*TRANSFORMED, "RGB") else "YBR_RCT"
        return "RGB" if said in TRANSFORMED else said
    colours = jpeg_colours(stream) if syntax in (*LOSSY_JPEG, *LOSSLESS_JPEG) else None
    if colours is None or len(colours.ids) != 3:
        return said
    if syntax in LOSSLESS_JPEG:
        return "RGB" if said == "YBR_FULL_422" and not colours.subsampled else said
    if colours.ycbcr is None:
        return said if said in (*YCBCR, "RGB") else "YBR_FULL"
    if colours.ycbcr:
        return said if said in YCBCR else "YBR_FULL_422" if colours.subsampled else "YBR_FULL"
    return "RGB"


def jpeg_colours(stream: bytes) -> JpegColours | None:
    """What a JPEG stream says of its components before its first scan; None where it is no JPEG, or breaks off."""
    if not stream.startswith(b"\xff\xd8"):
        return None
    at, adobe, jfif = 2, None, False
    while at + 4 <= len(stream) and stream[at] == 0xFF:
        marker = stream[at + 1]
        if marker == 0xFF:  # padding
            at += 1
            continue
        if marker in STAND_ALONE:
            at += 2
            continue
        length = int.from_bytes(stream[at + 2 : at + 4], "big")
        body = stream[at + 4 : at + 2 + length]
        if marker == 0xE0 and body.startswith(b"JFIF\0"):
            jfif = True
        elif marker == 0xEE and body.startswith(b"Adobe") and len(body) >= 12:
            adobe = body[11]
        elif marker in FRAME_STARTS:
            parts = [body[6 + 3 * number : 9 + 3 * number] for number in range(body[5] if len(body) > 5 else 0)]
            if not parts or any(len(part) < 3 for part in parts):
                return None
            return JpegColours(bytes(p[0] for p in parts), len({p[1] for p in parts}) > 1, adobe, jfif)
        at += 2 + length
    return None


def colour_transform(stream: bytes) -> bool | None:
    """Whether a JPEG 2000 codestream, bare or in a JP2 file, was transformed from RGB; None where it says nothing."""
    start = stream.find(b"\xff\x4f\xff\x51")
    at = stream.find(CODING_STYLE, start) if start >= 0 else -1
    return None if at < 0 or at + 8 >= len(stream) else stream[at + 8] != 0
