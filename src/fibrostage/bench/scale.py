"""Intake and features on Ray nodes beside this process: files and pictures a second, and the memory of who asks.

Every way has a fresh process, and each node one core of this machine. The nodes' processes are begun before the clock
is: a cluster that is there already has them.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fibrostage import SIMULATED
from fibrostage.bench.setting import same_start
from fibrostage.bench.timing import in_own_process, machine, peak_memory
from fibrostage.ground.errors import RunError
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.ground.shards import RayShards
from fibrostage.intake.build.choices import Choices
from fibrostage.intake.build.find_files import Sources
from fibrostage.intake.build.take_in import take_in
from fibrostage.intake.find.box_finder import find_box
from fibrostage.learn.features import feature_parts
from fibrostage.networks.backbones import BACKBONES
from fibrostage.networks.weights import build_backbone
from fibrostage.phantom.recipe import Recipe
from fibrostage.phantom.write import write_phantom
from fibrostage.plan.run_plan import Plan

BACKBONE = "efficientnet_lite0"


@dataclass(frozen=True)
class ShardsTiming:
    """A way, with its `nodes` (0 is this process): `files` taken in and `pictures` seen by the backbone, the seconds
    [s] of each, and the most memory [MB] that the process which asked held."""

    nodes: int
    files: int
    pictures: int
    intake_s: float
    features_s: float
    peak_mb: float

    def as_dict(self) -> dict[str, float]:
        """What JSON holds."""
        return {
            "nodes": self.nodes,
            "files": self.files,
            "pictures": self.pictures,
            "files_per_s": self.files / self.intake_s,
            "pictures_per_s": self.pictures / self.features_s,
            "peak_mb": self.peak_mb,
        }


def bench_scale(patients: int, nodes: Sequence[int], seed: int = 0, progress: Progress = SILENT) -> dict[str, Any]:
    """The DICOM files of simulated patients taken in, and the features of their pictures computed: in one process, on
    clusters of so many nodes each, and once more of half of the files. Raises `RunError` without Ray."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "source"
        write_phantom(source, Recipe(patients, seed, format="dicom"), progress)
        ways = (0, *nodes)
        in_own_process(measured, 0, source, source / "dicom", folder / "untimed")  # compiles what is kept for all ways
        with progress.task("ways", len(ways) + 1) as advance:
            rows = []
            for count in ways:
                rows.append(in_own_process(measured, count, source, source / "dicom", folder / f"of-{count}"))
                advance(1)
            (folder / "some").mkdir()
            for part in sorted((source / "dicom").iterdir())[::2]:
                part.rename(folder / "some" / part.name)
            half = in_own_process(measured, ways[-1], source, folder / "some", folder / "half")
            advance(1)
    return {
        SIMULATED: True,
        "machine": machine(),
        "backbone": BACKBONE,
        "rows": [row.as_dict() for row in rows],
        "half": half.as_dict(),
    }


def measured(nodes: int, source: Path, folder: Path, out: Path) -> ShardsTiming:
    """One way, in its own process: an intake of a folder of files, then a frozen backbone's features."""
    same_start(1)
    plan, spec = Plan.load(source / "plan.toml"), BACKBONES[BACKBONE]
    loaded([])
    with ExitStack() as stack:
        engine = None if not nodes else stack.enter_context(own_cluster(nodes))
        choices = Choices(skip_bad=True, key=out.with_suffix(".key"), accept_unmasked=True, workers=1, engine=engine)
        began = time.perf_counter()
        cohort = take_in(Sources(folder, source / "patients.csv"), out, plan, choices=choices)
        read = time.perf_counter()
        backbone = build_backbone(spec, "imagenet", 0)
        for name in cohort.modality_names:
            for _ in feature_parts(cohort, name, spec, backbone, keep=False, engine=engine):
                pass
        ended = time.perf_counter()
    peak = peak_memory()
    files = sum(path.is_file() for path in folder.rglob("*"))
    return ShardsTiming(nodes, files, len(cohort.images), read - began, ended - read, peak)


@contextmanager
def own_cluster(nodes: int) -> Iterator[RayShards]:
    """A cluster of nodes of one core each on this machine, whose processes have loaded what they need. Raises
    `RunError` without Ray."""
    try:
        import ray
        from ray.cluster_utils import Cluster
    except ImportError:
        raise RunError("bench scale needs Ray: install fibrostage with its extra [ray]") from None
    os.environ.setdefault("RAY_worker_niceness", "0")  # as the process beside them has; 15 by itself
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        for _ in range(nodes - 1):
            cluster.add_node(num_cpus=1)
        engine = RayShards(cluster.address)
        for _ in engine(loaded, range(2 * nodes), 1, never):
            pass
        yield engine
    finally:
        ray.shutdown()
        cluster.shutdown()


def loaded(numbers: Sequence[int]) -> Sequence[int]:
    """Loads in a node's process what work there needs, and hands the numbers back."""
    rng = np.random.default_rng(0)
    find_box(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8))
    build_backbone(BACKBONES[BACKBONE], "imagenet", 0)
    return numbers


def never(number: int, late: float | None) -> int:
    """Raises `RunError`: a node of this machine that only loads what it needs does not die."""
    raise RunError("a node of the benchmark's own cluster died; is there enough memory?")
