"""The box finder and the stiffness reader on simulated screens, beside the truth.

Five kinds of screen: whole boxes; boxes that leave the panel, as an enlarged picture's do; whole boxes that a crop of
the picture cut, without word of where tissue is; maps that are white or hardly coloured; and such maps without a frame,
which nothing tells of.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from fibrostage import SIMULATED
from fibrostage.ground.errors import PlanError, nearest
from fibrostage.ground.geometry import iou
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.intake.find.bar_numbers import SURE, read_scale
from fibrostage.intake.find.box_finder import PALE, find_box
from fibrostage.intake.find.colour_bar import find_bar
from fibrostage.intake.find.glyphs import FONTS, OWN, templates
from fibrostage.intake.find.stiffness import MisfitError, Scale, read_stiffness
from fibrostage.phantom.bmode import Scan, bmode
from fibrostage.phantom.layouts import LAYOUTS, Layout, Screen, draw_layout, render
from fibrostage.phantom.odd_boxes import cropped, leaving, pale
from fibrostage.stats.estimate import wilson

KINDS = ("whole", "leaving", "cropped", "pale", "bare")
QUALITY = 90  # of the JPEG that screens are saved as, unless another is asked for
ENOUGH = 0.95  # IoU
FAR = 0.2  # of a stiffness, by which a reading of it is wrong
UNSEEN = tuple(font for font in FONTS if font != OWN)  # without the one that simulated screens are written in


def bench_boxes(
    screens: int, drawn: bool, seed: int = 0, progress: Progress = SILENT, kind: str = "whole", quality: int = QUALITY
) -> dict[str, Any]:
    """Boxes and stiffness found on simulated screens of one of KINDS, of the named layouts or of randomly drawn ones.

    Of many screens a quarter has no box. Each is read lossless, and saved as JPEG of a `quality` from 1 to 100, with
    subsampled colour. Raises `PlanError` for another kind.
    """
    if kind not in KINDS:
        raise PlanError(f"kind {kind!r}{nearest(kind, KINDS)}; boxes are {', '.join(KINDS)}")
    rows: dict[str, list[dict[str, Any]]] = {"lossless": [], "jpeg": []}
    with progress.task("reading screens", screens) as advance:
        for number in range(screens):
            layout, screen = make_screen(number, drawn, seed, kind)
            rows["lossless"].append(judged(screen, layout, screen.pixels, kind, lossy=False))
            rows["jpeg"].append(judged(screen, layout, as_jpeg(screen.pixels, quality), kind, lossy=True))
            advance(1)
    return {
        SIMULATED: True,
        "kind": kind,
        "quality": quality,
        "layouts": "drawn at random" if drawn else ", ".join(LAYOUTS),
        "rows": [{"saved": name, **summed(found)} for name, found in rows.items()],
    }


def make_screen(number: int, drawn: bool, seed: int, kind: str = "whole") -> tuple[Layout, Screen]:
    """The simulated screen of a number and kind, with its layout; every fourth turn of the layouts has no box."""
    rng = np.random.default_rng([seed, number])
    layout = draw_layout(rng) if drawn else list(LAYOUTS.values())[number % len(LAYOUTS)]
    grey = bmode(Scan(remodelling=float(rng.normal()), steatosis=float(rng.normal())), rng)
    plain = number // len(LAYOUTS) % 4 == 3
    kpa = None if plain else float(np.exp(rng.normal(2.1, 0.5)))
    cv, fill = float(rng.uniform(0.06, 0.25)), float(rng.uniform(0.82, 1.0))
    odd = np.random.default_rng([seed, number, KINDS.index(kind)])
    turn = number // len(LAYOUTS) + number
    if kind == "leaving":
        layout = leaving(layout, turn, odd)
    elif kind in ("pale", "bare"):
        layout, middle, cv = pale(layout, turn, odd, bare=kind == "bare")
        kpa = None if plain else middle
    screen = render(layout, grey, kpa, cv, fill, "NAME 1", rng)
    return layout, cropped(screen, turn, odd) if kind == "cropped" else screen


def as_jpeg(pixels: np.ndarray[Any, np.dtype[np.uint8]], quality: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A picture [H, W, 3] as it comes back from a JPEG of this quality with subsampled colour."""
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "JPEG", quality=quality)
    return np.asarray(Image.open(written))


def judged(
    screen: Screen, layout: Layout, pixels: np.ndarray[Any, np.dtype[np.uint8]], kind: str, lossy: bool
) -> dict[str, Any]:
    """What was found on one screen [H, W, 3] against its truth: IoU of the box, and the stiffness's error in kPa.

    A screen without a box says only whether one was found. Stiffness is read with the opacity fitted and with it given;
    "refused" says that at least one reading was.
    """
    box = find_box(pixels, () if kind == "cropped" else screen.tissue, lossy)
    if screen.box is None:
        return {"plain": True, "found": box is not None}
    truth = screen.box
    row: dict[str, Any] = {"plain": False, "iou": 0.0 if box is None else iou(box.roi, truth)}
    bar = None if box is None else find_bar(pixels, box.roi)
    if box is None or bar is None or screen.kpa is None:
        return row
    for name, fonts in (("known", FONTS), ("unseen", UNSEEN)):
        scale = read_scale(pixels, bar.roi, templates(fonts))
        if scale is not None and scale.confidence >= SURE:
            row[name] = (scale.top, scale.unit) == (layout.scale, layout.unit)
        else:
            row[name] = None
    if box.by == PALE:
        return row | {"refused": True}
    for name, opacity in (("fitted", None), ("given", layout.opacity)):
        try:
            found = read_stiffness(pixels, box.roi, bar, Scale(layout.scale, layout.unit, opacity), lossy)
            row[name] = found.median - screen.kpa
            row[f"{name}_far"] = abs(found.median - screen.kpa) > FAR * screen.kpa
        except MisfitError:
            row["refused"] = True
    return row


def summed(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The share of boxes found at IoU 0.95 and 0.90, false boxes, and errors of stiffness in kPa.

    The half-width is that of the mean absolute error's 95% interval, "far" how many readings are off by more than FAR
    of the truth. Of bars, how many had their scale and unit read
    surely, and how many of these wrongly, with their font among the templates and without it.
    """
    boxes = [row["iou"] for row in rows if not row["plain"]]
    plain = [row["found"] for row in rows if row["plain"]]
    content: dict[str, Any] = {
        "n": len(boxes),
        "iou_95": wilson(sum(iou >= ENOUGH for iou in boxes), len(boxes)).as_dict(),
        "iou_90": wilson(sum(iou >= 0.9 for iou in boxes), len(boxes)).as_dict(),
        "plain": len(plain),
        "false_boxes": int(sum(plain)),
    }
    for name in ("known", "unseen"):
        read = [row[name] for row in rows if name in row]
        right = [each for each in read if each is not None]
        content[f"bars_{name}"] = {"n": len(read), "sure": len(right), "wrong": len(right) - sum(right)}
    for name in ("fitted", "given"):
        errors = np.array([row[name] for row in rows if name in row])
        spread = 1.96 * np.abs(errors).std(ddof=1) / np.sqrt(len(errors)) if len(errors) > 1 else float("nan")
        content[f"kpa_{name}"] = {
            "n": len(errors),
            "mean_absolute_error": float(np.abs(errors).mean()) if len(errors) else None,
            "half_width": float(spread) if np.isfinite(spread) else None,
            "far": int(sum(row.get(f"{name}_far", False) for row in rows)),
        }
    return content
