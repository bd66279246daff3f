"""Intake beside bare decoding of the same files.

Bare decoding is what pydicom must do at least: open each file and decode every frame. Intake does that and everything
else: finds boxes, reads stiffness, blanks, cuts, measures, hashes, writes. Both run in fresh processes, in turn.
"""

from __future__ import annotations

import os
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fibrostage import SIMULATED
from fibrostage.bench.timing import in_own_process, machine, peak_memory
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.intake.build.take_in import Choices, Sources, take_in
from fibrostage.intake.find.box_finder import find_box
from fibrostage.phantom.recipe import Recipe
from fibrostage.phantom.write import write_phantom
from fibrostage.plan.run_plan import Plan


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
    return {"seconds": seconds, "pictures": len(cohort.images), "peak_mb": peak_memory()}
