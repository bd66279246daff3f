"""One row or rule → its pictures: choose frames of a loop, blank what lies outside the scanner's regions, find the box
or the tissue, read the stiffness, cut, measure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fibrostage.cohort.store import hash_pixels
from fibrostage.cohort.tables import BOX, CROP
from fibrostage.dicom.regions import Region
from fibrostage.ground.errors import UnreadableImageError
from fibrostage.ground.geometry import Rectangle, shared
from fibrostage.ground.quantities import KPA
from fibrostage.intake.find.bar_numbers import SURE, read_scale
from fibrostage.intake.find.box_finder import PALE, FoundBox, find_box
from fibrostage.intake.find.colour_bar import Bar, bar_at, find_bar, written
from fibrostage.intake.find.fingerprint import fingerprint
from fibrostage.intake.find.stiffness import NO_COLOUR, MisfitError, Scale, Stiffness, read_stiffness
from fibrostage.intake.find.tissue import find_tissue
from fibrostage.intake.read.blanking import (
    ShownScreen,
    refuse_lettering,
    shown_of,
    stored_part,
    tissue_part,
    without_lettering,
)
from fibrostage.intake.read.loop_frames import choose, grain, thumbnail, tissue
from fibrostage.intake.read.media import Frame, Medium
from fibrostage.intake.read.outcome import Outcome, ReadingRules, Refusal, Taken
from fibrostage.intake.read.raster import Picture, pictures_of
from fibrostage.intake.read.tables import Request
from fibrostage.intake.read.thumbnail import mosaic_of, thumb_of
from fibrostage.plan.intake import ModalityPlan, StiffnessPlan

BAR_ALONE = (
    "a colour bar stands beside it and no box was found: a map without colour and frame is not seen; if it has one, "
    "give its region in images.csv"
)
GRAINY = 0.5  # of what is lit in a still of tissue that fills little of its screen


@dataclass(frozen=True)
class ReadMap:
    """The stiffness of a colour map, the bar it was read by, and what the plan says the bar means."""

    stiffness: Stiffness
    bar: Bar
    meant: StiffnessPlan


@dataclass(frozen=True)
class PicturePlace:
    """A part of a frame that becomes pictures: which frame, its screen, the region or None for the whole, the found box
    if it is one, and which of two panels it is, None where there is one."""

    frame: int
    shown: ShownScreen
    roi: Rectangle | None
    box: FoundBox | None
    panel: int | None


def read_request(medium: Medium, request: Request, setting: ReadingRules, outcome: Outcome) -> None:
    """Adds the pictures of one row or rule. A frame or a panel without one is only noted where others have some; where
    none has, the first reason is why all is refused. Raises `UnreadableImageError` where no frame can be had."""
    before, failed = len(outcome.taken), []
    for index, _, frame in frames_of(medium, request, setting, outcome):
        try:
            refuse_air(medium, frame, request, setting)
            shown = shown_of(
                medium, index, frame, request, setting.plan, setting.accept_unmasked, setting.privacy.hides
            )
            places = places_of(shown, request, setting.modalities[request.modality])
        except UnreadableImageError as error:
            failed.append((index, error, frame))
            continue
        for roi, box in places:
            try:
                read_place(medium, request, setting, outcome, PicturePlace(index, shown, roi, box, shown.number(roi)))
            except UnreadableImageError as error:
                failed.append((index, error, frame))
    if failed and len(outcome.taken) == before:
        _, reason, screen = failed[0]
        outcome.refused.append(Refusal(str(reason), request, thumb=mosaic_of(screen)))
        return
    outcome.refused += [Refusal(f"frame {at} is left out: {why}", request, value=True) for at, why, _ in failed]


def refuse_air(medium: Medium, frame: NDArray[np.uint8], request: Request, setting: ReadingRules) -> None:
    """Raises `UnreadableImageError` where a still `frame` [H, W] or [H, W, 3] that nobody listed shows less tissue than
    the plan wants of a loop's frames, and what it shows has no grain."""
    if medium.count != 1 or request.row or setting.modalities[request.modality].kind != "bmode":
        return
    small = thumbnail(frame[tissue_part(medium, frame, request)])
    shown = tissue(small)
    if shown < setting.plan.cine.lit and grain(small) < GRAINY:
        raise UnreadableImageError(
            f"the probe is off the skin: {shown:.2f} of the picture shows tissue, cine.lit = {setting.plan.cine.lit}"
        )


def read_place(
    medium: Medium,
    request: Request,
    setting: ReadingRules,
    outcome: Outcome,
    place: PicturePlace,
) -> None:
    """Adds the picture, or the crops, of one part of a frame. Raises `UnreadableImageError` as `pictures_of`,
    `refuse_lettering` and `without_lettering` do."""
    modality, shown, click = setting.modalities[request.modality], place.shown, request.click
    frame = place.frame if medium.count != 1 else request.frame
    drawn = setting.drawn_on(request, frame, place.panel)
    if drawn is not None:
        place, click = replace(place, roi=drawn, box=None), None
    roi, box = place.roi, place.box
    pictures = pictures_of(Image.fromarray(shown.masked), medium.format, modality, roi, click)
    stored = stored_part(modality, roi, click, shown.masked)
    if not setting.accept_unmasked and request.roi is None:  # a region of the user's own was looked at
        lettering = refuse_lettering(medium, shown, stored)
        if lettering is not None:
            outcome.note(lettering)
    kept = without_lettering(medium, shown, stored, setting.plan.privacy.lettering)
    if kept is not shown.masked:
        outcome.note("lettering in what is stored was blanked")
        pictures = pictures_of(Image.fromarray(kept), medium.format, modality, roi, click)
    if modality.kind == "bmode" and not request.row and shown.bar_alone:
        outcome.note(BAR_ALONE)
    read = map_of(shown, roi, box, request, setting, outcome)
    for crop, picture in enumerate(pictures):
        number = crop if modality.fit == "click" else place.panel
        record = record_of(medium, request, picture, place.frame, roi, setting)
        record |= {"crop": number, "box_confidence": None if box is None else box.confidence}
        add_stiffness(record, request, read)
        thumb = thumb_of(kept, roi, stored) if not crop else b""
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
                f"none of its {chosen.seen} frames can be used: {chosen.moving} moving (cine.still), "
                f"{chosen.probe_off} with the probe off the skin (cine.lit), {chosen.near_identical} near-identical"
            )
        outcome.facts |= {
            "frames": chosen.seen,
            "chosen": len(chosen.frames),
            "moving": chosen.moving,
            "probe_off": chosen.probe_off,
            "near_identical": chosen.near_identical,
        }
        if chosen.all_moving:
            outcome.note("no frame of it is still: the stillest was taken")
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


def map_of(
    shown: ShownScreen,
    roi: Rectangle | None,
    box: FoundBox | None,
    request: Request,
    setting: ReadingRules,
    outcome: Outcome,
) -> ReadMap | None:
    """Returns the stiffness that a map's colours say, where the plan says what its bar means; else None. It never
    raises for a map that cannot be read: the reason goes to `outcome.refused`."""
    if setting.modalities[request.modality].kind != "elastogram" or roi is None or shown.whole.ndim != 3:
        return None
    device = str(outcome.facts.get("device") or request.device or "")
    for meant in setting.plan.stiffness:
        if meant.device is not None and not re.search(meant.device, device, re.IGNORECASE):
            continue
        try:
            if box is not None and box.by == PALE:
                raise MisfitError(NO_COLOUR)
            bar = bar_at(shown.whole, Rectangle(*meant.bar)) if meant.bar else find_bar(shown.whole, roi)
            if bar is None:
                raise MisfitError("no colour bar was found beside the box")
            check_numbers(shown.whole, bar, meant)
            scale = Scale(meant.scale, meant.unit, meant.opacity)
            found = read_stiffness(shown.whole, roi, bar, scale, shown.lossy, shown.tint)
            if refusal := KPA.refusal(found.median):
                raise MisfitError(refusal)
            return ReadMap(found, bar, meant)
        except (MisfitError, ValueError) as error:
            outcome.refused.append(Refusal(f"no stiffness could be read: {error}", request, value=True))
            return None
    return None


def check_numbers(pixels: NDArray[np.uint8], bar: Bar, meant: StiffnessPlan) -> None:
    """Raises `MisfitError` where the numbers at a bar of RGB pixels [H, W, 3] surely say another scale than the plan
    does, unless the plan tells to ignore them."""
    said = None if meant.numbers == "ignore" else read_scale(pixels, bar.roi)
    if said is None or said.of_top < SURE:
        return
    other_unit = said.unit is not None and said.confidence >= SURE and said.unit != meant.unit
    if other_unit or abs(said.top - meant.scale) > 0.01 * meant.scale:
        unit = f" {said.unit}" if said.unit else ""
        raise MisfitError(
            f"its colour bar goes to {said.top:g}{unit} by the numbers beside it, and to {meant.scale:g} {meant.unit} "
            'by the plan\'s [[stiffness]]; mend that, or say numbers = "ignore" there'
        )


def record_of(
    medium: Medium, request: Request, picture: Picture, index: int, roi: Rectangle | None, setting: ReadingRules
) -> dict[str, Any]:
    """Returns the images-table row of a picture, but for its id and its place."""
    header = medium.header
    box = dict(zip(BOX, picture.box or (None,) * 4, strict=True))
    crop = picture.crop
    cut = dict(zip(CROP, (crop.x, crop.y, crop.width, crop.height), strict=True))
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
        **cut,
        "quality": picture.quality.verdict(setting.plan.quality),
    }


def spacing_at(regions: Sequence[Region], roi: Rectangle | None) -> float | None:
    """Returns the spacing in mm a pixel of the region that a picture was cut from; of a whole screen, the first that is
    said."""
    told = [region for region in regions if region.spacing_mm]
    if roi is not None:
        told.sort(key=lambda r: -shared(roi, r.roi))
    return told[0].spacing_mm if told else None


def add_stiffness(record: dict[str, Any], request: Request, read: ReadMap | None) -> None:
    """Adds a picture's stiffness in kPa, and the bar it was read by, to its record: a value of the CSV goes before one
    of the colours; a report's, known later, goes before both."""
    if read is not None:
        stiffness = read.stiffness
        record |= {
            "kpa": stiffness.median,
            "kpa_from": "colour",
            "kpa_mean": stiffness.mean,
            "kpa_sd": stiffness.sd,
            "kpa_iqr": stiffness.iqr,
            "kpa_filled": stiffness.filled,
            "kpa_residual": stiffness.residual,
            "bar_colours": written(read.bar),
            "bar_top": read.meant.scale,
            "bar_unit": read.meant.unit,
        }
    if request.kpa is not None:
        record |= {"kpa": request.kpa, "kpa_from": "csv"}
