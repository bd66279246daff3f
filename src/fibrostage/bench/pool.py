"""`bench pool`: scoring a pool of pairs under Monte-Carlo dropout, ours beside Baal and beside the floor.

One network, one set of random pictures (what they show does not matter to the clock). Ours scores the whole pool;
the ways that run the network once per candidate and pass are measured on a stated number of candidates and given
per candidate. The floor is one pass of the backbone over the unique images in the fastest setting found, with no
data path at all: nobody who looks at every image once can be faster.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fibrostage.active.logit_tables import PoolTables, build_tables
from fibrostage.active.pool import Pool
from fibrostage.active.pool_scoring import Scorer, scored
from fibrostage.active.strategies import esd
from fibrostage.active.strategies.spec import entropy
from fibrostage.active.top_items import Best
from fibrostage.bench.per_candidate import PairNetwork, baal_version, images_of, per_candidate_ways
from fibrostage.bench.setting import CLASSES, BenchNetwork, Shape, make_setting, same_start, shapes
from fibrostage.bench.timing import in_own_process, machine, once
from fibrostage.ground.errors import PlanError
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.learn.engine import make_engine
from fibrostage.learn.features import extract
from fibrostage.learn.images import as_tensor, normalise
from fibrostage.learn.learner import resolve_precision
from fibrostage.networks.backbones.spec import Backbone
from fibrostage.networks.fusion import Head

KEPT = 1000  # candidates a query asks for


def bench_pool(
    names: tuple[str, ...] = ("5x21",),
    backbone: str = "efficientnet_lite0",
    passes: int = 20,
    naive: int = 8,
    threads: int | None = None,
    seed: int = 0,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """The table that `fibrostage bench pool` shows; `naive` candidates are measured of each per-candidate way.

    Raises `PlanError` for a shape that is not known.
    """
    known = shapes()
    for name in names:
        if name not in known:
            raise PlanError(f"--shape {name!r} is not known; the shapes are {', '.join(known)}")
    if threads is not None:
        torch.set_num_threads(threads)
    results = [bench_shape(known[name], backbone, passes, naive, seed, progress) for name in names]
    where = {**machine(), "threads": torch.get_num_threads(), "torch": torch.__version__}
    return {"machine": where, "backbone": backbone, "passes": passes, "baal": baal_version(), "shapes": results}


@dataclass(frozen=True)
class PoolJob:
    """A way of scoring a pool, to be run in a process of its own; `ids` [n] are the per-candidate ways' candidates."""

    shape: Shape
    backbone: str
    passes: int
    seed: int
    threads: int
    ids: NDArray[np.int64]
    batches: tuple[int, ...]

    def begin(self) -> BenchNetwork:
        """Gives every way the same start (threads, the CPU alone, memory that is kept) and returns what it works on."""
        same_start(self.threads)
        return make_setting(self.shape, self.backbone, self.passes, self.seed)


def bench_shape(
    shape: Shape,
    backbone: str,
    passes: int,
    naive: int,
    seed: int,
    progress: Progress,
    batches: tuple[int, ...] = (8, 16, 32, 64),
) -> dict[str, Any]:
    """One shape's rows; `batches` are tried for the floor."""
    space = shape.space
    ids = np.sort(np.random.default_rng([seed, 2]).choice(space.total, min(naive, space.total), replace=False))
    job = PoolJob(shape, backbone, passes, seed, torch.get_num_threads(), ids, batches)
    result: dict[str, Any] = {
        "shape": shape.name,
        "patients": len(shape.counts),
        "images": shape.counts.sum(axis=0).tolist(),
        "candidates": space.total,
        "passes": passes,
    }
    progress.say(f"{shape.name}: {space.total:,} candidates of {int(shape.counts.sum()):,} images")
    if not shape.pixels:
        return result | {"ways": {"fibrostage, cached features": in_own_process(run_cached, job)}}
    progress.say("the floor: the backbone alone, first half")
    before = in_own_process(run_floor, job)
    progress.say("ours, the whole pool")
    ours, later = in_own_process(run_ours, job)
    progress.say("the floor, second half")
    after = in_own_process(run_floor, job)
    floor = before | {key: before[key] + after[key] for key in ("wall_s", "cpu_s")}
    floor["images_per_s"] = int(shape.counts.sum()) / floor["wall_s"]
    ways = {"fibrostage": ours, "fibrostage, later rounds (frozen backbone)": later, "floor": floor}
    answers: dict[str, NDArray[np.float64]] = {}
    for name in per_candidate_ways():
        progress.say(f"{name}, {len(ids)} candidates")
        ways[name], answers[name] = in_own_process(run_per_candidate, job, name)
    for row in ways.values():
        row["cpu_s_per_candidate"] = row["cpu_s"] / row["candidates"]
        row["cpu_ratio"] = row["cpu_s_per_candidate"] / (ours["cpu_s"] / space.total)
    result["over_floor"] = {"wall": ours["wall_s"] / floor["wall_s"], "cpu": ours["cpu_s"] / floor["cpu_s"]}
    progress.say("agreement")
    return result | {"ways": ways, "agreement": in_own_process(run_agreement, job, answers)}


def run_ours(job: PoolJob) -> tuple[dict[str, Any], dict[str, Any]]:
    """The whole pool from pixels, and again from the features of the first time."""
    setting = job.begin()
    precision = resolve_precision("auto")
    few = {name: pixels[:16] for name, pixels in setting.pixels.items()}
    cost, features = once(
        lambda: features_of(setting.backbones, setting.spec, setting.pixels, precision),
        warm=lambda: features_of(setting.backbones, setting.spec, few, precision),
    )
    later = score_cached(setting, features)
    ours = {"wall_s": cost.wall + later["wall_s"], "cpu_s": cost.cpu + later["cpu_s"]}
    ours |= {"candidates": job.shape.space.total, "peak_mb": cost.peak_mb + later["peak_mb"]}
    return ours, later


def run_cached(job: PoolJob) -> dict[str, Any]:
    """The whole pool from random features, for a shape that has no pictures."""
    setting = job.begin()
    return score_cached(setting, random_features(job.shape, setting.spec.features, job.seed))


def run_floor(job: PoolJob) -> dict[str, Any]:
    """Half of the images: the floor is measured before and after ours, as machines drift."""
    return measure_floor(job.begin(), job.batches)


def run_per_candidate(job: PoolJob, name: str) -> tuple[dict[str, Any], NDArray[np.float64]]:
    """The cost of a way that runs the network per candidate, and the entropies [n] of the job's candidates, in nats.

    Its first candidate is run once more beforehand, untimed.
    """
    setting = job.begin()
    way = per_candidate_ways()[name]
    spent, probabilities = once(lambda: way(setting, job.ids), warm=lambda: way(setting, job.ids[:1]))
    return {**spent.as_dict(), "candidates": len(job.ids)}, entropy(probabilities.astype(np.float64))


def random_features(shape: Shape, width: int, seed: int) -> dict[str, Tensor]:
    """Features as projection leaves them, by modality: [n_m, C], where C is `width` but at most 400."""
    torch.manual_seed(seed)
    return {
        name: torch.randn(int(shape.counts[:, column].sum()), min(400, width))
        for column, name in enumerate(shape.space.modalities)
    }


def features_of(
    backbones: dict[str, nn.Module], spec: Backbone, pixels: dict[str, NDArray[np.uint8]], precision: str
) -> dict[str, Tensor]:
    """Pooled features [n_m, C] of stored pixels [n_m, H, W, 1], by modality."""
    return {name: torch.from_numpy(extract(own, spec, backbones[name], precision)) for name, own in pixels.items()}


def tables_of(setting: BenchNetwork, features: dict[str, Tensor], seed: int) -> PoolTables:
    """The logit tables of a pool under dropout, from features [n_m, C] by modality; `seed` draws the masks.

    Where the features are not as wide as the setting's head expects, a fresh head of their width stands in for it.
    """
    head = setting.head
    if next(iter(features.values())).shape[1] != head.stream(head.modalities[0]).inputs:
        torch.manual_seed(setting.seed)
        head = Head(head.modalities, {name: z.shape[1] for name, z in features.items()}, CLASSES)
    return build_tables(head, features, setting.shape.space, setting.passes, np.random.default_rng(seed))


def score_cached(setting: BenchNetwork, features: dict[str, Tensor]) -> dict[str, Any]:
    """ESD over the whole pool from features [n_m, C] by modality: tables, kernel, entropy and the best."""
    space = setting.shape.space
    pool = Pool(space, np.arange(len(space.counts)), np.empty(0, dtype=np.int64))

    def score() -> NDArray[np.int64]:
        best = Best(KEPT)
        for ids, scores, _ in scored(tables_of(setting, features, 3), pool, Scorer(esd.STRATEGY, 0, 1), best):
            best.add(ids, scores)
        return best.ids()

    spent, _ = once(score, warm=score)  # the first time compiles the kernel
    flops = setting.passes * (4 * CLASSES + 1)
    return {
        **spent.as_dict(),
        "candidates": space.total,
        "candidates_per_s": space.total / spent.wall,
        "flops_per_candidate": flops,
        "arithmetic_floor_s": space.total * flops / matrix_flops(),
    }


def matrix_flops() -> float:
    """Float32 operations a second that these cores reach in a matrix product: the arithmetic nobody exceeds."""
    a = torch.randn(1024, 1024)
    a @ a
    spent, _ = once(lambda: [a @ a for _ in range(20)])
    return 20 * 2 * 1024**3 / spent.wall


def measure_floor(setting: BenchNetwork, batches: tuple[int, ...]) -> dict[str, Any]:
    """The backbone over half as many images, on one batch made beforehand, in the fastest of a few settings."""
    backbone = next(iter(setting.backbones.values())).eval()
    total = sum(len(pixels) for pixels in setting.pixels.values()) / 2
    rates = {}
    for precision in ("float32", "bfloat16"):
        for batch in batches:
            with on_a_batch(setting, backbone, precision, batch) as step:
                step()
                spent, _ = once(lambda step=step: (step(), step()))  # type: ignore[misc]
                rates[precision, batch] = 2 * batch / spent.wall
    precision, batch = max(rates, key=lambda key: rates[key])
    steps = math.ceil(total / batch)
    with on_a_batch(setting, backbone, precision, batch) as step:
        spent, _ = once(lambda: [step() for _ in range(steps)])
    share = total / (steps * batch)
    return {
        "wall_s": spent.wall * share,
        "cpu_s": spent.cpu * share,
        "peak_mb": spent.peak_mb,
        "candidates": setting.shape.space.total,
        "setting": f"{precision}, batches of {batch}",
    }


@contextmanager
def on_a_batch(
    setting: BenchNetwork, backbone: nn.Module, precision: str, batch: int
) -> Iterator[Callable[[], object]]:
    """Yields one step of the floor: the backbone and its pooling on one batch of images that is made beforehand."""
    engine = make_engine(precision)
    network = backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    pixels = next(iter(setting.pixels.values()))
    rows = np.resize(np.arange(len(pixels)), batch)
    images = normalise(as_tensor(pixels[rows], setting.spec), setting.spec)
    with torch.inference_mode(), engine.autocast():
        yield lambda: network(images).float().mean(dim=(2, 3))


def run_agreement(job: PoolJob, answers: dict[str, NDArray[np.float64]]) -> dict[str, Any]:
    """How far the entropies of the job's candidates lie from what they should be, by our kernel and by the other ways.

    The kernel's are held against the literal network's with the same masks, in nats. `answers` [n], the other ways' by
    name, in nats, are held against ours, in standard deviations of ours over draws of masks.
    """
    setting = job.begin()
    precise = alone(setting, job.ids, "float32")
    draws = [precise(seed) for seed in range(100, 120)]
    spread, centre = float(np.std(draws, axis=0, ddof=1).mean()), np.mean(draws, axis=0)
    literal = literal_entropies(setting, job.ids, setting.head.masks(setting.passes, np.random.default_rng(3)))
    return {
        "same_masks_float32": float(np.abs(precise(3) - literal).max()),
        "same_masks_as_run": float(np.abs(alone(setting, job.ids, resolve_precision("auto"))(3) - literal).max()),
        "monte_carlo_sd": spread,
        "own_masks_in_sd": {
            name: float(np.sqrt(np.mean((answer - centre) ** 2)) / spread) for name, answer in answers.items()
        },
    }


def alone(setting: BenchNetwork, ids: NDArray[np.int64], precision: str) -> Callable[[int], NDArray[np.float64]]:
    """A function of a seed of masks: the entropies [n] of the candidates `ids` [n] by tables and kernel, in nats.

    Each candidate stands as a patient of its own.
    """
    rows = setting.shape.space.decode(ids)
    pixels = {name: setting.pixels[name][rows[:, k]] for k, name in enumerate(setting.head.modalities)}
    features = features_of(setting.backbones, setting.spec, pixels, precision)
    own = replace(setting, shape=Shape("some", np.ones_like(rows)))

    def entropies(seed: int) -> NDArray[np.float64]:
        return entropy(tables_of(own, features, seed).probabilities(0, len(ids)).astype(np.float64))

    return entropies


@torch.inference_mode()
def literal_entropies(setting: BenchNetwork, ids: NDArray[np.int64], masks: dict[str, Tensor]) -> NDArray[np.float64]:
    """The entropies [n] of the candidates `ids` [n], in nats, by the per-candidate network in float32.

    masks[m] [T, reduce] are the dropout masks of a stream, one a pass.
    """
    network = PairNetwork(setting.backbones, setting.head).eval()
    images = images_of(setting, ids)
    mean = torch.zeros(len(ids), CLASSES, dtype=torch.float64)
    embedded = [
        stream.embed(backbone(batch).mean(dim=(2, 3)))  # type: ignore[operator]
        for backbone, stream, batch in zip(network.backbones, network.streams, images, strict=True)
    ]
    for t in range(setting.passes):
        logits: Tensor = torch.zeros(CLASSES)
        for name, stream, v in zip(network.names, network.streams, embedded, strict=True):
            logits = logits + stream.classify(v * masks[name][t])  # type: ignore[operator]
        mean += network.link(logits).double().softmax(-1) / setting.passes
    return entropy(mean.numpy())
