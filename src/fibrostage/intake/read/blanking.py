"""A frame as it was decoded and as it may be kept: everything that may hold a name is blanked.

What is kept is what the scanner marked (tissue, colour and their bars), or what a mask of the plan says; without either
a screen is kept out, unless its header or the user says that nothing is burned in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fibrostage.dicom.header import Header
from fibrostage.ground.errors import UnreadableImageError
from fibrostage.ground.geometry import Rectangle, around, clipped, lies_in, shared
from fibrostage.intake.find.box_finder import find_box
from fibrostage.intake.find.colour import Tint, tint_of
from fibrostage.intake.find.colour_bar import find_bar
from fibrostage.intake.find.lettering import find_lettering, hidden_by
from fibrostage.intake.find.tissue import find_tissue
from fibrostage.intake.read.media import Medium
from fibrostage.intake.read.raster import check_region, squares_of
from fibrostage.intake.read.tables import Request
from fibrostage.plan.intake import ModalityPlan
from fibrostage.plan.run_plan import Plan

ALLOWED = ("tissue", "colour", "colour bar", "grey bar")
TISSUE = ("tissue", "colour")
SPARED = 0.01  # share of a screen; a scanner that marks more than the rest as tissue has marked nothing
HEADING = 0.15  # of a screen's height, above which names and dates stand
PANEL = 0.4  # of the largest rectangle of a mask, that another must have to be a picture of its own


@dataclass(frozen=True)
class ShownScreen:
    """A frame as it was decoded, and blanked, both [H, W] or [H, W, 3]; `areas` are its pictures of tissue where
    scanner or mask says so."""

    whole: NDArray[np.uint8]
    masked: NDArray[np.uint8]
    areas: tuple[Rectangle, ...]
    lossy: bool
    surveyed: bool

    @cached_property
    def tint(self) -> Tint:
        return tint_of(self.whole)

    @cached_property
    def lettering(self) -> tuple[Rectangle, ...]:
        """Where lettering stands in what may be kept; looked for once, however many pictures are cut from it."""
        return tuple(find_lettering(self.masked))

    @cached_property
    def bar_alone(self) -> bool:
        """Whether a colour bar stands on it and no box is found: a map may have no colour and no frame. Looked for
        once, as lettering is."""
        if self.whole.ndim != 3 or find_bar(self.whole) is None:
            return False
        return find_box(self.whole, self.areas, self.lossy, self.tint) is None

    def number(self, roi: Rectangle | None) -> int | None:
        """Returns which of two panels a region is; None where there is one."""
        return self.areas.index(roi) if roi in self.areas and len(self.areas) > 1 else None


def tissue_part(medium: Medium, frame: NDArray[np.uint8], request: Request) -> tuple[slice, slice]:
    """Returns the part of a loop's frames in which it moves, as seen on one `frame` [H, W] or [H, W, 3]. Raises
    `UnreadableImageError` where the region that was asked for leaves the frame."""
    if request.roi is not None:
        check_region(request.roi, frame.shape[1], frame.shape[0])
    marked = [r.roi for r in medium.regions(0) if r.kind in TISSUE]
    areas = [request.roi] if request.roi else marked or list(find_tissue(frame))
    if not areas:
        return slice(None), slice(None)
    return around(areas).part


def shown_of(
    medium: Medium,
    index: int,
    frame: NDArray[np.uint8],
    request: Request,
    plan: Plan,
    accept_unmasked: bool,
    hides: bool,
) -> ShownScreen:
    """Returns a frame [H, W] or [H, W, 3] with everything blanked that may hold a name.

    Raises `UnreadableImageError` where scanner, plan and user all leave open whether a name is burned in, or where a
    mask or the region that was asked for leaves the frame.
    """
    surveyed = request.row == 0
    regions = [region for region in medium.regions(index) if region.kind in ALLOWED]
    tissue = [r.roi for r in regions if r.kind == "tissue"]
    tissue = tissue or [r.roi for r in regions if r.kind in TISSUE]
    told = medium.header is not None and medium.header.burned_in is False
    marked = tissue and (told or accept_unmasked or not covers(tissue, frame))
    if marked:
        keep = [r.roi for r in regions]
        return ShownScreen(frame, blanked(frame, keep), tuple(distinct(tissue)), medium.lossy, surveyed)
    masks = masks_for(medium.header, frame, plan)
    if masks:
        largest = max(roi.width * roi.height for roi in masks)
        panels = [roi for roi in distinct(masks) if roi.width * roi.height >= PANEL * largest]  # others keep a bar
        return ShownScreen(frame, blanked(frame, masks), tuple(panels), medium.lossy, surveyed)
    vouched = medium.header is None and not surveyed and not hides
    if told or vouched or accept_unmasked:
        return ShownScreen(frame, frame, (), medium.lossy, surveyed)
    if medium.header is None and request.roi is not None:  # what the user named is kept, and nothing else
        check_region(request.roi, frame.shape[1], frame.shape[0])
        return ShownScreen(frame, blanked(frame, [request.roi]), (request.roi,), medium.lossy, surveyed)
    marks = "its whole screen as tissue" if tissue else "no regions"
    if medium.notes:
        marks += f" ({'; '.join(medium.notes)})"
    raise UnreadableImageError(
        f"marks {marks} and may have a name burned into its pixels: kept out; look at it, then give a [[mask]] of the "
        "plan or --accept-unmasked"
    )


def refuse_lettering(medium: Medium, shown: ShownScreen, stored: Rectangle | None) -> str | None:
    """Returns in words where lettering stands that is no reason to keep a screen out; None where there is none.

    Raises `UnreadableImageError` where it stands in what would be stored, all of the screen where `stored` is None, and
    may be a name: anywhere where neither scanner nor plan says what is tissue, else where headings stand.
    """
    found = () if medium.of_nobody else shown.lettering
    inside = [roi for roi in found if stored is None or shared(roi, stored)]
    height = shown.masked.shape[0]
    for roi in inside:
        if shown.areas and roi.y >= HEADING * height:
            continue
        raise UnreadableImageError(
            f"has lettering in what would be stored ({roi.width}×{roi.height} pixels at ({roi.x}, {roi.y})), which may "
            "be a name: kept out; look at it, then give its region in images.csv, a [[mask]] of the plan or "
            "--accept-unmasked"
        )
    if not found:
        return None
    place = "in its tissue" if inside else "outside what is stored"
    return f"has lettering {place}: look at the contact sheet"


def without_lettering(medium: Medium, shown: ShownScreen, stored: Rectangle | None, rule: str) -> NDArray[np.uint8]:
    """Returns what may be kept of a screen [H, W] or [H, W, 3], by the plan's `rule` for lettering in what would be
    stored (all of the screen where `stored` is None): as it is where none is found or it is only noted, else a copy
    with it blanked. Raises `UnreadableImageError` where the rule is to refuse it."""
    found = () if medium.of_nobody or rule == "note" else shown.lettering
    inside = [roi for roi in found if stored is None or shared(roi, stored)]
    if not inside:
        return shown.masked
    if rule == "refuse":
        roi = inside[0]
        raise UnreadableImageError(
            f"has lettering in its tissue ({roi.width}×{roi.height} pixels at ({roi.x}, {roi.y})), which may be a "
            'name: kept out, as privacy.lettering = "refuse" of the plan asks'
        )
    result = shown.masked.copy()
    for roi in hidden_by(inside, result.shape[1], result.shape[0]):
        result[roi.part] = 0
    return result


def covers(areas: list[Rectangle], frame: NDArray[np.uint8]) -> bool:
    """Says whether areas leave next to nothing of a screen [H, W] or [H, W, 3] to be blanked."""
    left = np.ones(frame.shape[:2], dtype=bool)
    for roi in areas:
        left[roi.part] = False
    return float(left.mean()) < SPARED


def distinct(areas: list[Rectangle]) -> list[Rectangle]:
    """Areas left to right, without repeats and without those inside another."""
    different = list(dict.fromkeys(areas))
    return sorted((a for a in different if not any(lies_in(a, b) for b in different)), key=lambda roi: (roi.x, roi.y))


def blanked(frame: NDArray[np.uint8], keep: list[Rectangle]) -> NDArray[np.uint8]:
    """Returns a frame [H, W] or [H, W, 3] that is black but for the regions `keep`; its shape stays."""
    result = np.zeros_like(frame)
    for roi in keep:
        result[roi.part] = frame[roi.part]
    return result


def masks_for(header: Header | None, frame: NDArray[np.uint8], plan: Plan) -> list[Rectangle]:
    """Returns what the plan says to keep of this device's screens of the size of `frame` [H, W] or [H, W, 3]; nothing
    where no mask fits. Raises `UnreadableImageError` where the one that fits leaves the picture."""
    height, width = frame.shape[:2]
    for mask in plan.mask:
        if mask.device is not None and not re.search(mask.device, header.device if header else "", re.IGNORECASE):
            continue
        if mask.width not in (None, width) or mask.height not in (None, height):
            continue
        found = [Rectangle(*rectangle) for rectangle in mask.keep]
        if not all(roi.fits(width, height) for roi in found):
            raise UnreadableImageError(f"a [[mask]] of the plan leaves its {width}×{height} picture")
        return found
    return []


def stored_part(
    modality: ModalityPlan, roi: Rectangle | None, click: tuple[int, int] | None, pixels: NDArray[np.uint8]
) -> Rectangle | None:
    """Returns the part of a screen `pixels` [H, W] or [H, W, 3] that is stored; None where all of it is."""
    height, width = pixels.shape[:2]
    squares = [square for square in squares_of(modality, roi, click, width, height) if square is not None]
    if not squares:
        return roi
    return clipped(around(Rectangle(s.x, s.y, s.side, s.side) for s in squares), width, height)
