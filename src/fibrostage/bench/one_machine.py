"""What stays with the machine that asks, however many nodes there are: its memory a picture, and the search for twins.

Memory is of intakes of many small pictures, each in a fresh process; the search is of random fingerprints, which are no
twins, by the way that compares all pairs and by the index, on one core, in turn.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fibrostage import SIMULATED
from fibrostage.bench.timing import in_own_process, machine, peak_memory, side_by_side
from fibrostage.ground.errors import RunError
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.intake.build.choices import Choices
from fibrostage.intake.build.find_files import Sources
from fibrostage.intake.build.hash_index import indexed_pairs, plan_index
from fibrostage.intake.build.near_duplicates import DISTANCE, compared_pairs
from fibrostage.intake.build.take_in import take_in
from fibrostage.plan.run_plan import Plan

SIDE = 32  # of a picture
PER_PATIENT = 20  # pictures
BITS = 120  # of a perceptual hash


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


def random_words(count: int, seed: int) -> NDArray[np.uint64]:
    """Hashes [count, 2] of pictures that have nothing in common."""
    bits = np.zeros((count, 128), dtype=bool)
    bits[:, :BITS] = np.random.default_rng(seed).random((count, BITS)) < 0.5
    return np.packbits(bits, axis=1).view(np.uint64)


def twins_timed(count: int, rounds: int, seed: int) -> dict[str, Any]:
    """CPU seconds of both ways to find the pairs of so many hashes, and how many pairs both found."""
    words = random_words(count, seed)
    plan = plan_index(words, DISTANCE)
    parts = plan.parts or BITS // 20
    ways = {
        "all pairs": lambda: sum(len(first) for first, _ in compared_pairs(words, DISTANCE)),
        "index": lambda: sum(len(first) for first, _ in indexed_pairs(words, DISTANCE, parts)),
    }
    times, found = side_by_side(ways, rounds)
    if found["all pairs"] != found["index"]:
        raise RunError(f"the index finds {found['index']} pairs of {found['all pairs']}")
    seconds = {name: times[name].median_cpu for name in ways}
    return {"prints": count, "parts": parts, "pairs": found["index"], "chosen": plan.way, "cpu_s": seconds}
