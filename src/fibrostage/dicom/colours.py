"""What the tags about colours must be for a decoder to show the picture that the stream holds.

Exporters compress a picture and leave the tags of the uncompressed one, or write them for another coder. Where stream
and tag disagree, the stream is believed: a JPEG's components and markers, a JPEG 2000's colour transform. The rules
are those of DICOM PS3.5 8.2 and PS3.3 C.7.6.3.1.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fibrostage.dicom.eight_bit import number_of
from fibrostage.dicom.pixel_streams import CODESTREAM, SIZES, check_frames, segments

RLE = "1.2.840.10008.1.2.5"
LOSSY_JPEG = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51")
LOSSLESS_JPEG = ("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")
JPEG_2000 = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (90, 91, 201, 202, 203))
JFIF, ADOBE = 0xE0, 0xEE
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


class Mended:
    """A dataset whose tags about samples are brought in line with its pixel data; `said` are the changes in words."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset
        self.said: list[str] = []

    def put(self, keyword: str, value: Any, why: str) -> None:
        before = value_of(self.dataset, keyword)
        if before is None or before != value:
            setattr(self.dataset, keyword, value)
            was = "is missing" if before is None else f"says {before}"
            self.said.append(f"{keyword} {was}, read as {value}: {why}")


def mended_streams(dataset: Any) -> tuple[list[bytes], list[str]]:
    """The encapsulated streams of a dataset, one a frame, after its tags were mended, and each change in words.

    Tags that are missing get what the standard takes for granted; tags that cannot be true of a stream get what it
    says. There are no streams of native data, nor where the pixels were not read. Raises `UnreadableImageError` as
    `check_frames` does.
    """
    mended = Mended(dataset)
    mend_samples(mended)
    streams = check_frames(dataset) if "PixelData" in dataset else []
    if streams and number_of(dataset, "SamplesPerPixel") == 3:
        said = str(value_of(dataset, "PhotometricInterpretation") or "")
        found = photometric_of(streams[0], str(dataset.file_meta.TransferSyntaxUID), said)
        mended.put("PhotometricInterpretation", found, "what the stream says of its colours")
    return streams, mended.said


def mend_samples(mended: Mended) -> None:
    """Mends what can be known without looking into the stream."""
    dataset = mended.dataset
    samples = int(number_of(dataset, "SamplesPerPixel") or 1)
    allocated = int(number_of(dataset, "BitsAllocated") or 8)
    plain = str(value_of(dataset, "PhotometricInterpretation") or "").strip()
    if plain and plain != plain.upper():
        mended.put("PhotometricInterpretation", plain.upper(), "its terms are in capitals")
    for keyword, value in (("SamplesPerPixel", samples), ("BitsStored", allocated), ("PixelRepresentation", 0)):
        if value_of(dataset, keyword) is None:
            mended.put(keyword, value, "what is usual")
    uid = dataset.file_meta.TransferSyntaxUID
    if samples == 1 or not uid.is_transfer_syntax:
        return
    mended.put("PixelRepresentation", 0, "colours are unsigned")
    if uid.is_encapsulated and str(uid) != RLE:
        mended.put("PlanarConfiguration", 0, "a compressed stream keeps a pixel's colours together")
    elif value_of(dataset, "PlanarConfiguration") is None:
        mended.put("PlanarConfiguration", 0, "what is usual")


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
    adobe, jfif = None, False
    for marker, body in segments(stream):
        if marker == JFIF and body.startswith(b"JFIF\0"):
            jfif = True
        elif marker == ADOBE and body.startswith(b"Adobe") and len(body) >= 12:
            adobe = body[11]
        elif marker in SIZES:
            parts = [body[6 + 3 * number : 9 + 3 * number] for number in range(body[5] if len(body) > 5 else 0)]
            if not parts or any(len(part) < 3 for part in parts):
                return None
            return JpegColours(bytes(p[0] for p in parts), len({p[1] for p in parts}) > 1, adobe, jfif)
    return None


def colour_transform(stream: bytes) -> bool | None:
    """Whether a JPEG 2000 codestream, bare or in a JP2 file, was transformed from RGB; None where it says nothing."""
    start = stream.find(CODESTREAM)
    at = stream.find(CODING_STYLE, start) if start >= 0 else -1
    return None if at < 0 or at + 8 >= len(stream) else stream[at + 8] != 0
