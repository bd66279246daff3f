"""Of a DICOM header, what a cohort may know; nothing in it is believed before it was checked."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from fibrostage.dicom.elements import number_of, numbers_of, text_of
from fibrostage.dicom.identity import PatientIdentity, identifying, identity_of
from fibrostage.ground.errors import UnreadableImageError

MOST_PIXELS = 64 * 2**20  # of one frame
MOST_FRAMES = 100_000
ULTRASOUND = tuple(f"1.2.840.10008.5.1.4.1.1.{number}" for number in ("6.1", "3.1", "6", "3"))  # classes, two retired
VECTOR = 0x00181065  # the tag FrameTimeVector, as a pointer names it


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
    seconds: tuple[float, ...] | None  # of each frame, from the first
    spacing_mm: float | None
    person: PatientIdentity
    identifying: frozenset[str]


def modality_of(dataset: Any) -> str:
    """A file's modality, that of its class where the tag is empty."""
    said = text_of(dataset, "Modality")
    return said or ("US" if text_of(dataset, "SOPClassUID") in ULTRASOUND else "")


def check_kind(dataset: Any, modalities: Sequence[str]) -> None:
    """Raises `UnreadableImageError` where a file is of none of these modalities."""
    modality = modality_of(dataset)
    if modality not in modalities:
        known = (
            modality
            if re.fullmatch(r"[A-Z]{1,8}", modality)
            else ("of an odd modality" if modality else "of no modality")
        )
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
    if frames is not None and not 1 <= frames <= MOST_FRAMES:
        raise UnreadableImageError(f"says {frames:g} frames")


def header_of(dataset: Any) -> Header:
    frames = int(number_of(dataset, "NumberOfFrames") or 1)
    names = identifying(dataset)  # before any text is read, which forgets how it was written
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
        frames=frames,
        photometric=photometric,
        burned_in={"YES": True, "NO": False}.get(burned_in),
        syntax=str(dataset.file_meta.TransferSyntaxUID),
        lossy=text_of(dataset, "LossyImageCompression") == "01",
        seconds=seconds_of(dataset, frames),
        spacing_mm=spacing if spacing and spacing > 0 else None,
        person=identity_of(dataset),
        identifying=names,
    )


def seconds_of(dataset: Any, frames: int) -> tuple[float, ...] | None:
    """When each frame was taken, in seconds from the first, by whatever the file tells it; None where it does not."""
    steps = numbers_of(dataset, "FrameTimeVector")
    vector = len(steps) == frames and min(steps[1:], default=-1) >= 0 and sum(steps[1:]) > 0
    milliseconds = number_of(dataset, "FrameTime")
    if vector and (number_of(dataset, "FrameIncrementPointer") == VECTOR or not milliseconds):
        return tuple(accumulate((step / 1000 for step in steps[1:]), initial=0.0))
    if not milliseconds or milliseconds < 0:
        rate = number_of(dataset, "CineRate") or number_of(dataset, "RecommendedDisplayFrameRate")
        milliseconds = 1000 / rate if rate and rate > 0 else None
    return None if milliseconds is None else tuple(frame * milliseconds / 1000 for frame in range(frames))


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
