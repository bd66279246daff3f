"""What a file is, by its first bytes and never by its name, and its frames one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fibrostage.dicom import header as dicom
from fibrostage.ground.errors import UnreadableImageError
from fibrostage.intake.read import video
from fibrostage.intake.read.raster import decode

START = 264
RASTER = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM", b"II*\x00", b"MM\x00*")
VIDEO = (b"\x1aE\xdf\xa3", b"\x30\x26\xb2\x75", b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3")
NOTHING = "not a readable PNG or JPEG, BMP, TIFF, DICOM or video file"

Frame = tuple[int, float | None, NDArray[np.uint8]]


class Medium(Protocol):
    """An opened file. `count` is how many frames it says it has; `lossy` whether JPEG smeared its colours. `frames`
    yields (index, seconds or None, pixels [H, W] or [H, W, 3]) of all or the wanted ones."""

    @property
    def format(self) -> str: ...
    @property
    def count(self) -> int | None: ...
    @property
    def lossy(self) -> bool: ...
    @property
    def header(self) -> dicom.Header | None: ...
    def regions(self, frame: int) -> tuple[dicom.Region, ...]: ...
    def frames(self, wanted: Sequence[int] | None = None) -> Iterator[Frame]: ...


@dataclass(frozen=True)
class Still:
    """One raster picture; `image` is kept as it was decoded."""

    image: Image.Image
    format: str
    count: int | None = 1
    header: dicom.Header | None = None

    @property
    def lossy(self) -> bool:
        return self.format == "JPEG"

    def regions(self, frame: int) -> tuple[dicom.Region, ...]:
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
    header: dicom.Header | None = None
    lossy: bool = True

    def regions(self, frame: int) -> tuple[dicom.Region, ...]:
        return ()

    def frames(self, wanted: Sequence[int] | None = None) -> Iterator[Frame]:
        left = None if wanted is None else set(wanted)
        for frame in video.frames(self.path):
            if left is None or frame[0] in left:
                yield frame
        # all of it is read even for one frame: only the end tells whether a video is whole


def open_medium(path: Path, modalities: Sequence[str]) -> Medium | dicom.Report:
    """Opens a file as what its first bytes say it is. Raises `UnreadableImageError` where it cannot be read, is empty,
    or is nothing that intake reads."""
    try:
        with path.open("rb") as file:
            start = file.read(START)
    except OSError as error:
        raise UnreadableImageError(error.strerror or "cannot be read") from None
    if not start:
        raise UnreadableImageError(f"{NOTHING} (it is empty)")
    if dicom.is_dicom(start):
        return dicom.open_dicom(path, modalities)
    if start.startswith(RASTER):
        return Still(*decode(path))
    if start[4:8] == b"ftyp" or start[8:12] == b"AVI " or start.startswith(VIDEO):
        return Clip(path)
    raise UnreadableImageError(NOTHING)
