"""Exams read in a process of their own, which a damaged or malicious file can stop or take down without harm to others.

The process knows nothing of the model, and what a library would say about headers on stderr is heard by nobody.
"""

from __future__ import annotations

import logging
import os
import signal
import tempfile
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from fibrostage.ground.errors import IntakeError
from fibrostage.ground.processes import can_start_workers, end_with_parent, processes_of
from fibrostage.learn.exam_files import Exams, TakenExams, take_exams
from fibrostage.plan.run_plan import Plan
from fibrostage.serve.limits import FullError, TooLongError

T = TypeVar("T")


def begin(folder: Path) -> None:
    """What a reading process does first: it is stopped by its parent alone, ends with it, is silent, and puts what is
    temporary into `folder`."""
    end_with_parent()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    tempfile.tempdir = str(folder)


def ready() -> None:
    """Answers at once: whoever waits for it knows that the process is there."""


def read(plan: Plan, exams: Exams, work: Path) -> TakenExams:
    """Exams taken in, in this process alone."""
    return take_exams(plan, exams, work, workers=1)


class ReadingProcess:
    """One process that reads exams one after another by a plan, putting what is temporary into `folder`; on a machine
    without worker processes threads, which cannot be stopped and are left to themselves."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan, self.folder = plan, folder
        self.by_process = can_start_workers() is None
        self._pool: ProcessPoolExecutor | None = None
        self._ended = False

    def begin(self) -> None:
        """Starts the process where it is not there, and waits until it is; raises `FullError` where it cannot be."""
        for _ in range(0 if self._ended else 2):  # an idle one may have been killed
            try:
                return self._submit(ready).result()
            except BrokenProcessPool:
                self.stop()
        raise FullError("no process that reads exams can be started; is there enough memory?")

    def read(self, exams: Exams, work: Path, seconds: float) -> TakenExams:
        """Takes exams in, in an empty folder `work`, as `take_exams` does and with what it raises.

        Raises `TooLongError` where that takes longer than `seconds`, `IntakeError` where a file takes its decoder down,
        `FullError` where there is no process; it is begun anew for the next.
        """
        self.begin()
        reading = self._submit(read, self.plan, exams, work)
        try:
            return reading.result(seconds)
        except BrokenProcessPool:
            self.stop()
            raise IntakeError("a file takes its decoder down; it is damaged") from None
        except TimeoutError:
            if reading.done():
                raise
            self.stop()
            raise TooLongError(f"reading took longer than {seconds:g} s; send less at once") from None

    def stop(self) -> None:
        """Ends the process at once, whatever it is doing."""
        pool, self._pool = self._pool, None
        if pool is not None:
            for process in processes_of(pool):
                process.kill()
            pool.shutdown(cancel_futures=True)

    def end(self) -> None:
        """Ends the process at once, for good."""
        self._ended = True
        self.stop()

    def _submit(self, work: Callable[..., T], *arguments: object) -> Future[T]:
        if not self.by_process:
            return in_a_thread(work, *arguments)
        if self._pool is None:
            self._pool = ProcessPoolExecutor(1, get_context("spawn"), initializer=begin, initargs=(self.folder,))
        return self._pool.submit(work, *arguments)


def in_a_thread(work: Callable[..., T], *arguments: object) -> Future[T]:
    """What `work` gives, from a thread that nothing waits for."""
    found: Future[T] = Future()

    def run() -> None:
        try:
            found.set_result(work(*arguments))
        except BaseException as error:
            found.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return found
