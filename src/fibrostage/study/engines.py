"""Which engine runs a study."""

from __future__ import annotations

from fibrostage.ground.errors import PlanError, nearest
from fibrostage.study.ray_engine import RayEngine
from fibrostage.study.run_one import Engine
from fibrostage.study.workers import run_locally

ENGINES = ("local", "ray")


def engine_named(name: str, address: str | None = None, gpus: float = 0.0) -> Engine:
    """Returns what runs a study: this machine's processes ("local") or a Ray cluster ("ray").

    `address` and `gpus` are Ray's. Raises `PlanError` for another name, and for either of them without Ray.
    """
    if name not in ENGINES:
        raise PlanError(f"--engine {name!r}{nearest(name, ENGINES)}; there are {', '.join(ENGINES)}")
    if name == "ray":
        return RayEngine(address, gpus)
    if address is not None or gpus:
        raise PlanError("--address and --gpus belong to --engine ray")
    return run_locally
