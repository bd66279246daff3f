"""How long a hospital waits for an answer, and how much memory that takes: from files to a table of answers.

Every folder of exams is asked about by the command itself, in a process of its own (cold: imports, model and intake
included), whose memory is watched together with its readers'. Then one process asks twice and times the parts; the
second time is what a program that stays open waits (warm).
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from fibrostage.bench.timing import in_own_process, machine
from fibrostage.ground.errors import RunError
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.learn.exam_files import Exams

WATCHED = 0.05  # seconds between two looks at the memory


@dataclass(frozen=True)
class AnswerParts:
    """Seconds of the parts of an answer in a process that is open: reading the files, the networks and what is told,
    and all together; and how many patients and pictures were answered."""

    reading: float
    staging: float
    whole: float
    patients: int
    pictures: int


def bench_predict(
    run: Path, sources: Sequence[Path], accept_unmasked: bool = False, progress: Progress = SILENT
) -> dict[str, Any]:
    """The table that `fibrostage bench predict` shows, a row for each folder of exams.

    Raises `RunError` where the command fails, with what it said.
    """
    rows = []
    for source in sources:
        progress.say(f"{source}: cold")
        cold, cpu, peak = by_command(run, source, accept_unmasked)
        progress.say(f"{source}: warm")
        warm = in_own_process(twice, run, source, accept_unmasked)
        rows.append(
            {
                "exams": str(source),
                "patients": warm.patients,
                "pictures": warm.pictures,
                "cold_s": cold,
                "cold_cpu_s": cpu,
                "peak_mb": peak,
                "warm_s": warm.whole,
                "warm_s_per_patient": warm.whole / warm.patients,
                "reading_share": warm.reading / warm.whole,
                "network_share": warm.staging / warm.whole,
            }
        )
    return {"machine": machine(), "rows": rows}


def by_command(run: Path, source: Path, accept_unmasked: bool) -> tuple[float, float, float]:
    """Seconds by the wall and of CPU of `fibrostage predict` on a folder, and the most memory [MB] that it and its
    processes held at once; raises `RunError` where it fails."""
    with TemporaryDirectory(prefix="fibrostage-") as folder:
        words = [sys.executable, "-m", "fibrostage", "predict", str(run), str(source), "--out", f"{folder}/answers.csv"]
        words += ["--accept-unmasked"] * accept_unmasked
        with (Path(folder) / "said").open("w+", encoding="utf-8") as said:
            began = time.perf_counter()
            process = psutil.Popen(words, stdout=said, stderr=subprocess.STDOUT)
            peak, cpu = watched(process)
            wall = time.perf_counter() - began
            said.seek(0)
            if process.wait():
                raise RunError(f"predict {source} failed:\n{said.read()}")
    return wall, cpu, peak


def watched(process: psutil.Popen) -> tuple[float, float]:
    """The most memory [MB] that a process and its children hold at once until it ends, and the CPU-seconds [s] of
    all."""
    peak, spent = 0.0, {}
    while process.poll() is None:
        held = 0
        try:
            for one in (process, *process.children(recursive=True)):
                held += one.memory_info().rss
                times = one.cpu_times()
                spent[one.pid] = times.user + times.system
        except psutil.NoSuchProcess:
            pass  # it ended between two looks
        peak = max(peak, held / 2**20)
        time.sleep(WATCHED)
    return peak, sum(spent.values())


def twice(run: Path, source: Path, accept_unmasked: bool) -> AnswerParts:
    """The parts of the second of two answers in one process."""
    from fibrostage.learn.model import open_model
    from fibrostage.learn.predict_files import reading_plan, stage_taken, taken_exams

    model, plan = open_model(run), reading_plan(run)
    for _ in range(2):
        began = time.perf_counter()
        with taken_exams(plan, Exams((source,), accept_unmasked=accept_unmasked)) as taken:
            read = time.perf_counter()
            found = stage_taken(model, taken)
            ended = time.perf_counter()
    seen = sum(len(one.seen) for one in found.staged)
    return AnswerParts(read - began, ended - read, ended - began, len(found.staged), seen)
