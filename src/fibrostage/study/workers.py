"""The local engine: one process a core, or a GPU."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context

from fibrostage.ground.processes import can_start_workers, processes_of
from fibrostage.study.grid_file import Run
from fibrostage.study.run_one import Done, execute, execute_in_worker, one_thread, single_threaded, unforeseen


def run_locally(runs: Sequence[Run], done: Done) -> None:
    """A process that dies (out of memory, say) costs its own run: those it took along are run again, alone."""
    if can_start_workers() is not None:  # then one run after the other, here
        for run in runs:
            done(run, execute_here(run))
        return
    lost = in_processes(runs, done, workers_for(len(runs)))
    for run in lost:
        if in_processes([run], done, 1):
            done(run, "its process was ended from outside, twice (is there enough memory?)")


def execute_here(run: Run) -> str | None:
    """`execute` in this process, where what nobody foresaw costs its own run too."""
    try:
        return execute(run)
    except Exception as error:
        return unforeseen(run, error)


def in_processes(runs: Sequence[Run], done: Done, workers: int) -> list[Run]:
    """Runs what can be run; returns the runs that a dying process took along."""
    lost = []
    with single_threaded(), ProcessPoolExecutor(max(1, workers), get_context("spawn"), one_thread) as pool:
        with deaf_to_interrupts():
            jobs = {pool.submit(execute_in_worker, run): run for run in runs}
        try:
            for job in as_completed(jobs):
                error = job.exception()
                if isinstance(error, BrokenProcessPool):
                    lost.append(jobs[job])
                else:
                    done(jobs[job], unforeseen(jobs[job], error) if error else job.result())
        except BaseException:
            processes = processes_of(pool)
            pool.shutdown(wait=False, cancel_futures=True)
            for process in processes:
                process.terminate()
            raise
    return lost


@contextmanager
def deaf_to_interrupts() -> Iterator[None]:
    """Processes started in the block leave Ctrl-C to their parent, which ends them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def workers_for(runs: int) -> int:
    """One process a core, or a GPU, and never more than there are runs."""
    import torch

    return max(1, min(torch.cuda.device_count() or os.cpu_count() or 1, runs))
