"""The Ray engine: the same runs on a cluster that is there already, or on one begun here (extra `[ray]`).

Every node must see the cohort and the study's folder under the same paths, as on any shared file system; a node that
does not says so in the run's failure.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from fibrostage.ground.cache import VARIABLE as CACHE
from fibrostage.ground.errors import RunError
from fibrostage.study.grid_file import Run
from fibrostage.study.run_one import THREADS, Done, execute, unforeseen


@dataclass(frozen=True)
class RayEngine:
    """`address` of a running cluster ("auto" finds the one of this machine), or None to begin one here; each run
    takes one core and `gpus` of a GPU."""

    address: str | None = None
    gpus: float = 0.0

    def __call__(self, runs: Sequence[Run], done: Done) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ImportError:
            raise RunError("--engine ray needs Ray: install fibrostage with its extra [ray]") from None
        check_there(self.address)
        own = not ray.is_initialized()
        if own:
            try:
                ray.init(address=self.address, log_to_driver=False, logging_level="error")
            except (ConnectionError, ValueError, RuntimeError) as error:
                raise RunError(f"no Ray cluster at {self.address}: {str(error).splitlines()[0]}") from None
        try:
            self.run_all(ray, runs, done)
        finally:
            if own:
                ray.shutdown()

    def run_all(self, ray: Any, runs: Sequence[Run], done: Done) -> None:
        """Runs everything on a cluster that is connected, calling `done` with each run and why it failed, or None.

        Raises `RunError` where a run wants more GPUs than the cluster has.
        """
        if self.gpus > ray.cluster_resources().get("GPU", 0):
            raise RunError(f"--gpus {self.gpus:g} a run, but the cluster has {ray.cluster_resources().get('GPU', 0):g}")
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


def check_there(address: str | None) -> None:
    """Raises `RunError` when nobody listens at host:port; Ray itself would knock for minutes."""
    host, colon, port = (address or "").removeprefix("ray://").rpartition(":")
    if not colon:
        return
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, ValueError) as error:
        raise RunError(f"no Ray cluster at {address}: {error}") from None


def execute_there(run: Run) -> str | None:
    """One run in a Ray worker."""
    import torch

    torch.set_num_threads(1)
    if not run.cohort.is_dir() or not run.folder.parent.is_dir():
        missing = run.folder.parent if run.cohort.is_dir() else run.cohort
        return f"node {socket.gethostname()} does not see {missing}; share the folder under the same path on every node"
    return execute(run)
