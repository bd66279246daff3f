"""One run of a study in a process of its own, on whatever machine."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Protocol

from fibrostage.cohort.store import open_cohort
from fibrostage.ground.errors import FibrostageError
from fibrostage.ground.processes import end_with_parent
from fibrostage.ground.shards import THREADS
from fibrostage.results.run_folder import RunFolder
from fibrostage.study.grid_file import Run

Done = Callable[[Run, str | None], None]


class Engine(Protocol):
    """Runs all of `runs`, calling `done` with each and the reason why it failed, or None."""

    def __call__(self, runs: Sequence[Run], done: Done) -> None: ...


def execute(run: Run) -> str | None:
    """An unfinished folder of an earlier try is resumed. Returns why the run failed, or None."""
    from fibrostage.campaign.run import run_active
    from fibrostage.learn.train import train

    try:
        if run.supervised:
            shutil.rmtree(run.folder, ignore_errors=True)
            train(open_cohort(run.cohort), run.plan, run.folder)
            return None
        resume = RunFolder(run.folder).begun
        if run.folder.exists() and not resume:
            shutil.rmtree(run.folder)
        run_active(open_cohort(run.cohort), run.plan, run.folder, resume)
    except FibrostageError as error:
        return str(error)
    return None


def unforeseen(run: Run, error: BaseException) -> str:
    """Writes what nobody foresaw into a file beside the run's folder, for a report to us, and says where it is."""
    path = run.folder.with_name(f"{run.folder.name}.error.txt")
    said = str(error).strip().splitlines() or ["no word of why"]
    with suppress(OSError):  # a full disk: the sentence still comes
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    return f"stopped by a fault that was not foreseen ({said[-1]}); all that is known of it is in {path}"


_TOLD_TO_END = False


def one_thread() -> None:
    """What a worker process does first: it is one run at a time, as parallelism is over runs, and ends with its
    parent."""
    import torch

    end_with_parent()
    torch.set_num_threads(1)
    signal.signal(signal.SIGTERM, end_run)


def end_run(_signal: int, _frame: object) -> None:
    """Leaves the run by an exception, so that what is half-written is taken away, and begins no other."""
    global _TOLD_TO_END
    _TOLD_TO_END = True
    sys.exit(1)


def execute_in_worker(run: Run) -> str | None:
    """`execute`, unless the process was told to end: the pool would hand it the next run all the same."""
    if _TOLD_TO_END:
        os._exit(1)
    return execute(run)


@contextmanager
def single_threaded() -> Iterator[None]:
    """Child processes started in the block use one thread each in every numerical library."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
