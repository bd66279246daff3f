"""One file → its pictures, ready to be stored, or why not: what a worker does, without knowing of any other file.

Order: open, take the rows of I.csv or the rule that fits, choose frames of a loop, blank what lies outside the
scanner's regions, find the box or the tissue, read the stiffness, cut, measure. Whatever a worker hands back may be
written: ids and names in it are hashed already where they must be.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fibrostage.cohort.store import hash_pixels
from fibrostage.cohort.tables import BOX
from fibrostage.dicom.header import Header, Region, Report
from fibrostage.ground.errors import FibrostageError, UnreadableImageError
from fibrostage.ground.geometry import Rectangle, shared
from fibrostage.ground.quantities import KPA
from fibrostage.intake.find.box_finder import FoundBox, find_box
from fibrostage.intake.find.colour_bar import bar_at, find_bar
from fibrostage.intake.find.fingerprint import fingerprint
from fibrostage.intake.find.stiffness import MisfitError, Scale, Stiffness, read_stiffness
from fibrostage.intake.find.tissue import find_tissue
from fibrostage.intake.privacy import Privacy
from fibrostage.intake.read.blanking import ShownScreen, shown_of, stored_part, tissue_part
from fibrostage.intake.read.loop_frames import choose
from fibrostage.intake.read.media import Frame, Medium, open_medium
from fibrostage.intake.read.raster import Picture, pictures_of
from fibrostage.intake.read.tables import Request
from fibrostage.intake.read.thumbnail import thumb_of
from fibrostage.plan.intake import ModalityPlan, RulePlan
from fibrostage.plan.run_plan import Plan


@dataclass(frozen=True)
class ReadingJob:
    """A file to read: the rows of I.csv that name it, or None where the plan's rules say what it is."""

    path: Path
    name: str
    requests: tuple[Request, ...] | None


@dataclass(frozen=True)
class ReadingRules:
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
    """One picture: its row of the images table (but for its id), its pixels [S, S, C], and what twins are known by,
    `print` [24, 24]."""

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
    """What a file gave. `measured` are (patient, instance, kPa, report), `words` hashes of identifying words."""

    taken: list[Taken] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    measured: list[tuple[str, str, float, str]] = field(default_factory=list)
    words: frozenset[str] = frozenset()
    facts: dict[str, Any] = field(default_factory=dict)


def read_file(job: ReadingJob, setting: ReadingRules) -> Outcome:
    """Reads everything of one file. It never raises for what a file holds, only `FibrostageError` where something is
    missing here."""
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


def read_into(outcome: Outcome, job: ReadingJob, setting: ReadingRules) -> None:
    """Adds to `outcome` what a file gives: readings of a report, or the pictures of every request; refusals are noted
    there."""
    try:
        medium = open_medium(job.path, setting.plan.dicom.modalities)
        if isinstance(medium, Report):
            patient, report = setting.privacy.patient(medium.patient), setting.privacy.source(medium.instance)
            outcome.measured = [
                (patient, setting.privacy.source(each.instance), each.kpa, report)
                for each in medium.measured
                if KPA.refusal(each.kpa) is None
            ]
            odd = len(medium.measured) - len(outcome.measured)
            if odd:
                outcome.refused.append(Refusal(f"{odd} stiffnesses in it cannot be believed", value=True))
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
    """Returns what a dry run shows of a file on the user's own terminal."""
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


def ruled(job: ReadingJob, medium: Medium, setting: ReadingRules) -> Request:
    """Returns the request that the first fitting rule of the plan makes of a file. Raises `UnreadableImageError` where
    the file does not say whose it is, or no rule fits."""
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


def says(rule: RulePlan, job: ReadingJob, medium: Medium, header: Header) -> bool:
    """Says whether what a file tells of itself fits a rule; its `colour` is looked at elsewhere."""
    texts = (rule.series, header.series), (rule.view, header.view), (rule.device, header.device), (rule.file, job.name)
    if any(pattern is not None and not re.search(pattern, text, re.IGNORECASE) for pattern, text in texts):
        return False
    kinds = {region.kind for region in medium.regions(0)}
    if not set(rule.regions) <= kinds:
        return False
    return rule.frames is None or (rule.frames == "many") == (header.frames > 1)


def read_request(medium: Medium, request: Request, setting: ReadingRules, outcome: Outcome) -> None:
    """Adds the pictures of one row or rule. A frame or a panel without one is only noted where others have some. Raises
    the first `UnreadableImageError` where none has."""
    before, failed = len(outcome.taken), []
    for index, _, frame in frames_of(medium, request, setting, outcome):
        try:
            shown = shown_of(
                medium, index, frame, request, setting.plan, setting.accept_unmasked, setting.privacy.hides
            )
            places = places_of(shown, request, setting.modalities[request.modality])
        except UnreadableImageError as error:
            failed.append((index, error))
            continue
        for roi, box in places:
            try:
                read_place(medium, request, setting, outcome, (index, shown, roi, box))
            except UnreadableImageError as error:
                failed.append((index, error))
    if failed and len(outcome.taken) == before:
        raise failed[0][1]
    outcome.refused += [Refusal(f"frame {index} is left out: {error}", request, value=True) for index, error in failed]


def read_place(
    medium: Medium,
    request: Request,
    setting: ReadingRules,
    outcome: Outcome,
    place: tuple[int, ShownScreen, Rectangle | None, FoundBox | None],
) -> None:
    """Adds the picture, or the crops, of one part of a frame. Raises `UnreadableImageError` as `pictures_of` does."""
    index, shown, roi, box = place
    modality = setting.modalities[request.modality]
    pictures = pictures_of(Image.fromarray(shown.masked), medium.format, modality, roi, request.click)
    stored = stored_part(modality, roi, request.click, shown.masked)
    stiffness = stiffness_of(shown, roi, request, setting, outcome)
    for crop, picture in enumerate(pictures):
        number = crop if modality.fit == "click" else shown.number(roi)
        record = record_of(medium, request, picture, index, roi, setting)
        record |= {"crop": number, "box_confidence": None if box is None else box.confidence}
        add_stiffness(record, request, stiffness)
        thumb = thumb_of(shown.masked, roi, stored) if setting.sheet and not crop else b""
        outcome.taken.append(Taken(record, picture.pixels, fingerprint(picture.pixels), thumb))


def frames_of(medium: Medium, request: Request, setting: ReadingRules, outcome: Outcome) -> Iterator[Frame]:
    """Yields (index, seconds or None, pixels [H, W] or [H, W, 3]) of the frame that was asked for, the only one, or
    those chosen of a loop. Raises `UnreadableImageError` where the file has no such frame, or no frame of its loop can
    be used."""
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


def places_of(
    shown: ShownScreen, request: Request, modality: ModalityPlan
) -> list[tuple[Rectangle | None, FoundBox | None]]:
    """Returns which parts of a frame become pictures: the box of an elastogram, the tissue of another picture; None is
    the whole frame. Raises `UnreadableImageError` where a box or tissue has to be found and is not."""
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
    shown: ShownScreen, roi: Rectangle | None, request: Request, setting: ReadingRules, outcome: Outcome
) -> Stiffness | None:
    """Returns the stiffness that a map's colours say, where the plan says what its bar means; else None. It never
    raises for a map that cannot be read: the reason goes to `outcome.refused`."""
    if setting.modalities[request.modality].kind != "elastogram" or roi is None or shown.whole.ndim != 3:
        return None
    device = str(outcome.facts.get("device") or request.device or "")
    for meant in setting.plan.stiffness:
        if meant.device is not None and not re.search(meant.device, device, re.IGNORECASE):
            continue
        try:
            bar = bar_at(shown.whole, Rectangle(*meant.bar)) if meant.bar else find_bar(shown.whole, roi)
            if bar is None:
                raise MisfitError("no colour bar was found beside the box")
            scale = Scale(meant.scale, meant.unit, meant.opacity)
            found = read_stiffness(shown.whole, roi, bar, scale, shown.lossy, shown.tint)
            if refusal := KPA.refusal(found.median):
                raise MisfitError(refusal)
            return found
        except (MisfitError, ValueError) as error:
            outcome.refused.append(Refusal(f"no stiffness could be read: {error}", request, value=True))
            return None
    return None


def record_of(
    medium: Medium, request: Request, picture: Picture, index: int, roi: Rectangle | None, setting: ReadingRules
) -> dict[str, Any]:
    """Returns the images-table row of a picture, but for its id and its place."""
    header = medium.header
    box = dict(zip(BOX, picture.box or (None,) * 4, strict=True))
    loop = medium.count != 1
    return {
        "patient_id": setting.privacy.patient(request.patient_id),
        "modality": request.modality,
        "source": setting.privacy.source(request.file),
        "frame": index if loop else request.frame,
        "source_format": picture.source_format,
        "source_width": picture.width,
        "source_height": picture.height,
        "sha256": hash_pixels(picture.pixels),
        "spacing_mm": spacing_at(medium.regions(index), roi) or (header.spacing_mm if header else None),
        "device": (header.device or None) if header else request.device,
        "day": setting.privacy.day(header.date) if header and header.date else None,
        "line": request.row,
        "instance": setting.privacy.source(header.instance) if header and header.instance else None,
        **box,
        "quality": picture.quality.verdict(setting.plan.quality),
    }


def spacing_at(regions: Sequence[Region], roi: Rectangle | None) -> float | None:
    """Returns the spacing in mm a pixel of the region that a picture was cut from; of a whole screen, the first that is
    said."""
    told = [region for region in regions if region.spacing_mm]
    if roi is not None:
        told.sort(key=lambda r: -shared(roi, r.roi))
    return told[0].spacing_mm if told else None


def add_stiffness(record: dict[str, Any], request: Request, stiffness: Stiffness | None) -> None:
    """Adds a picture's stiffness in kPa to its record: a value of the CSV goes before one of the colours; a report's,
    known later, goes before both."""
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
