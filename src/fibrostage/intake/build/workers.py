"""Many files read at once: in this process, in threads, in processes, which no single file can stop, or on a cluster.

Decoding DICOM holds Python's lock, so processes; plain pictures do not, so threads. A worker that a file kills (a
fault in a decoder) or keeps busy for minutes is replaced, and the files that were under way are read again one by one,
so that only the culprit is refused.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace

from threadpoolctl import threadpool_limits

from fibrostage.ground.processes import can_start_workers, end_with_parent, processes_of
from fibrostage.ground.shards import RayShards, check_seen
from fibrostage.intake.read.outcome import Outcome, ReadingJob, ReadingRules, Refusal
from fibrostage.intake.read.read_file import read_file

FEW = 32  # files that are not worth starting processes for
PATIENCE = 300.0  # seconds that a file may take
SHARD = 32  # files that a node of a cluster is given at once
AHEAD = 16  # files a worker that wait, so that a long loop at the head of the queue leaves nobody idle

Reader = Callable[[ReadingJob, ReadingRules], Outcome]
_setting: ReadingRules | None = None
_reader: Reader = read_file


def begin(setting: ReadingRules, reader: Reader) -> None:
    """What a worker process does first: it is stopped by its parent, not by Ctrl-C, ends with it, and computes on one
    core, as there is a worker a core."""
    global _setting, _reader
    threadpool_limits(1)
    _reader = reader
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _setting = setting


def work(job: ReadingJob) -> Outcome:
    assert _setting is not None
    return _reader(job, _setting)


def read_all(
    jobs: list[ReadingJob],
    setting: ReadingRules,
    workers: int | None = None,
    processes: bool = False,
    reader: Reader = read_file,
    engine: RayShards | None = None,
) -> Iterator[tuple[ReadingJob, Outcome]]:
    """Each job with what it gave, in order; `reader` is a function of a module, which processes can find. With an
    `engine` its nodes read, each seeing the files under the same paths as this machine."""
    if engine is not None:
        there = [replace(job, path=job.path.absolute()) for job in jobs]
        yield from zip(jobs, engine(ShardReader(setting, reader), there, SHARD, lost, PATIENCE), strict=True)
        return
    count = workers or os.cpu_count() or 1
    count = 1 if processes and can_start_workers() is not None else count
    if processes and len(jobs) >= FEW and count > 1:
        yield from in_processes(jobs, setting, count, reader)
    elif processes or count == 1:
        for job in jobs:
            yield job, reader(job, setting)
    else:
        with ThreadPoolExecutor(count) as pool:
            yield from windowed(jobs, lambda job: pool.submit(reader, job, setting), count)


@dataclass(frozen=True)
class ShardReader:
    """Reads a shard of files; raises `RunError` on a node that does not see their folder."""

    setting: ReadingRules
    reader: Reader

    def __call__(self, jobs: Sequence[ReadingJob]) -> list[Outcome]:
        for job in jobs:
            check_seen(job.path.parent)
        return [self.reader(job, self.setting) for job in jobs]


def windowed(
    jobs: Iterable[ReadingJob],
    submit: Callable[[ReadingJob], Future[Outcome]],
    count: int,
    patience: float | None = None,
) -> Iterator[tuple[ReadingJob, Outcome]]:
    """Results in order, with few jobs under way, so that memory stays flat."""
    waiting: deque[tuple[ReadingJob, Future[Outcome]]] = deque()
    for job in jobs:
        waiting.append((job, submit(job)))
        if len(waiting) > AHEAD * count:
            first, future = waiting.popleft()
            yield first, future.result(patience)
    while waiting:
        first, future = waiting.popleft()
        yield first, future.result(patience)


def in_processes(
    jobs: list[ReadingJob], setting: ReadingRules, count: int, reader: Reader = read_file
) -> Iterator[tuple[ReadingJob, Outcome]]:
    done = 0
    while done < len(jobs):
        with pool_of(count, setting, reader) as pool:
            try:
                for job, outcome in windowed(jobs[done:], lambda job: pool.submit(work, job), count, PATIENCE):
                    done += 1
                    yield job, outcome
                return
            except (BrokenProcessPool, Late):
                stop(pool)
        under_way = jobs[done : done + AHEAD * count + 1]
        for job in under_way:
            yield job, alone(job, setting, reader)
        done += len(under_way)


def alone(job: ReadingJob, setting: ReadingRules, reader: Reader = read_file) -> Outcome:
    """A file read in a process of its own, which it may take down with it."""
    with pool_of(1, setting, reader) as pool:
        try:
            return pool.submit(work, job).result(PATIENCE)
        except BrokenProcessPool:
            late = None
        except Late:
            late = PATIENCE
        stop(pool)
    return lost(job, late)


def lost(job: ReadingJob, late: float | None) -> Outcome:
    """What a file gives that took its process down, or was read for `late` seconds without an end."""
    reason = "takes its decoder down; the file is damaged" if late is None else f"takes more than {late:.0f} s to read"
    return Outcome(refused=[Refusal(reason, request) for request in job.requests or (None,)])


@contextmanager
def pool_of(count: int, setting: ReadingRules, reader: Reader = read_file) -> Iterator[ProcessPoolExecutor]:
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, context, initializer=begin, initargs=(setting, reader))
    try:
        yield pool
    except BaseException:
        stop(pool)
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def stop(pool: ProcessPoolExecutor) -> None:
    """Ends the workers at once, whatever they are doing."""
    for process in processes_of(pool):
        process.kill()
