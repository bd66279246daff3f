"""A DICOM ultrasound file → frames in true colours, and of its header what a cohort may know.

Wrong colours are the classic fault: pydicom turns YBR into RGB but leaves palettes, inverted greys and more than 8 bits
to the caller; `Dicom.frames` does all of them. Nothing that a header says is believed before it was checked against
the file: a picture's size is bounded, the frames are counted, and regions that do not fit the picture (a file that was
cropped or scaled after its regions were written) are none.

Errors are in our own words, because a library's may quote a name from the header.
"""

from __future__ import annotations

import datetime
import logging
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fibrostage.dicom.colours import mended_streams
from fibrostage.dicom.eight_bit import eight_bit, number_of
from fibrostage.dicom.pixel_streams import picture_of
from fibrostage.dicom.sr_read import Measured, measurements_of
from fibrostage.ground.errors import IntakeError, UnreadableImageError
from fibrostage.ground.geometry import Rectangle, clipped
from fibrostage.ground.words import words_of

try:
    import pydicom
    from pydicom.pixels.utils import iter_pixels
except ImportError:  # the extra [dicom]
    pydicom = None

MAGIC = b"DICM"
FIRST_TAGS = (b"\x02\0\0\0", b"\x08\0\0\0", b"\x08\0\x05\0", b"\x08\0\x08\0")  # little-endian
WHOLE = 64 * 2**20  # bytes; a larger file is decoded from disk, frame by frame
MOST_PIXELS = 64 * 2**20  # of one frame
BASELINE = "1.2.840.10008.1.2.4.50"
JPEG = (BASELINE, "1.2.840.10008.1.2.4.51")  # baseline and extended: lossy, colour mostly subsampled
KINDS = {1: "tissue", 2: "colour", 3: "spectral", 4: "spectral", 0xD: "grey bar", 0xE: "colour bar"}
CENTIMETRES = 3
SLACK = 1  # pixels by which a region may leave the picture: some scanners count from one


@dataclass(frozen=True)
class Region:
    """A rectangle of the screen and what the scanner says it shows; x right, y down, in pixels."""

    kind: str
    x: int
    y: int
    width: int
    height: int
    spacing_mm: float | None = None

    @property
    def roi(self) -> Rectangle:
        return Rectangle(self.x, self.y, self.width, self.height)


@dataclass(frozen=True)
class Header:
    """What a file says of itself. `patient` and `instance` leave this process as keyed hashes only."""

    patient: str
    instance: str
    series: str
    view: str
    device: str
    date: datetime.date | None
    width: int
    height: int
    frames: int
    photometric: str
    burned_in: bool | None
    syntax: str
    lossy: bool
    frame_seconds: float | None
    spacing_mm: float | None
    identifying: frozenset[str]


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps pydicom from logging and warning while a file is read, as it quotes what stands in headers.

    It is as talkative as before when the block ends. Also a decorator, for functions that are no generators.
    """
    logger = logging.getLogger("pydicom")
    before = logger.disabled
    logger.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = before


def require() -> None:
    if pydicom is None:
        raise IntakeError('reading DICOM needs pydicom and its decoders: pip install "fibrostage[dicom]"')


class Dicom:
    """One file, opened: its header, the regions of each frame, and its frames one by one."""

    format = "DICOM"

    def __init__(self, path: Path, dataset: Any) -> None:
        check_size(dataset)
        self.streams, self.mended = mended_streams(dataset)
        self.path = path
        self.dataset = dataset
        self.header: Header = header_of(dataset)
        self.known_regions: dict[int, tuple[Region, ...]] = {}

    @property
    def count(self) -> int | None:
        return self.header.frames

    @property
    def lossy(self) -> bool:
        return self.header.syntax in JPEG or self.header.lossy

    @quiet()
    def regions(self, frame: int) -> tuple[Region, ...]:
        """The regions of a frame; most files have the same for all."""
        frame = frame if "PerFrameFunctionalGroupsSequence" in self.dataset else 0
        if frame not in self.known_regions:
            self.known_regions[frame] = regions_of(self.dataset, frame, self.header.width, self.header.height)
        return self.known_regions[frame]

    @property
    def source(self) -> Any:
        """Where pixels are decoded from: a large file frame by frame, but whole where its own tags mislead."""
        if "PixelData" in self.dataset:
            return self.dataset
        if not self.mended:
            return self.path
        whole = pydicom.dcmread(self.path, force=True)
        mended_streams(whole)
        return whole

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
        for array in iter_pixels(self.source, indices=list(indices)):
            yield eight_bit(array, self.dataset)

    def frames(self, wanted: Sequence[int] | None = None) -> Iterator[tuple[int, float | None, NDArray[np.uint8]]]:
        """(index, seconds, grey [H, W] or RGB [H, W, 3]) of each frame, or of the wanted ones."""
        seconds = self.header.frame_seconds
        every = list(range(self.header.frames))
        indices = every if wanted is None else list(wanted)
        decoded = 0
        try:
            with quiet():
                for array in [self.only] if indices == [0] == every else self.decode(indices):
                    index = indices[decoded]
                    decoded += 1
                    yield index, None if seconds is None else index * seconds, array
        except UnreadableImageError:
            raise
        except MemoryError:
            raise UnreadableImageError("does not fit into memory") from None
        except NotImplementedError:
            raise UnreadableImageError(
                f"transfer syntax '{self.dataset.file_meta.TransferSyntaxUID}' has no decoder here"
            ) from None
        except Exception as error:
            raise UnreadableImageError(
                f"frame {decoded} of {self.header.frames} cannot be decoded ({type(error).__name__})"
            ) from None
        if decoded < len(indices):
            raise UnreadableImageError(f"says {self.header.frames} frames and holds {decoded}")


@dataclass(frozen=True)
class Report:
    """A structured report: whose it is, and what it measured."""

    patient: str
    instance: str
    measured: tuple[Measured, ...]
    format: str = "DICOM SR"


@quiet()
def open_dicom(path: Path, modalities: Sequence[str] = ("US",)) -> Dicom | Report:
    """The file, opened; raises `UnreadableImageError` with the reason."""
    require()
    dataset = read_dataset(path)
    if text_of(dataset, "Modality") == "SR":
        try:
            measured = tuple(measurements_of(dataset))
        except Exception as error:
            raise UnreadableImageError(f"is a damaged report ({type(error).__name__})") from None
        if not measured:
            raise UnreadableImageError("is a report without an elasticity")
        return Report(text_of(dataset, "PatientID"), text_of(dataset, "SOPInstanceUID"), measured)
    check_kind(dataset, modalities)
    return Dicom(path, dataset)


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
    except Exception as error:
        raise UnreadableImageError(f"not a readable DICOM file ({type(error).__name__})") from None


def text_of(dataset: Any, *keywords: str) -> str:
    """The values of several text tags, joined; none where a tag is absent or cannot be read."""
    found = []
    for keyword in keywords:
        try:
            value = dataset.get(keyword)
        except Exception:
            continue
        if value is not None and str(value).strip():
            found.append(str(value).strip())
    return " ".join(found)


def check_kind(dataset: Any, modalities: Sequence[str]) -> None:
    modality = text_of(dataset, "Modality")
    if modality not in modalities:
        known = modality if re.fullmatch(r"[A-Z]{1,8}", modality) else ("of an odd modality" if modality else "of none")
        raise UnreadableImageError(f"is {known}, not ultrasound (dicom.modalities = {list(modalities)})")


def check_size(dataset: Any) -> None:
    """Refuses what has no picture, or one that no scanner makes."""
    height, width = number_of(dataset, "Rows"), number_of(dataset, "Columns")
    if not height or not width:
        raise UnreadableImageError("holds no picture (no Rows and Columns)")
    if height * width > MOST_PIXELS:
        raise UnreadableImageError(f"its header says {width:.0f}×{height:.0f} pixels; at most {MOST_PIXELS} are read")
    bits = number_of(dataset, "BitsAllocated")
    if bits not in (8, 16):
        raise UnreadableImageError(f"has {bits or 0:g} bits a sample; 8 and 16 are read")
    frames = number_of(dataset, "NumberOfFrames")
    if frames is not None and not 1 <= frames <= 100_000:
        raise UnreadableImageError(f"says {frames:g} frames")


def header_of(dataset: Any) -> Header:
    milliseconds = number_of(dataset, "FrameTime")
    photometric = text_of(dataset, "PhotometricInterpretation")
    burned_in = text_of(dataset, "BurnedInAnnotation").upper()
    spacing = number_of(dataset, "PixelSpacing")
    return Header(
        patient=text_of(dataset, "PatientID"),
        instance=text_of(dataset, "SOPInstanceUID"),
        series=text_of(dataset, "SeriesDescription", "ProtocolName"),
        view=" ".join(filter(None, (text_of(dataset, "ViewName", "BodyPartExamined"), view_code(dataset)))),
        device=text_of(dataset, "Manufacturer", "ManufacturerModelName"),
        date=date_of(dataset),
        width=int(number_of(dataset, "Columns") or 0),
        height=int(number_of(dataset, "Rows") or 0),
        frames=int(number_of(dataset, "NumberOfFrames") or 1),
        photometric=photometric,
        burned_in={"YES": True, "NO": False}.get(burned_in),
        syntax=str(dataset.file_meta.TransferSyntaxUID),
        lossy=text_of(dataset, "LossyImageCompression") == "01",
        frame_seconds=milliseconds / 1000 if milliseconds and milliseconds > 0 else None,
        spacing_mm=spacing if spacing and spacing > 0 else None,
        identifying=identifying(dataset),
    )


def patient_of(path: Path) -> str:
    """A file's PatientID, or nothing."""
    try:
        with quiet():
            tags = ["PatientID"]
            return text_of(pydicom.dcmread(path, force=True, stop_before_pixels=True, specific_tags=tags), "PatientID")
    except Exception:
        return ""


def view_code(dataset: Any) -> str:
    try:
        return str(dataset.ViewCodeSequence[0].CodeMeaning)
    except Exception:
        return ""


def date_of(dataset: Any) -> datetime.date | None:
    text = text_of(dataset, "StudyDate").replace(".", "") or text_of(dataset, "ContentDate")
    try:
        return datetime.datetime.strptime(text[:8], "%Y%m%d").date()
    except ValueError:
        return None


IDENTIFYING = (
    "PatientName", "PatientID", "OtherPatientIDs", "PatientBirthDate", "PatientAddress", "PatientTelephoneNumbers",
    "PatientBirthName", "PatientMotherBirthName", "AccessionNumber", "StudyID", "InstitutionName", "InstitutionAddress",
    "InstitutionalDepartmentName", "ReferringPhysicianName", "PerformingPhysicianName", "OperatorsName",
    "NameOfPhysiciansReadingStudy", "StationName", "DeviceSerialNumber", "StudyDate", "SeriesDate", "ContentDate",
    "AcquisitionDate", "PatientInsurancePlanCodeSequence", "MedicalRecordLocator", "RequestingPhysician",
)  # fmt: skip


def identifying(dataset: Any) -> frozenset[str]:
    """The words of identifying tags, so that a cohort can be searched for them; short ones only of names."""
    found: set[str] = set()
    for keyword in IDENTIFYING:
        least = 2 if "Name" in keyword or "Physician" in keyword else 4
        for spelling in text_of(dataset, keyword).split("="):  # a name in letters, in signs, and as it sounds
            found |= words_of(spelling, least)
    return frozenset(found)


def regions_of(dataset: Any, frame: int, width: int, height: int) -> tuple[Region, ...]:
    """The regions of a frame, its own where it has some; none at all where any leaves the picture."""
    sequence = None
    try:
        sequence = dataset.PerFrameFunctionalGroupsSequence[frame].get("SequenceOfUltrasoundRegions")
    except Exception:
        sequence = None
    try:
        found = sequence or dataset.get("SequenceOfUltrasoundRegions") or ()
        regions = tuple(region_of(item) for item in found)
    except Exception:
        return ()
    if any(outside(region, width, height) for region in regions):
        return ()
    return tuple(inside(region, width, height) for region in regions)


def region_of(item: Any) -> Region:
    x, y = int(item.RegionLocationMinX0), int(item.RegionLocationMinY0)
    right, bottom = int(item.RegionLocationMaxX1), int(item.RegionLocationMaxY1)
    spacing = None
    if number_of(item, "PhysicalUnitsXDirection") == CENTIMETRES:
        delta = number_of(item, "PhysicalDeltaX")
        spacing = abs(delta) * 10 if delta else None
    kind = KINDS.get(int(item.RegionDataType), "other")
    return Region(kind, x, y, right - x + 1, bottom - y + 1, spacing)


def outside(region: Region, width: int, height: int) -> bool:
    """Whether a region cannot be of this picture."""
    return (
        min(region.x, region.y) < 0
        or min(region.width, region.height) < 2
        or not region.roi.fits(width + SLACK, height + SLACK)
    )


def inside(region: Region, width: int, height: int) -> Region:
    roi = clipped(region.roi, width, height)
    return replace(region, width=roi.width, height=roi.height)
