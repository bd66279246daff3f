"""`bench train`: fine-tuning on pairs, ours beside the naive pair loader; from the freeze boundary; and head fits.

All ways take the same batches of candidates and the same loss, so they make the same updates but for batch
statistics, dropout's draws and precision: the naive one loads and runs both images of every pair in float32, ours
runs each image of the batch once, in float32 too or in the precision it would choose. Pictures are random: the
clock does not mind. Each way has a process of its own.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from fibrostage.bench.per_candidate import PairNetwork
from fibrostage.bench.setting import CLASSES, BenchNetwork, Shape, make_setting, same_start, shapes
from fibrostage.bench.timing import in_own_process, machine, once
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.learn.boundary_cache import BoundarySource, compute
from fibrostage.learn.engine import make_engine
from fibrostage.learn.fit_head import Examples, fit_frozen
from fibrostage.learn.fit_network import batch_loss, epoch_batches, set_training
from fibrostage.learn.images import as_tensor, normalise
from fibrostage.learn.learner import resolve_precision
from fibrostage.networks.backbones.spec import Backbone
from fibrostage.networks.fusion import MMFN, Head
from fibrostage.plan.training import TrainingPlan

PATIENTS = 8
TOGETHER = 4
WITH_REUSE = f"{TOGETHER} pictures of a patient together"


@dataclass(frozen=True)
class PicturesInMemory:
    """Pixels in memory, as `fit_whole` asks for them."""

    setting: BenchNetwork
    spec: Backbone

    def pooled(self, network: MMFN, modality: str, rows: NDArray[np.int64], rng: np.random.Generator | None) -> Tensor:
        """Pooled features z [b, C] of the images `rows` [b], with gradients; nothing is changed at random."""
        images = as_tensor(self.setting.pixels[modality][rows], self.spec)
        return network.pooled(modality, normalise(images, self.spec))


def bench_train(
    backbone: str = "efficientnet_lite0",
    batch: int = 16,
    steps: int = 6,
    threads: int | None = None,
    seed: int = 0,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """The table that `fibrostage bench train` shows; `steps` batches of each way are measured, naive a third."""
    job = TrainJob(backbone, batch, steps, threads or torch.get_num_threads(), seed)
    ways: dict[str, dict[str, Any]] = {}
    for name, together in (("single pairs", 1), (WITH_REUSE, TOGETHER)):
        rows = {}
        for way in ("ours", "ours, float32", "naive"):
            progress.say(f"{name}: {way}")
            rows[way] = in_own_process(run_way, job, way, together)
        naive = rows["naive"]["pairs_per_s"]
        ways[name] = {**rows, "ratio": rows["ours"]["pairs_per_s"] / naive}
        ways[name]["ratio_float32"] = rows["ours, float32"]["pairs_per_s"] / naive
    progress.say("from the freeze boundary")
    boundary = in_own_process(run_way, job, "boundary", TOGETHER)
    return {
        "machine": {**machine(), "threads": job.threads, "torch": torch.__version__},
        "backbone": backbone,
        "batch": batch,
        "ways": ways,
        "boundary": {**boundary, "ratio": boundary["images_per_s"] / ways[WITH_REUSE]["ours"]["images_per_s"]},
        "head": in_own_process(head_fit, seed),
    }


@dataclass(frozen=True)
class TrainJob:
    """What every way is given, each in a process of its own."""

    backbone: str
    batch: int
    steps: int
    threads: int
    seed: int


def run_way(job: TrainJob, way: str, together: int) -> dict[str, Any]:
    """What one way costs on the same batches, and how many pairs and images a second it does."""
    same_start(job.threads)
    setting = make_setting(Shape("5x21", np.tile([5, 21], (PATIENTS, 1))), job.backbone, 1, job.seed)
    space = setting.shape.space
    ids = np.arange(space.total)
    examples = Examples(space.decode(ids), space.patient_of(ids) % CLASSES)
    rng = np.random.default_rng([job.seed, together])
    batches = epoch_batches(examples.rows, space.patient_of(ids), job.batch, together, rng)[: job.steps]
    if way == "naive":
        return naive_on(setting, examples, batches[: max(1, job.steps // 3)])
    if way == "boundary":
        return boundary_on(setting, examples, batches)
    network = MMFN(setting.backbones, setting.head)
    set_training(network, setting.spec, "all")
    precision = "float32" if way.endswith("float32") else "auto"
    return stepped(network, PicturesInMemory(setting, setting.spec), examples, batches, precision)


def timed(
    step: Callable[[NDArray[np.int64]], None], examples: Examples, batches: list[NDArray[np.int64]]
) -> dict[str, Any]:
    """A step on every batch, after an untimed one on a few candidates, with what they counted.

    `batches` are arrays [b] of positions in `examples`, and a step takes one of them.
    """

    def epoch() -> None:
        for part in batches:
            step(part)

    spent, _ = once(epoch, warm=lambda: step(batches[0][:8]))
    pairs = sum(map(len, batches))
    images = sum(len(np.unique(examples.rows[part, k])) for part in batches for k in range(2))
    speeds = {"pairs_per_s": pairs / spent.wall, "images_per_s": images / spent.wall}
    return {"pairs": pairs, "images": images, **spent.as_dict(), **speeds}


def stepped(
    network: MMFN, source: Any, examples: Examples, batches: list[NDArray[np.int64]], precision: str = "auto"
) -> dict[str, Any]:
    """Steps of our fit on batches, without the streams' own losses, as the naive way has none.

    `batches` are arrays [b] of positions in `examples`; `source` gives pooled features as `Source` says.
    """
    engine = make_engine(precision)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], 1e-5)
    rng = np.random.default_rng(0)

    def step(part: NDArray[np.int64]) -> None:
        with engine.autocast():
            own = Examples(examples.rows[part], examples.stages[part])
            loss = batch_loss(network, source, own, None, rng, None, TrainingPlan(stream_loss=0.0))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return timed(step, examples, batches)


def naive_on(setting: BenchNetwork, examples: Examples, batches: list[NDArray[np.int64]]) -> dict[str, Any]:
    """Every pair loads its two images and both run, in float32, as a plain loop over a DataLoader of pairs does.

    `batches` are arrays [b] of positions in `examples`.
    """
    network: nn.Module = PairNetwork(setting.backbones, setting.head)
    for parameter in network.parameters():
        parameter.requires_grad_(True)
    network.train()
    optimiser = torch.optim.AdamW(network.parameters(), 1e-5)
    names = setting.head.modalities

    def load(part: NDArray[np.int64]) -> list[Tensor]:
        return [
            torch.cat([picture(setting, name, row) for row in examples.rows[part, k]]) for k, name in enumerate(names)
        ]

    def step(part: NDArray[np.int64]) -> None:
        loss = F.cross_entropy(network(load(part)), torch.from_numpy(examples.stages[part]))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return timed(step, examples, batches)


def picture(setting: BenchNetwork, name: str, row: int) -> Tensor:
    """One normalised picture [1, 3, S, S] of a modality."""
    return normalise(as_tensor(setting.pixels[name][row : row + 1], setting.spec), setting.spec)


def boundary_on(setting: BenchNetwork, examples: Examples, batches: list[NDArray[np.int64]]) -> dict[str, Any]:
    """The last blocks from cached maps, and what making the cache costs, in seconds.

    `batches` are arrays [b] of positions in `examples`.
    """
    precision = resolve_precision("auto")
    with tempfile.TemporaryDirectory() as folder:
        source = BoundarySource(None, setting.spec)  # type: ignore[arg-type]

        def fill() -> None:
            for name, pixels in setting.pixels.items():
                path = Path(folder) / f"{name}.npy"
                compute(pixels, setting.spec, setting.backbones[name], precision, path, SILENT, name)
                source.maps[name] = np.load(path, mmap_mode="r")

        filled, _ = once(fill)
        network = MMFN(setting.backbones, setting.head)
        set_training(network, setting.spec, "last")
        found = stepped(network, source, examples, batches)
    return found | {"cache_s": filled.wall}


def head_fit(seed: int) -> dict[str, Any]:
    """A head on cached features of the paper's pool, with the plan's defaults."""
    paper = shapes()["cached"]
    space, counts = paper.space, paper.counts
    torch.manual_seed(seed)
    features = {name: torch.randn(int(counts[:, k].sum()), 400) for k, name in enumerate(space.modalities)}
    head = Head(space.modalities, dict.fromkeys(space.modalities, 400), CLASSES)
    ids = np.arange(space.total)
    examples = Examples(space.decode(ids), space.patient_of(ids) % CLASSES)
    plan = TrainingPlan()
    spent, _ = once(lambda: fit_frozen(head, features, examples, plan, seed))
    return {"candidates": len(ids), "epochs": plan.epochs, "wall_s": spent.wall, "cpu_s": spent.cpu}
