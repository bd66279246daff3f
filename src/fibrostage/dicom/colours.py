"""What the tags about colours must be for a decoder to show the picture that the stream holds.

Exporters compress a picture and leave the tags of the uncompressed one, or write them for another coder. Where stream
and tag disagree, the stream is believed: a JPEG's components and markers, a JPEG 2000's colour transform. The rules
are those of DICOM PS3.5 8.2 and PS3.3 C.7.6.3.1.2.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fibrostage.dicom.decoders import check_decoder
from fibrostage.dicom.elements import number_of, value_of
from fibrostage.dicom.pixel_streams import (
    CODESTREAM,
    SIZES,
    bytes_of_frame,
    check_frames,
    first_frame,
    is_video,
    segments,
)
from fibrostage.dicom.video import count_video_frames
from fibrostage.ground.errors import UnreadableImageError

with suppress(ImportError):  # the extra [dicom]
    import pydicom

UID = "1.2.840.10008.1.2."
EXPLICIT, RLE = UID + "1", UID + "5"
LOSSY_JPEG = (UID + "4.50", UID + "4.51")
LOSSLESS_JPEG = (UID + "4.70", UID + "4.57")
JPEG_LS = (UID + "4.80", UID + "4.81")
CLASSIC_2000, HIGH_THROUGHPUT = (UID + "4.90", UID + "4.91"), (UID + "4.201", UID + "4.202", UID + "4.203")
JPEG_2000 = (*CLASSIC_2000, *HIGH_THROUGHPUT)
FRAMES = {0xC0: LOSSY_JPEG, 0xC1: (LOSSY_JPEG[1],), 0xC3: LOSSLESS_JPEG, 0xF7: JPEG_LS}  # a JPEG's start of frame
CAPABILITIES = b"\xff\x50"  # of a JPEG 2000: high throughput
RLE_SEGMENTS = range(1, 16)
RLE_HEAD = 64  # bytes; the first segment begins behind it
LEAST_SIDE = 32  # pixels of a picture whose rows tell anything
PLAINER = 0.8  # of the unlikelier reading's roughness, that the likelier one of planes or pixels stays below
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
            vr = pydicom.datadict.dictionary_VR(keyword)
            self.dataset.add_new(keyword, vr, value)  # the element that is there may be past reading
            was = "is missing" if before is None else f"says {before}"
            self.said.append(f"{keyword} {was}, read as {value}: {why}")


def mended_streams(dataset: Any, path: Path) -> tuple[list[bytes], list[str]]:
    """The encapsulated streams of a dataset, one a frame, after its tags were mended, and each change in words.

    Tags that are missing get what the standard takes for granted; tags that cannot be true of a stream get what it
    says. There are no streams of native data or a video, nor where the pixels were left in the file at `path`. Raises
    `UnreadableImageError` where neither tag nor stream says how the pixels are coded, as `check_decoder` does, and as
    `check_frames` does.
    """
    mended = Mended(dataset)
    if is_video(dataset):
        mend_samples(mended)
        if (number_of(dataset, "NumberOfFrames") or 1) < 2:
            mended.put("NumberOfFrames", count_video_frames(dataset, path), "what its video holds")
        return [], mended.said
    items, first = first_frame(dataset, path)
    mend_syntax(mended, items, first)
    check_decoder(str(dataset.file_meta.TransferSyntaxUID))
    mend_samples(mended)
    streams = check_frames(dataset) if "PixelData" in dataset else []
    syntax = dataset.file_meta.TransferSyntaxUID
    if first and number_of(dataset, "SamplesPerPixel") == 3 and syntax.is_transfer_syntax:
        if syntax.is_encapsulated:
            said = str(value_of(dataset, "PhotometricInterpretation") or "")
            found = photometric_of(first, str(syntax), said)
            mended.put("PhotometricInterpretation", found, "what the stream says of its colours")
        else:
            mend_planes(mended, first)
    return streams, mended.said


def mend_syntax(mended: Mended, items: bool, first: bytes) -> None:
    """Makes the transfer syntax one of the coding of the `first` frame, which stands among `items` or does not."""
    meta = mended.dataset.file_meta
    if not first or not meta.TransferSyntaxUID.is_transfer_syntax:
        return
    syntax = str(meta.TransferSyntaxUID)
    codings = coding_of(first) if items else None
    if items and codings is None and not meta.TransferSyntaxUID.is_encapsulated:
        raise UnreadableImageError("holds compressed frames of an unknown coding and says that they are not compressed")
    if not items and meta.TransferSyntaxUID.is_encapsulated and len(first) == bytes_of_frame(mended.dataset):
        codings = (EXPLICIT,)
    if codings is not None and syntax not in codings:
        meta.TransferSyntaxUID = pydicom.uid.UID(codings[0])
        mended.said.append(f"transfer syntax says {syntax}, read as {codings[0]}: how the frames are coded")


def coding_of(stream: bytes) -> tuple[str, ...] | None:
    """The transfer syntaxes that a compressed frame may have, the likeliest first; None where it does not tell."""
    if stream.startswith(CODESTREAM):
        head = stream[: stream.find(CODING_STYLE)]
        return HIGH_THROUGHPUT[::-1] if CAPABILITIES in head else CLASSIC_2000[::-1]
    for marker, _ in segments(stream):
        if marker in SIZES:
            return FRAMES.get(marker)
    words = [int.from_bytes(stream[at : at + 4], "little") for at in (0, 4)]
    return (RLE,) if words[0] in RLE_SEGMENTS and words[1] == RLE_HEAD < len(stream) else None


def mend_samples(mended: Mended) -> None:
    """Mends what can be known without looking into the stream."""
    dataset = mended.dataset
    samples = int(number_of(dataset, "SamplesPerPixel") or 1)
    allocated = int(number_of(dataset, "BitsAllocated") or 8)
    plain = str(value_of(dataset, "PhotometricInterpretation") or "").strip()
    if plain and plain != plain.upper():
        mended.put("PhotometricInterpretation", plain.upper(), "its terms are in capitals")
    if not plain:
        mended.put("PhotometricInterpretation", "RGB" if samples == 3 else "MONOCHROME2", "what is usual")
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


def mend_planes(mended: Mended, first: bytes) -> None:
    """Holds PlanarConfiguration against an uncompressed frame of 8-bit colours."""
    dataset = mended.dataset
    small = min(int(dataset.Rows), int(dataset.Columns)) < LEAST_SIDE
    if number_of(dataset, "BitsAllocated") != 8 or len(first) < bytes_of_frame(dataset) or small:
        return
    found = in_planes(np.frombuffer(first, dtype=np.uint8), int(dataset.Columns))
    if found is not None:
        order = "colour by colour" if found else "pixel by pixel"
        mended.put("PlanarConfiguration", int(found), f"its samples lie {order}")


def in_planes(samples: NDArray[np.uint8], width: int) -> bool | None:
    """Whether the `samples` [3·H·W] of a picture of this width lie one colour after the other; None where the picture
    leaves it open.

    The right reading is the smoother one from row to row: a row is W samples in planes, and 3W in pixels.
    """
    values = samples.astype(np.int16)
    planes, pixels = (float(np.abs(values[step:] - values[:-step]).mean()) for step in (width, 3 * width))
    if min(planes, pixels) >= PLAINER * max(planes, pixels):
        return None
    return planes < pixels


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
