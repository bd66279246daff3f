"""One file → its pictures, ready to be stored, or why not: what a worker does, without knowing of any other file.

Order: open, take the rows of I.csv or the rule that fits, choose frames of a loop, blank what lies outside the
scanner's regions, find the box or the tissue, read the stiffness, cut, measure. Whatever a worker hands back may be
written: ids and names in it are hashed already where they must be.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fibrostage.cohort.store import hash_pixels
from fibrostage.cohort.tables import BOX
from fibrostage.errors import FibrostageError
from fibrostage.intake.boxes import Box, find_box
from fibrostage.intake.cine import choose
from fibrostage.intake.colour import Tint, tint_of
from fibrostage.intake.colourbar import bar_at, find_bar
from fibrostage.intake.crops import MOVES
from fibrostage.intake.dicom import Header, Report
from fibrostage.intake.labels import Request, Roi
from fibrostage.intake.media import Frame, Medium, open_medium
from fibrostage.intake.privacy import Privacy
from fibrostage.intake.raster import Picture, UnreadableImageError, check_region, pictures_of, squares_of
from fibrostage.intake.stiffness import MisfitError, Scale, Stiffness, read_stiffness
from fibrostage.intake.thumbs import thumb_of
from fibrostage.intake.tissue import find_tissue
from fibrostage.intake.twins import fingerprint
from fibrostage.plan import Plan
from fibrostage.plan_intake import ModalityPlan, RulePlan

ALLOWED = ("tissue", "colour", "colour bar", "grey bar")
TISSUE = ("tissue", "colour")


@dataclass(frozen=True)
class Job:
    """A file to read: the rows of I.csv that name it, or None where the plan's rules say what it is."""

    path: Path
    name: str
    requests: tuple[Request, ...] | None


@dataclass(frozen=True)
class Setting:
    """What is the same for every file."""

    plan: Plan
    privacy: Privacy = field(default_factory=Privacy)
    accept_unmasked: bool = False
    sheet: bool = False

    @property
    def modalities(self) -> dict[str, ModalityPlan]:
        return {modality.name: modality for modality in self.plan.modality}


@dataclass
class Taken:
    """One picture: its row of the images table (but for its id), its pixels, and what twins are known by."""

    record: dict[str, Any]
    pixels: NDArray[np.uint8]
    print: NDArray[np.int8]
    thumb: bytes = b""


@dataclass(frozen=True)
class Refusal:
    """Why a row, a file or a frame gives no picture; `value` says that only a value was left out."""

    reason: str
    request: Request | None = None
    value: bool = False


@dataclass
class Outcome:
    """What a file gave. `measured` are (hashed instance, kPa) of a report, `words` hashes of identifying words."""

    taken: list[Taken] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    measured: list[tuple[str, str, float, float | None]] = field(default_factory=list)
    words: frozenset[str] = frozenset()
    facts: dict[str, Any] = field(default_factory=dict)


def read_file(job: Job, setting: Setting) -> Outcome:
    """Everything of one file; never raises for what a file holds."""
    outcome = Outcome()
    try:
        read_into(outcome, job, setting)
    except FibrostageError:
        raise  # something is missing here, not in the file
    except MemoryError:
        outcome.refused += [Refusal("does not fit into memory", request) for request in job.requests or (None,)]
    except Exception as error:  # whatever a library makes of a damaged file
        reason = f"cannot be read ({type(error).__name__})"
        outcome.refused += [Refusal(reason, request) for request in job.requests or (None,)]
    return outcome


def read_into(outcome: Outcome, job: Job, setting: Setting) -> None:
    try:
        medium = open_medium(job.path, setting.plan.dicom.modalities)
        if isinstance(medium, Report):
            patient = setting.privacy.patient(medium.patient)
            outcome.measured = [
                (patient, setting.privacy.source(each.instance), each.kpa, each.iqr) for each in medium.measured
            ]
            outcome.facts = {
                "format": medium.format,
                "patient": patient,
                "taken_for": f"{len(medium.measured)} readings",
            }
            return
        outcome.facts = facts_of(medium, setting.privacy)
        if medium.header is not None:
            outcome.words = frozenset(setting.privacy.word(word) for word in medium.header.identifying)
        requests = job.requests or (ruled(job, medium, setting),)
    except UnreadableImageError as error:
        outcome.refused += [Refusal(str(error), request) for request in job.requests or (None,)]
        return
    for request in requests:
        try:
            read_request(medium, request, setting, outcome)
        except UnreadableImageError as error:
            outcome.refused.append(Refusal(str(error), request))


def facts_of(medium: Medium, privacy: Privacy) -> dict[str, Any]:
    """What a dry run shows of a file, nothing of it identifying."""
    header = medium.header
    facts: dict[str, Any] = {"format": medium.format, "frames": medium.count}
    if header is not None:
        facts |= {
            "patient": privacy.patient(header.patient) if header.patient else None,
            "width": header.width,
            "height": header.height,
            "series": header.series,
            "view": header.view,
            "device": header.device,
            "regions": ", ".join(dict.fromkeys(region.kind for region in medium.regions(0))),
            "photometric": header.photometric,
        }
    return facts


def ruled(job: Job, medium: Medium, setting: Setting) -> Request:
    """The request that the first fitting rule of the plan makes of a file."""
    header = medium.header
    if header is None or not header.patient:
        raise UnreadableImageError("does not say whose it is (no PatientID); name it in images.csv")
    first: NDArray[np.uint8] | None = None
    for rule in setting.plan.rule:
        if not says(rule, job, medium, header):
            continue
        if rule.colour is not None:
            if first is None:
                _, _, first = next(iter(medium.frames([(header.frames - 1) // 2])))
            if (first.ndim == 3 and find_box(first, lossy=medium.lossy) is not None) != rule.colour:
                continue
        return Request(0, job.name, header.patient, rule.modality)
    raise UnreadableImageError("no rule of the plan says what it is")


def says(rule: RulePlan, job: Job, medium: Medium, header: Header) -> bool:
    """Whether what a file says of itself fits a rule."""
    texts = (rule.series, header.series), (rule.view, header.view), (rule.device, header.device), (rule.file, job.name)
    if any(pattern is not None and not re.search(pattern, text, re.IGNORECASE) for pattern, text in texts):
        return False
    kinds = {region.kind for region in medium.regions(0)}
    if not set(rule.regions) <= kinds:
        return False
    return rule.frames is None or (rule.frames == "many") == (header.frames > 1)


def read_request(medium: Medium, request: Request, setting: Setting, outcome: Outcome) -> None:
    """The pictures of one row or rule."""
    modality = setting.modalities[request.modality]
    for index, _, frame in frames_of(medium, request, modality, setting, outcome):
        shown = shown_of(medium, index, frame, request, setting)
        for roi, box in places_of(shown, request, modality):
            pictures = pictures_of(Image.fromarray(shown.masked), medium.format, modality, roi, request.click)
            stored = stored_part(modality, roi, request.click, shown.masked)
            stiffness = stiffness_of(shown, roi, request, modality, setting, outcome)
            for crop, picture in enumerate(pictures):
                several = len(MOVES) > 1 and modality.fit == "click"
                number = crop if several else shown.number(roi)
                record = record_of(medium, request, picture, index, number, setting)
                record["box_confidence"] = None if box is None else box.confidence
                add_stiffness(record, request, stiffness)
                thumb = thumb_of(shown.masked, roi, stored) if setting.sheet and not crop else b""
                outcome.taken.append(Taken(record, picture.pixels, fingerprint(picture.pixels), thumb))


def stored_part(
    modality: ModalityPlan, roi: Roi | None, click: tuple[int, int] | None, pixels: NDArray[np.uint8]
) -> Roi | None:
    """The part of a screen that is stored; None where all of it is."""
    height, width = pixels.shape[:2]
    squares = [square for square in squares_of(modality, roi, click, width, height) if square is not None]
    if not squares:
        return roi
    x, y = max(0, min(s.x for s in squares)), max(0, min(s.y for s in squares))
    right, bottom = min(width, max(s.x + s.side for s in squares)), min(height, max(s.y + s.side for s in squares))
    return Roi(x, y, right - x, bottom - y)


@dataclass(frozen=True)
class Shown:
    """A frame as it was decoded, and blanked; `areas` are its pictures of tissue where scanner or mask says so."""

    whole: NDArray[np.uint8]
    masked: NDArray[np.uint8]
    areas: tuple[Roi, ...]
    lossy: bool
    surveyed: bool

    @cached_property
    def tint(self) -> Tint:
        return tint_of(self.whole)

    def number(self, roi: Roi | None) -> int | None:
        """Which of two panels a region is; None where there is one."""
        return self.areas.index(roi) if roi in self.areas and len(self.areas) > 1 else None


def frames_of(
    medium: Medium, request: Request, modality: ModalityPlan, setting: Setting, outcome: Outcome
) -> Iterator[Frame]:
    """The frame that was asked for, the only one, or those chosen of a loop."""
    if request.frame is not None:
        if medium.count is not None and request.frame >= medium.count:
            single = "but a PNG or JPEG holds one picture"
            several = f"but the file holds {medium.count} (from 0)"
            raise UnreadableImageError(
                f"frame {request.frame} asked for, {single if medium.header is None else several}"
            )
        found = list(medium.frames([request.frame]))
        if not found:
            raise UnreadableImageError(f"frame {request.frame} asked for, but the file ends before it")
        yield from found
    elif medium.count == 1:
        yield from medium.frames()
    else:
        frames = medium.frames()
        first = next(frames)
        part = tissue_part(medium, first[2], request)
        chosen = choose(chain([first], frames), medium.count, setting.plan.cine, part)
        if not chosen.frames:
            raise UnreadableImageError(
                f"none of its {chosen.seen} frames can be used: {chosen.moving} moving, {chosen.probe_off} with the "
                f"probe off the skin, {chosen.near_identical} near-identical"
            )
        outcome.facts |= {
            "frames": chosen.seen,
            "chosen": len(chosen.frames),
            "moving": chosen.moving,
            "probe_off": chosen.probe_off,
            "near_identical": chosen.near_identical,
        }
        yield from ((each.index, each.seconds, each.pixels) for each in chosen.frames)


def tissue_part(medium: Medium, frame: NDArray[np.uint8], request: Request) -> tuple[slice, slice]:
    """The part of a loop's frames in which it moves."""
    if request.roi is not None:
        check_region(request.roi, frame.shape[1], frame.shape[0])
    marked = [Roi(r.x, r.y, r.width, r.height) for r in medium.regions(0) if r.kind in TISSUE]
    areas = [request.roi] if request.roi else marked or list(find_tissue(frame))
    if not areas:
        return slice(None), slice(None)
    rows = slice(min(a.y for a in areas), max(a.y + a.height for a in areas))
    return rows, slice(min(a.x for a in areas), max(a.x + a.width for a in areas))


def shown_of(medium: Medium, index: int, frame: NDArray[np.uint8], request: Request, setting: Setting) -> Shown:
    """A frame with everything blanked that may hold a name."""
    surveyed = request.row == 0
    regions = [region for region in medium.regions(index) if region.kind in ALLOWED]
    tissue = [Roi(r.x, r.y, r.width, r.height) for r in regions if r.kind == "tissue"]
    tissue = tissue or [Roi(r.x, r.y, r.width, r.height) for r in regions if r.kind in TISSUE]
    if tissue:
        keep = [Roi(r.x, r.y, r.width, r.height) for r in regions]
        return Shown(frame, blanked(frame, keep), tuple(distinct(tissue)), medium.lossy, surveyed)
    masks = masks_for(medium.header, frame, setting.plan)
    if masks:
        return Shown(frame, blanked(frame, masks), tuple(masks), medium.lossy, surveyed)
    told = medium.header is not None and medium.header.burned_in is False
    vouched = medium.header is None and not surveyed
    if not (told or vouched or setting.accept_unmasked):
        raise UnreadableImageError(
            "marks no regions and may have a name burned into its pixels: kept out; look at it, then give a [[mask]] "
            "of the plan or --accept-unmasked"
        )
    return Shown(frame, frame, (), medium.lossy, surveyed)


def distinct(areas: list[Roi]) -> list[Roi]:
    """Areas left to right, without repeats and without those inside another."""

    def inside(one: Roi, other: Roi) -> bool:
        return (
            one != other
            and one.x >= other.x
            and one.y >= other.y
            and one.x + one.width <= other.x + other.width
            and one.y + one.height <= other.y + other.height
        )

    different = list(dict.fromkeys(areas))
    return sorted((a for a in different if not any(inside(a, b) for b in different)), key=lambda roi: (roi.x, roi.y))


def blanked(frame: NDArray[np.uint8], keep: list[Roi]) -> NDArray[np.uint8]:
    result = np.zeros_like(frame)
    for roi in keep:
        part = np.s_[roi.y : roi.y + roi.height, roi.x : roi.x + roi.width]
        result[part] = frame[part]
    return result


def masks_for(header: Header | None, frame: NDArray[np.uint8], plan: Plan) -> list[Roi]:
    """What the plan says to keep of this device's screens of this size."""
    height, width = frame.shape[:2]
    for mask in plan.mask:
        if mask.device is not None and not re.search(mask.device, header.device if header else "", re.IGNORECASE):
            continue
        if mask.width not in (None, width) or mask.height not in (None, height):
            continue
        found = [Roi(*rectangle) for rectangle in mask.keep]
        if any(roi.x + roi.width > width or roi.y + roi.height > height for roi in found):
            raise UnreadableImageError(f"a [[mask]] of the plan leaves its {width}×{height} picture")
        return found
    return []


def places_of(shown: Shown, request: Request, modality: ModalityPlan) -> list[tuple[Roi | None, Box | None]]:
    """Which parts of a frame become pictures: the box of an elastogram, the tissue of another picture."""
    if request.roi is not None:
        return [(request.roi, None)]
    if modality.kind == "elastogram":
        clicked = modality.fit == "click" and (request.click is not None or not shown.surveyed)
        if modality.region == "given" or (clicked and modality.region != "find"):
            return [(None, None)]
        box = find_box(shown.whole, shown.areas, shown.lossy, shown.tint) if shown.whole.ndim == 3 else None
        if box is not None:
            return [(box.roi, box)]
        if modality.region == "find" or shown.surveyed:
            raise UnreadableImageError("shows no colour box; give its region in images.csv if it has one")
        return [(None, None)]
    looked_for = modality.region == "find" or (modality.region == "auto" and shown.surveyed)
    if modality.region != "given" and shown.areas:
        return [(area, None) for area in shown.areas]
    if not looked_for:
        return [(None, None)]
    areas = find_tissue(shown.masked)
    if not areas:
        raise UnreadableImageError("shows no tissue; give its region in images.csv if it has some")
    return [(area, None) for area in areas]


def stiffness_of(
    shown: Shown, roi: Roi | None, request: Request, modality: ModalityPlan, setting: Setting, outcome: Outcome
) -> Stiffness | None:
    """The stiffness that a map's colours say, where the plan says what its bar means."""
    if modality.kind != "elastogram" or roi is None or shown.whole.ndim != 3:
        return None
    device = str(outcome.facts.get("device") or "")
    for meant in setting.plan.stiffness:
        if meant.device is not None and not re.search(meant.device, device, re.IGNORECASE):
            continue
        try:
            bar = bar_at(shown.whole, Roi(*meant.bar)) if meant.bar else find_bar(shown.whole, roi)
            if bar is None:
                raise MisfitError("no colour bar was found beside the box")
            scale = Scale(meant.scale, meant.unit, meant.opacity)
            return read_stiffness(shown.whole, roi, bar, scale, shown.lossy, shown.tint)
        except (MisfitError, ValueError) as error:
            outcome.refused.append(Refusal(f"no stiffness could be read: {error}", request, value=True))
            return None
    return None


def record_of(
    medium: Medium, request: Request, picture: Picture, index: int, crop: int | None, setting: Setting
) -> dict[str, Any]:
    """The images-table row of a picture, but for its id and its place."""
    header = medium.header
    box = dict(zip(BOX, picture.box or (None,) * 4, strict=True))
    spacings = [region.spacing_mm for region in medium.regions(index) if region.spacing_mm] if header else []
    loop = medium.count != 1
    return {
        "patient_id": setting.privacy.patient(request.patient_id),
        "modality": request.modality,
        "source": setting.privacy.source(request.file),
        "frame": index if loop else request.frame,
        "crop": crop,
        "source_format": picture.source_format,
        "source_width": picture.width,
        "source_height": picture.height,
        "sha256": hash_pixels(picture.pixels),
        "spacing_mm": spacings[0] if spacings else (header.spacing_mm if header else None),
        "device": (header.device or None) if header else request.device,
        "day": setting.privacy.day(header.date) if header and header.date else None,
        "line": request.row,
        "instance": setting.privacy.source(header.instance) if header and header.instance else None,
        **box,
        "quality": picture.quality.verdict(setting.plan.quality),
    }


def add_stiffness(record: dict[str, Any], request: Request, stiffness: Stiffness | None) -> None:
    """A value of the CSV goes before one of the colours; a report's, known later, before both."""
    if stiffness is not None:
        record |= {
            "kpa": stiffness.median,
            "kpa_from": "colour",
            "kpa_mean": stiffness.mean,
            "kpa_sd": stiffness.sd,
            "kpa_iqr": stiffness.iqr,
            "kpa_filled": stiffness.filled,
            "kpa_residual": stiffness.residual,
        }
    if request.kpa is not None:
        record |= {"kpa": request.kpa, "kpa_from": "csv"}
