"""A DICOM ultrasound file → frames in true colours, its header and its regions.

Wrong colours are the classic fault: pydicom turns YBR into RGB but leaves palettes, inverted greys and more than 8 bits
to the caller; `Dicom.frames` does all of them. Nothing that a header says is believed before it was checked against
the file: a picture's size is bounded, the frames are counted, and tags that cannot be true of the pixels are mended.

Errors are in our own words, because a library's may quote a name from the header.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fibrostage.dicom.colours import mended_streams
from fibrostage.dicom.eight_bit import eight_bit
from fibrostage.dicom.elements import quiet, require, text_of
from fibrostage.dicom.header import Header, check_kind, check_size, header_of
from fibrostage.dicom.identity import PatientIdentity, identity_of
from fibrostage.dicom.jpeg_xl import JPEG_XL, LOSSY_JPEG_XL, decoded
from fibrostage.dicom.own import is_own
from fibrostage.dicom.pixel_streams import check_frames, check_streams_of, is_video, picture_of
from fibrostage.dicom.regions import MarkedRegions, Region, regions_of
from fibrostage.dicom.simulated import is_untouched, says_simulated
from fibrostage.dicom.sr_read import Measured, measurements_of
from fibrostage.dicom.video import video_frames
from fibrostage.ground.errors import UnreadableImageError

with suppress(ImportError):  # the extra [dicom]
    import pydicom
    from pydicom.pixels.utils import iter_pixels

MAGIC = b"DICM"
FIRST_TAGS = (b"\x02\0\0\0", b"\x08\0\0\0", b"\x08\0\x05\0", b"\x08\0\x08\0")  # little-endian
WHOLE = 64 * 2**20  # bytes; a larger file is decoded from disk, frame by frame
BASELINE = "1.2.840.10008.1.2.4.50"
DAMAGED = "not a readable DICOM file: its header is damaged"
JPEG = (BASELINE, "1.2.840.10008.1.2.4.51")  # baseline and extended: lossy, colour mostly subsampled


class Dicom:
    """One file, opened: its header, the regions of each frame, and its frames one by one."""

    format = "DICOM"

    def __init__(self, path: Path, dataset: Any) -> None:
        check_size(dataset)
        self.streams, self.mended = mended_streams(dataset, path)
        self.path = path
        self.dataset = dataset
        self.header: Header = header_of(dataset)
        self.known_regions: dict[int, MarkedRegions] = {}

    @property
    def count(self) -> int | None:
        return self.header.frames

    @property
    def lossy(self) -> bool:
        return self.header.syntax in (*JPEG, *LOSSY_JPEG_XL) or self.header.lossy or is_video(self.dataset)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the file says that is not so, in words."""
        return (*self.mended, *self.marked(0).odd)

    @property
    def simulated(self) -> bool:
        """Whether the file says that it is of nobody."""
        return says_simulated(self.dataset)

    @property
    def of_nobody(self) -> bool:
        """Whether it is simulated and as it was written, so that no lettering in it is a name."""
        return self.simulated and is_untouched(self.dataset)

    @quiet()
    def marked(self, frame: int) -> MarkedRegions:
        """What the scanner marked of a frame; most files have the same for all."""
        frame = frame if "PerFrameFunctionalGroupsSequence" in self.dataset else 0
        if frame not in self.known_regions:
            self.known_regions[frame] = regions_of(self.dataset, frame, self.header.width, self.header.height)
        return self.known_regions[frame]

    def regions(self, frame: int) -> tuple[Region, ...]:
        """The regions of a frame that can be believed."""
        return self.marked(frame).kept

    @property
    def source(self) -> Any:
        """Where pixels are decoded from: a large file frame by frame, but whole where its own tags mislead."""
        if "PixelData" in self.dataset:
            return self.dataset
        if not self.mended:
            return self.checked_path
        whole = pydicom.dcmread(self.path, force=True)
        mended_streams(whole, self.path)
        return whole

    @cached_property
    def checked_path(self) -> Path:
        """The file, once the streams in it were measured."""
        check_streams_of(self.path, self.header.frames, self.header.width, self.header.height)
        return self.path

    @cached_property
    def only(self) -> NDArray[np.uint8]:
        """The frame of a file that has one, kept: a rule that asks for colour looks at it before it is taken."""
        return next(self.decode([0]))

    def decode(self, indices: Sequence[int]) -> Iterator[NDArray[np.uint8]]:
        """Frames in true colours. Pillow turns baseline JPEG into RGB several times as fast as pydicom does."""
        header = self.header
        if (
            self.streams
            and header.syntax == BASELINE
            and header.photometric in ("YBR_FULL_422", "YBR_FULL", "MONOCHROME2")
        ):
            first = picture_of(self.streams[indices[0]]) if indices else None
            if first is not None:
                yield first
                for index in indices[1:]:
                    picture = picture_of(self.streams[index])
                    if picture is None:
                        raise UnreadableImageError(f"frame {index} is coded otherwise than the first")
                    yield picture
                return
        if header.syntax in JPEG_XL:
            streams = self.streams or check_frames(pydicom.dcmread(self.path, force=True))
            for index in indices:
                yield eight_bit(decoded(streams[index]), self.dataset)
            return
        for array in iter_pixels(self.source, indices=list(indices)):
            yield eight_bit(array, self.dataset)

    def frames(self, wanted: Sequence[int] | None = None) -> Iterator[tuple[int, float | None, NDArray[np.uint8]]]:
        """(index, seconds, grey [H, W] or RGB [H, W, 3]) of each frame, or of the wanted ones."""
        seconds = self.header.seconds
        if is_video(self.dataset):
            yield from video_frames(self.dataset, self.path, self.header, wanted)
            return
        every = list(range(self.header.frames))
        indices = every if wanted is None else list(wanted)
        done = 0
        try:
            with quiet():
                for array in [self.only] if indices == [0] == every else self.decode(indices):
                    index = indices[done]
                    done += 1
                    yield index, None if seconds is None else seconds[index], array
        except UnreadableImageError:
            raise
        except MemoryError:
            raise UnreadableImageError("does not fit into memory") from None
        except Exception:
            raise UnreadableImageError(
                f"frame {done} of {self.header.frames} cannot be decoded: it is damaged, or not as its tags say"
            ) from None
        if done < len(indices):
            raise UnreadableImageError(f"says {self.header.frames} frames and holds {done}")


@dataclass(frozen=True)
class Report:
    """A structured report: whose it is, and what it measured. `own` is what this package wrote of an exam, a report or
    a page: nothing in it was measured, as its readings are those of the pictures."""

    patient: str
    instance: str
    person: PatientIdentity
    simulated: bool
    measured: tuple[Measured, ...]
    format: str = "DICOM SR"
    own: bool = False


@quiet()
def open_dicom(path: Path, modalities: Sequence[str] = ("US",)) -> Dicom | Report:
    """The file, opened; raises `UnreadableImageError` with the reason."""
    require()
    dataset = read_dataset(path)
    own = is_own(dataset)
    if not own and text_of(dataset, "Modality") != "SR":
        check_kind(dataset, modalities)
        try:
            return Dicom(path, dataset)
        except UnreadableImageError:
            raise
        except Exception:
            raise UnreadableImageError(DAMAGED) from None
    person = identity_of(dataset)
    try:
        measured = () if own else tuple(measurements_of(dataset))
    except Exception:
        raise UnreadableImageError("is a damaged report") from None
    if not measured and not own:
        raise UnreadableImageError("is a report without an elasticity")
    patient, instance = text_of(dataset, "PatientID"), text_of(dataset, "SOPInstanceUID")
    return Report(patient, instance, person, says_simulated(dataset), measured, own=own)


def is_dicom(start: bytes) -> bool:
    """By the magic word; files without a preamble by the tag they begin with."""
    return start[128:132] == MAGIC or start[:4] in FIRST_TAGS


def read_dataset(path: Path) -> Any:
    """The dataset, with its pixels where the file is small enough to hold."""
    try:
        whole = path.stat().st_size <= WHOLE
        with quiet():
            dataset = pydicom.dcmread(path, force=True, stop_before_pixels=not whole)
            if not len(dataset):
                raise EOFError
            if not dataset.file_meta.get("TransferSyntaxUID"):
                dataset.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
            return dataset
    except EOFError:
        raise UnreadableImageError("is cut short") from None
    except OSError as error:
        raise UnreadableImageError(error.strerror or "cannot be read") from None
    except MemoryError:
        raise UnreadableImageError("its header asks for more memory than there is") from None
    except Exception:
        raise UnreadableImageError(DAMAGED) from None


def patient_of(path: Path) -> str:
    """A file's PatientID, or nothing."""
    try:
        with quiet():
            tags = ["PatientID"]
            return text_of(pydicom.dcmread(path, force=True, stop_before_pixels=True, specific_tags=tags), "PatientID")
    except Exception:
        return ""
