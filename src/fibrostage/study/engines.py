"""Which engine runs a study."""

from __future__ import annotations

from fibrostage.ground.shards import ray_asked
from fibrostage.study.ray_engine import RayEngine
from fibrostage.study.run_one import Engine
from fibrostage.study.workers import run_locally


def engine_named(name: str, address: str | None = None, gpus: float = 0.0) -> Engine:
    """Returns what runs a study: this machine's processes ("local") or a Ray cluster ("ray").

    `address` and `gpus` are Ray's. Raises `PlanError` for another name, and for either of them without Ray.
    """
    return RayEngine(address, gpus) if ray_asked(name, address, gpus) else run_locally
