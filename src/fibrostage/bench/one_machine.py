"""What stays with the machine that asks, however many nodes there are: its memory a picture, and the search for twins.

Memory is of intakes of many small pictures, each in a fresh process; the search is of random fingerprints, which are no
twins, on one core.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fibrostage import SIMULATED
from fibrostage.bench.timing import in_own_process, machine, peak_memory, side_by_side
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.intake.build.choices import Choices
from fibrostage.intake.build.find_files import Sources
from fibrostage.intake.build.near_duplicates import DISTANCE, candidates
from fibrostage.intake.build.take_in import take_in
from fibrostage.intake.find.fingerprint import SIDE as PRINT
from fibrostage.plan.run_plan import Plan

SIDE = 32  # of a picture
PER_PATIENT = 20  # pictures
SEARCH = "search for twins"


def bench_one_machine(
    pictures: Sequence[int], prints: Sequence[int], rounds: int = 2, seed: int = 0, progress: Progress = SILENT
) -> dict[str, Any]:
    """Intakes of so many `pictures` each, and searches for twins among so many `prints` each, timed in `rounds`."""
    content: dict[str, Any] = {SIMULATED: True, "machine": machine(), "rounds": rounds, "memory": [], "twins": []}
    with progress.task("sizes", len(pictures) + len(prints)) as advance, tempfile.TemporaryDirectory() as name:
        for count in pictures:
            peak = in_own_process(memory_of_intake, count, Path(name) / str(count), seed)
            content["memory"].append({"pictures": count, "peak_mb": peak})
            advance(1)
        for count in prints:
            content["twins"].append(in_own_process(twins_timed, count, rounds, seed))
            advance(1)
    content["kb_a_picture"] = slope(content["memory"])
    return content


def slope(memory: Sequence[dict[str, float]]) -> float | None:
    """By how many KB memory grows with each picture, from the fewest pictures to the most; None of one size."""
    ordered = sorted(memory, key=lambda row: row["pictures"])
    if len(ordered) < 2 or ordered[0]["pictures"] == ordered[-1]["pictures"]:
        return None
    more = ordered[-1]["peak_mb"] - ordered[0]["peak_mb"]
    return 1024 * more / (ordered[-1]["pictures"] - ordered[0]["pictures"])


def memory_of_intake(count: int, folder: Path, seed: int) -> float:
    """The most memory [MB] that this process held while it took in so many pictures of noise."""
    rng = np.random.default_rng(seed)
    source = folder / "source"
    source.mkdir(parents=True)
    patients = [f"P{number}" for number in range(-(-count // PER_PATIENT))]
    write_table(source / "patients.csv", ("patient_id", "stage"), [(one, "F0") for one in patients])
    listed = [(f"{row}.png", patients[row // PER_PATIENT], "LUS") for row in range(count)]
    write_table(source / "images.csv", ("file", "patient_id", "modality"), listed)
    for file, _, _ in listed:
        Image.fromarray(rng.integers(0, 255, (SIDE, SIDE), dtype=np.uint8)).save(source / file)
    plan = Plan.parse({"modality": [{"name": "LUS", "kind": "bmode", "size": SIDE}]})
    sources = Sources(source, source / "patients.csv", source / "images.csv")
    take_in(sources, folder / "cohort", plan, choices=Choices(workers=1))
    return peak_memory()


def write_table(path: Path, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([head, *rows])


def twins_timed(count: int, rounds: int, seed: int) -> dict[str, Any]:
    """CPU seconds of looking for twins among so many pictures that have nothing in common."""
    prints = np.random.default_rng(seed).integers(-127, 128, (count, PRINT, PRINT), dtype=np.int8)
    times, found = side_by_side({SEARCH: lambda: sum(len(first) for first, _ in candidates(prints, DISTANCE))}, rounds)
    return {"prints": count, "pairs": found[SEARCH], "cpu_s": times[SEARCH].median_cpu}
