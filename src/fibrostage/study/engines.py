"""Which engine runs a study."""

from __future__ import annotations

from fibrostage.errors import PlanError, nearest
from fibrostage.study.execute import Engine
from fibrostage.study.local import run_locally
from fibrostage.study.on_ray import RayEngine

ENGINES = ("local", "ray")


def engine_named(name: str, address: str | None = None, gpus: float = 0.0) -> Engine:
    if name not in ENGINES:
        raise PlanError(f"--engine {name!r}{nearest(name, ENGINES)}; there are {', '.join(ENGINES)}")
    if name == "ray":
        return RayEngine(address, gpus)
    if address is not None or gpus:
        raise PlanError("--address and --gpus belong to --engine ray")
    return run_locally
