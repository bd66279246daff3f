"""One work over many items, a shard of them at a time, on the machines of a Ray cluster (extra `ray`).

Results come in the order of the items, whoever made them, and few are under way at once, so that memory does not grow
with their number. A worker that is killed costs its shard, which is done again elsewhere. A shard that ends its worker
each time is done item by item, so that only the culprit is lost.
"""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from fibrostage.ground.errors import FibrostageError, PlanError, RunError, nearest

ENGINES = ("local", "ray")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
DIED = ("WorkerCrashedError", "OutOfMemoryError", "NodeDiedError", "ObjectLostError")  # of Ray: a shard is lost
AGAIN = 2  # times that a shard is done again where its worker was killed
AHEAD = 2  # shards a core that are under way or wait

_STAYS: list[str | None] = []  # the address of the cluster that this process stays connected with

T = TypeVar("T")
R = TypeVar("R")
Work = Callable[[Sequence[T]], Sequence[R]]  # of a shard, a result an item; another machine must be able to import it
Lost = Callable[[T, float | None], R]  # of an item that ends its worker (None), or takes more than so many seconds


@dataclass(frozen=True)
class RayShards:
    """`address` of a running cluster ("auto" finds the one of this machine), or None to begin one here; each shard
    takes one core, and `gpus` of a GPU. Nodes must see the same files under the same paths as this machine."""

    address: str | None = None
    gpus: float = 0.0

    def __call__(
        self, work: Work[T, R], items: Sequence[T], size: int, lost: Lost[T, R], patience: float | None = None
    ) -> Iterator[R]:
        """Does a work over items, `size` in a shard, and yields each item's result in their order. An item may take
        `patience` seconds; what `lost` makes of one that ends its worker stands for its result.

        Raises `RunError` where there is no such cluster or it has too few GPUs, and what the work or `lost` raises.
        """
        with connected(self.address, self.gpus, stay=True) as ray:
            task = ray.remote(num_cpus=1, num_gpus=self.gpus, num_returns="streaming")(done_there)
            variables = {"env_vars": dict.fromkeys(THREADS, "1")}
            given = ray.put(work)

            def begin(shard: Sequence[T], again: int = AGAIN) -> Any:
                return task.options(max_retries=again, runtime_env=variables).remote(given, shard)

            def results(shard: Sequence[T], job: Any) -> Iterator[R]:
                found, reason = waited(ray, job, None if patience is None else patience * len(shard))
                if found is not None:
                    yield from found
                elif len(shard) == 1:
                    yield lost(shard[0], reason)
                else:
                    for item in shard:
                        yield from results([item], begin([item], 0))

            waiting: deque[tuple[Sequence[T], Any]] = deque()
            for shard in shards_of(items, size):
                waiting.append((shard, begin(shard)))
                if len(waiting) > AHEAD * ray.cluster_resources().get("CPU", 1):
                    yield from results(*waiting.popleft())
            while waiting:
                yield from results(*waiting.popleft())


def waited(ray: Any, job: Any, patience: float | None) -> tuple[Any, float | None]:
    """What a shard gave; or None where its worker died, or did not end `patience` seconds after it began, and then
    those.

    Raises what the work raised, and `RunError` where the cluster itself fails.
    """
    try:
        ray.get(next(job))  # it has begun: what it waited in the queue is nobody's fault
        if not ray.wait([job], timeout=patience)[0]:
            ray.cancel(job, force=True)
            return None, patience
        return ray.get(next(job)), None
    except ray.exceptions.RayTaskError as error:
        raise (error.cause if isinstance(error.cause, FibrostageError) else error) from None
    except tuple(getattr(ray.exceptions, name) for name in DIED):
        return None, None
    except ray.exceptions.RayError as error:
        raise RunError(f"the Ray cluster failed: {str(error).splitlines()[0]}") from None


def done_there(work: Work[T, R], shard: Sequence[T]) -> Iterator[Sequence[R] | None]:
    """One shard in a Ray worker: says that it began, then what it gave."""
    yield None
    yield work(shard)


def shards_of(items: Iterable[T], size: int) -> Iterator[Sequence[T]]:
    """Cuts items into shards of `size`, in order; the last may be smaller."""
    left = iter(items)
    while shard := list(islice(left, size)):
        yield shard


@contextmanager
def connected(address: str | None, gpus: float = 0.0, stay: bool = False) -> Iterator[Any]:
    """Ray, connected to a running cluster while the block runs, or to one begun here; one that was connected stays so.
    With `stay` it is connected until this process ends: another piece of work finds workers that have begun.

    Raises `RunError` without Ray, where no cluster answers, and where it has fewer than the `gpus` that a task takes.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise RunError("--engine ray needs Ray: install fibrostage with its extra [ray]") from None
    check_there(address)
    if _STAYS and _STAYS[0] != address:
        ray.shutdown()
        _STAYS.clear()
    own = not ray.is_initialized()
    if own:
        try:
            ray.init(address=address, log_to_driver=False, logging_level="error")
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise RunError(f"no Ray cluster at {address}: {str(error).splitlines()[0]}") from None
        if stay:
            _STAYS.append(address)
    try:
        found = ray.cluster_resources().get("GPU", 0)
        if gpus > found:
            raise RunError(f"--gpus {gpus:g} at a time, but the cluster has {found:g}")
        yield ray
    finally:
        if own and not stay:
            ray.shutdown()


def check_there(address: str | None) -> None:
    """Raises `RunError` when nobody listens at host:port; Ray itself would knock for minutes."""
    host, colon, port = (address or "").removeprefix("ray://").rpartition(":")
    if not colon:
        return
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, ValueError) as error:
        raise RunError(f"no Ray cluster at {address}: {error}") from None


def check_seen(path: Path) -> None:
    """Raises `RunError` where this machine does not see a file or folder that the one who asks has."""
    if not path.exists():
        raise RunError(
            f"node {socket.gethostname()} does not see {path}; share the folder under the same path on every node"
        )


def ray_asked(name: str, address: str | None = None, gpus: float = 0.0) -> bool:
    """Whether an engine's name is "ray", whose `address` and `gpus` are; the other is "local".

    Raises `PlanError` for another name, and for either of them without Ray.
    """
    if name not in ENGINES:
        raise PlanError(f"--engine {name!r}{nearest(name, ENGINES)}; there are {', '.join(ENGINES)}")
    if name == "local" and (address is not None or gpus):
        raise PlanError("--address and --gpus belong to --engine ray")
    return name == "ray"


def shards_by(name: str, address: str | None = None, gpus: float = 0.0) -> RayShards | None:
    """What does work in shards: a Ray cluster, or None for this machine, on which each command has its own way; raises
    what `ray_asked` raises."""
    return RayShards(address, gpus) if ray_asked(name, address, gpus) else None
