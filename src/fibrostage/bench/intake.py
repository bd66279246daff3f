"""Intake beside bare decoding of the same files, and the box finder and the stiffness reader beside the truth.

Bare decoding is what pydicom must do at least: open each file and decode every frame. Intake does that and everything
else: finds boxes, reads stiffness, blanks, cuts, measures, hashes, writes. Both run in fresh processes, in turn.
"""

from __future__ import annotations

import io
import os
import resource
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fibrostage import SIMULATED
from fibrostage.bench.timing import in_own_process, machine
from fibrostage.ground.geometry import iou
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.intake.build.take_in import Choices, Sources, take_in
from fibrostage.intake.find.bar_numbers import SURE, read_scale
from fibrostage.intake.find.box_finder import find_box
from fibrostage.intake.find.colour_bar import find_bar
from fibrostage.intake.find.glyphs import FONTS, OWN, templates
from fibrostage.intake.find.stiffness import MisfitError, Scale, read_stiffness
from fibrostage.phantom.bmode import Scan, bmode
from fibrostage.phantom.layouts import LAYOUTS, Layout, Screen, draw_layout, render
from fibrostage.phantom.recipe import Recipe
from fibrostage.phantom.write import write_phantom
from fibrostage.plan.run_plan import Plan
from fibrostage.stats.estimate import wilson

QUALITY = 90  # of the JPEG that screens are saved as
ENOUGH = 0.95  # IoU
UNSEEN = tuple(font for font in FONTS if font != OWN)  # without the one that simulated screens are written in


def bench_intake(
    patients: int, video: float, rounds: int, seed: int = 0, progress: Progress = SILENT
) -> dict[str, Any]:
    """Files a second of intake and of bare decoding, on one core and on all, and the memory of half and all of them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "source"
        write_phantom(source, Recipe(patients, seed, video=video, format="dicom"), progress)
        files = sorted(path for path in (source / "dicom").rglob("*") if path.is_file())
        ways: dict[str, list[float]] = {"bare": [], "ours": []}
        taken: dict[str, Any] = {}
        for number in range(rounds):
            ways["bare"].append(in_own_process(bare, files)["seconds"])
            taken = in_own_process(ours, source, source / "dicom", folder / f"one-{number}", 1)
            ways["ours"].append(taken["seconds"])
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        spread = in_own_process(ours, source, source / "dicom", folder / "all", cores)
        (folder / "some").mkdir()
        for part in sorted((source / "dicom").iterdir())[::2]:
            part.rename(folder / "some" / part.name)
        half = in_own_process(ours, source, folder / "some", folder / "half", 1)
    bare_s, ours_s = min(ways["bare"]), min(ways["ours"])
    return {
        SIMULATED: True,
        "machine": machine(),
        "files": len(files),
        "pictures": taken["pictures"],
        "bare_files_per_s": len(files) / bare_s,
        "ours_files_per_s": len(files) / ours_s,
        "ratio": bare_s / ours_s,
        "rounds": ways,
        "cores": cores,
        "scaling": ours_s / spread["seconds"],
        "peak_mb": {"half": half["peak_mb"], "all": taken["peak_mb"]},
    }


def bare(files: Sequence[Path]) -> dict[str, float]:
    """Opens every file and decodes every frame, as pydicom's documentation has it."""
    from pydicom import dcmread
    from pydicom.pixels.utils import iter_pixels

    warnings.simplefilter("ignore")
    began = time.perf_counter()
    for file in files:
        for _ in iter_pixels(dcmread(file)):
            pass
    return {"seconds": time.perf_counter() - began}


def ours(source: Path, folder: Path, out: Path, workers: int) -> dict[str, float]:
    """A whole intake of a folder; compiled kernels are loaded before the clock starts."""
    key = out.with_suffix(".key")
    find_box(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    plan = Plan.load(source / "plan.toml")
    choices = Choices(skip_bad=True, key=key, accept_unmasked=True, workers=workers)
    began = time.perf_counter()
    cohort = take_in(Sources(folder, source / "patients.csv"), out, plan, choices=choices)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "pictures": len(cohort.images), "peak_mb": peak}


def bench_boxes(screens: int, drawn: bool, seed: int = 0, progress: Progress = SILENT) -> dict[str, Any]:
    """Boxes and stiffness found on simulated screens, of the named layouts or of randomly drawn ones.

    Of many screens a quarter has no box. Each is read lossless, and saved as JPEG of quality 90 with subsampled colour.
    """
    rows: dict[str, list[dict[str, Any]]] = {"lossless": [], "jpeg": []}
    with progress.task("reading screens", screens) as advance:
        for number in range(screens):
            layout, screen = make_screen(number, drawn, seed)
            rows["lossless"].append(judged(screen, layout, screen.pixels, lossy=False))
            rows["jpeg"].append(judged(screen, layout, as_jpeg(screen.pixels), lossy=True))
            advance(1)
    return {
        SIMULATED: True,
        "layouts": "drawn at random" if drawn else ", ".join(LAYOUTS),
        "rows": [{"saved": name, **summed(found)} for name, found in rows.items()],
    }


def make_screen(number: int, drawn: bool, seed: int) -> tuple[Layout, Screen]:
    """The simulated screen of a number, with its layout; every fourth turn of the layouts has no box."""
    rng = np.random.default_rng([seed, number])
    layout = draw_layout(rng) if drawn else list(LAYOUTS.values())[number % len(LAYOUTS)]
    grey = bmode(Scan(remodelling=float(rng.normal()), steatosis=float(rng.normal())), rng)
    plain = number // len(LAYOUTS) % 4 == 3
    kpa = None if plain else float(np.exp(rng.normal(2.1, 0.5)))
    screen = render(layout, grey, kpa, float(rng.uniform(0.06, 0.25)), float(rng.uniform(0.82, 1.0)), "NAME 1", rng)
    return layout, screen


def as_jpeg(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A picture [H, W, 3] as it comes back from a JPEG of quality 90 with subsampled colour."""
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "JPEG", quality=QUALITY)
    return np.asarray(Image.open(written))


def judged(screen: Screen, layout: Layout, pixels: np.ndarray[Any, np.dtype[np.uint8]], lossy: bool) -> dict[str, Any]:
    """What was found on one screen [H, W, 3] against its truth: IoU of the box, and the stiffness's error in kPa.

    A screen without a box says only whether one was found. Stiffness is read with the opacity fitted and with it given;
    "refused" says that at least one reading was.
    """
    box = find_box(pixels, list(screen.tissue), lossy)
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
    for name, opacity in (("fitted", None), ("given", layout.opacity)):
        try:
            found = read_stiffness(pixels, box.roi, bar, Scale(layout.scale, layout.unit, opacity), lossy)
            row[name] = found.median - screen.kpa
        except MisfitError:
            row["refused"] = True
    return row


def summed(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The share of boxes found at IoU 0.95 and 0.90, false boxes, and errors of stiffness in kPa.

    The half-width is that of the mean absolute error's 95% interval. Of bars, how many had their scale and unit read
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
        }
    return content
