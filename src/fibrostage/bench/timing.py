"""Timing several ways of doing one thing fairly: in turn, round after round, so that a busy machine slows all alike."""

from __future__ import annotations

import gc
import math
import os
import platform
import statistics
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, TypeVar

import psutil

T = TypeVar("T")

LEAST = 0.05  # seconds a round


@dataclass(frozen=True)
class Timing:
    """Seconds a call of every round, by the wall and of this process's CPU."""

    wall: tuple[float, ...]
    cpu: tuple[float, ...]

    @property
    def median_wall(self) -> float:
        return statistics.median(self.wall)

    @property
    def median_cpu(self) -> float:
        return statistics.median(self.cpu)


def side_by_side(ways: Mapping[str, Callable[[], Any]], rounds: int) -> tuple[dict[str, Timing], dict[str, Any]]:
    """Each way in turn, round after round, after one untimed call; returns its times and what it answered.

    A way is called as often in a round as makes the round last `LEAST` seconds, so that small things are timed too.
    """
    answers, calls = {}, {}
    for name, way in ways.items():
        began = time.perf_counter()
        answers[name] = way()
        calls[name] = max(1, math.ceil(LEAST / (time.perf_counter() - began)))
    wall: dict[str, list[float]] = {name: [] for name in ways}
    cpu: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            gc.collect()
            began, began_cpu = time.perf_counter(), time.process_time()
            for _ in range(calls[name]):
                way()
            wall[name].append((time.perf_counter() - began) / calls[name])
            cpu[name].append((time.process_time() - began_cpu) / calls[name])
    return {name: Timing(tuple(wall[name]), tuple(cpu[name])) for name in ways}, answers


@dataclass(frozen=True)
class TimedCost:
    """Seconds by the wall and of CPU, and how far the process's memory rose above where it began [MB]."""

    wall: float
    cpu: float
    peak_mb: float

    def as_dict(self) -> dict[str, float]:
        return {"wall_s": self.wall, "cpu_s": self.cpu, "peak_mb": self.peak_mb}


def once(way: Callable[[], T], warm: Callable[[], object] | None = None) -> tuple[TimedCost, T]:
    """Runs something long once, after an untimed `warm`; memory is counted from before that."""
    gc.collect()
    process = psutil.Process()
    base = peak = process.memory_info().rss
    if warm is not None:
        warm()
        gc.collect()
        peak = max(peak, process.memory_info().rss)
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.02):
            peak = max(peak, process.memory_info().rss)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    began, began_cpu = time.perf_counter(), time.process_time()
    try:
        answer = way()
    finally:
        wall, cpu = time.perf_counter() - began, time.process_time() - began_cpu
        done.set()
        watcher.join()
    return TimedCost(wall, cpu, (max(peak, process.memory_info().rss) - base) / 2**20), answer


def in_own_process(work: Callable[..., T], *arguments: Any) -> T:
    """The answer of a function run in a fresh process: what others left in memory or caches is not there.

    It and its arguments must be importable and picklable.
    """
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def peak_memory() -> float:
    """The most memory [MB] that this process held since its program began: what `getrusage` says begins with what the
    process held that started it."""
    try:
        with open("/proc/self/status", encoding="utf-8") as file:
            return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return psutil.Process().memory_info().rss / 2**20


def machine() -> dict[str, Any]:
    """What a figure of speed belongs to."""
    return {
        "cpu": cpu_name(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown"
