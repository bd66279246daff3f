"""What a file is, by its first bytes and never by its name, and its frames one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fibrostage import SIMULATED
from fibrostage.dicom.file import Report, is_dicom, open_dicom
from fibrostage.dicom.header import Header
from fibrostage.dicom.jpeg_xl import is_jpeg_xl
from fibrostage.dicom.regions import Region
from fibrostage.ground import video
from fibrostage.ground.errors import UnreadableImageError
from fibrostage.intake.read.raster import LOSSY_JPEG_XL, decode

START = 264
RASTER = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM", b"II*\x00", b"MM\x00*")
VIDEO = (b"\x1aE\xdf\xa3", b"\x30\x26\xb2\x75", b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3")
TS_PACKET, TS_SYNC = 188, 0x47  # an MPEG transport stream: packets of a length, each with its mark
KNOWN = {  # what else people have, by its first bytes
    b"\0\0\0\x0cjP  ": "a JPEG 2000 picture outside DICOM",
    b"\xff\x4f\xff\x51": "a JPEG 2000 picture outside DICOM",
    b"GIF8": "a GIF picture",
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "an archive or office document",
    b"\x1f\x8b": "an archive",
    b"7z\xbc\xaf": "an archive",
    b"Rar!": "an archive",
    b"\xd0\xcf\x11\xe0": "an office document",
    b"\x93NUMPY": "a NumPy array",
}
BRANDS = {b"hei": "a HEIC photo", b"hev": "a HEIC photo", b"mif1": "a HEIC photo", b"avi": "an AVIF picture"}  # of ftyp
NOTHING = "not a readable PNG or JPEG, BMP, TIFF, JPEG XL, DICOM or video file"

Frame = tuple[int, float | None, NDArray[np.uint8]]


class Medium(Protocol):
    """An opened file. `count` is how many frames it says it has; `lossy` whether JPEG smeared its colours. `frames`
    yields (index, seconds or None, pixels [H, W] or [H, W, 3]) of all or the wanted ones; `notes` are what it says of
    itself that is not so, `simulated` whether it says that no patient was examined, `of_nobody` whether that is sure of
    what stands in it too."""

    @property
    def format(self) -> str: ...
    @property
    def count(self) -> int | None: ...
    @property
    def lossy(self) -> bool: ...
    @property
    def header(self) -> Header | None: ...
    @property
    def notes(self) -> tuple[str, ...]: ...
    @property
    def simulated(self) -> bool: ...
    @property
    def of_nobody(self) -> bool: ...
    def regions(self, frame: int) -> tuple[Region, ...]: ...
    def frames(self, wanted: Sequence[int] | None = None) -> Iterator[Frame]: ...


@dataclass(frozen=True)
class Still:
    """One raster picture; `image` is kept as it was decoded."""

    image: Image.Image
    format: str
    count: int | None = 1
    header: Header | None = None
    notes: tuple[str, ...] = ()

    @property
    def lossy(self) -> bool:
        return self.format in ("JPEG", LOSSY_JPEG_XL)

    @property
    def simulated(self) -> bool:
        return SIMULATED in str(self.image.info.get("Comment") or "")

    @property
    def of_nobody(self) -> bool:
        return self.simulated  # programs that draw upon a PNG do not keep its comment

    def regions(self, frame: int) -> tuple[Region, ...]:
        return ()

    def frames(self, wanted: Sequence[int] | None = None) -> Iterator[Frame]:
        grey = self.image.mode in ("L", "1", "LA")
        yield 0, None, np.asarray(self.image.convert("L" if grey else "RGB"))


@dataclass(frozen=True)
class Clip:
    """A video, whose frames are decoded only when they are asked for."""

    path: Path
    format: str = "VIDEO"
    count: int | None = None
    header: Header | None = None
    lossy: bool = True
    notes: tuple[str, ...] = ()
    simulated: bool = False
    of_nobody: bool = False

    def regions(self, frame: int) -> tuple[Region, ...]:
        return ()

    def frames(self, wanted: Sequence[int] | None = None) -> Iterator[Frame]:
        left = None if wanted is None else set(wanted)
        for frame in video.frames(self.path):
            if left is None or frame[0] in left:
                yield frame
        # all of it is read even for one frame: only the end tells whether a video is whole


def open_medium(path: Path, modalities: Sequence[str], window: tuple[int, int] | None = None) -> Medium | Report:
    """Opens a file as what its first bytes say it is; grey of 16 bits outside DICOM needs a `window`. Raises
    `UnreadableImageError` where it cannot be read, is empty, or is nothing that intake reads."""
    try:
        with path.open("rb") as file:
            start = file.read(START)
    except OSError as error:
        raise UnreadableImageError(error.strerror or "cannot be read") from None
    if not start:
        raise UnreadableImageError(f"{NOTHING} (it is empty)")
    if is_dicom(start):
        return open_dicom(path, modalities)
    if start.startswith(RASTER) or is_jpeg_xl(start):
        return Still(*decode(path, window))
    if other := other_kind(start):
        raise UnreadableImageError(f"is {other}, which is not read: save it as PNG or JPEG, or as MP4 where it moves")
    if start[TS_PACKET : TS_PACKET + 1] == bytes([TS_SYNC]) == start[:1]:
        return Clip(path)
    if start[4:8] == b"ftyp" or start[8:12] == b"AVI " or start.startswith(VIDEO):
        return Clip(path)
    raise UnreadableImageError(NOTHING)


def other_kind(start: bytes) -> str | None:
    """Names a known kind of file that intake does not read, by its first bytes; None where it is none of those."""
    if start[4:8] == b"ftyp":
        return next((name for brand, name in BRANDS.items() if start[8:].startswith(brand)), None)
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "a WebP picture"
    return next((name for magic, name in KNOWN.items() if start.startswith(magic)), None)
