"""The Ray engine: the same runs on a cluster that is there already, or on one begun here (extra `[ray]`).

Every node must see the cohort and the study's folder under the same paths, as on any shared file system; a node that
does not says so in the run's failure.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from fibrostage.ground.cache import VARIABLE as CACHE
from fibrostage.ground.errors import RunError
from fibrostage.ground.shards import THREADS, check_seen, connected
from fibrostage.study.grid_file import Run
from fibrostage.study.run_one import Done, execute, unforeseen


@dataclass(frozen=True)
class RayEngine:
    """`address` of a running cluster ("auto" finds the one of this machine), or None to begin one here; each run
    takes one core and `gpus` of a GPU."""

    address: str | None = None
    gpus: float = 0.0

    def __call__(self, runs: Sequence[Run], done: Done) -> None:
        with connected(self.address, self.gpus) as ray:
            self.run_all(ray, runs, done)

    def run_all(self, ray: Any, runs: Sequence[Run], done: Done) -> None:
        """Runs everything on a cluster that is connected, calling `done` with each run and why it failed, or None."""
        task = ray.remote(num_cpus=1, num_gpus=self.gpus, max_retries=2)(execute_there)
        cache = {CACHE: os.environ[CACHE]} if CACHE in os.environ else {}
        variables = {"env_vars": dict.fromkeys(THREADS, "1") | cache}
        jobs = {
            task.options(runtime_env=variables).remote(
                replace(run, folder=run.folder.resolve(), cohort=run.cohort.resolve())
            ): run
            for run in runs
        }
        waiting = list(jobs)
        while waiting:
            ready, waiting = ray.wait(waiting, num_returns=1)
            for job in ready:
                try:
                    reason = ray.get(job)
                except ray.exceptions.RayError as error:
                    reason = unforeseen(jobs[job], error)
                done(jobs[job], reason)


def execute_there(run: Run) -> str | None:
    """One run in a Ray worker."""
    import torch

    torch.set_num_threads(1)
    try:
        for folder in (run.cohort, run.folder.parent):
            check_seen(folder)
    except RunError as error:
        return str(error)
    return execute(run)
