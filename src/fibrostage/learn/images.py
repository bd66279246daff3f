"""Stored pixels → what a backbone reads, and the random changes a picture may undergo in training.

Parameters of a change are drawn in one place (`draw`) and applied by a deterministic twin (`apply`). An
elastogram is flipped and moved but its colours are never touched: colour is the measurement.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from fibrostage.networks.backbones.spec import Backbone

TURN = 15.0  # degrees either way
SCALE = 0.2  # log-scale either way
STRETCH = 0.1  # log-aspect either way
SHIFT = 0.1  # of the half-side either way
GAIN = 0.2  # relative brightness either way, B-mode only
LIFT = 20.0  # grey levels either way, B-mode only


@dataclass(frozen=True)
class Changes:
    """One random change an image: mirror [n], affine map of the sampling grid [n, 2, 3], and grey-level map.

    A grey level x above 0 becomes gain · x + lift, kept within 0–255; gain and lift are [n], lift in grey levels.
    """

    mirror: NDArray[np.bool_]
    affine: NDArray[np.float32]  # [n, 2, 3]
    gain: NDArray[np.float32]
    lift: NDArray[np.float32]


def draw(count: int, kind: str, rng: np.random.Generator) -> Changes:
    """Random changes for `count` images of a kind ("bmode" or "elastogram"); an elastogram's grey levels stay."""
    angle = np.deg2rad(rng.uniform(-TURN, TURN, count))
    scale = np.exp(rng.uniform(-SCALE, SCALE, count))
    stretch = np.exp(rng.uniform(-STRETCH, STRETCH, count))
    shift = rng.uniform(-SHIFT, SHIFT, (2, count))
    grey = kind == "bmode"
    gain = rng.uniform(1 - GAIN, 1 + GAIN, count) if grey else np.ones(count)
    lift = rng.uniform(-LIFT, LIFT, count) if grey else np.zeros(count)
    top = np.stack([scale * stretch * np.cos(angle), -scale * np.sin(angle), shift[0]], axis=1)
    bottom = np.stack([scale * np.sin(angle), scale / stretch * np.cos(angle), shift[1]], axis=1)
    return Changes(
        mirror=draw_mirror(count, rng),
        affine=np.stack([top, bottom], axis=1).astype(np.float32),
        gain=gain.astype(np.float32),
        lift=lift.astype(np.float32),
    )


def draw_mirror(count: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Whether each image is mirrored [count], with equal chances: the smallest random change there is."""
    return rng.random(count) < 0.5


def mirror(images: Tensor, mirrored: NDArray[np.bool_]) -> Tensor:
    """The images [n, C, H, W], flipped left to right where `mirrored` [n] says so."""
    chosen = torch.from_numpy(mirrored).to(images.device).view(-1, 1, 1, 1)
    return torch.where(chosen, images.flip(3), images)


def apply(images: Tensor, changes: Changes) -> Tensor:
    """The changed images [n, C, H, W] of float images [n, C, H, W] in 0–255; what is outside the picture is black."""
    if not len(images):
        return images
    device = images.device
    gain, lift = (torch.from_numpy(v).to(device).view(-1, 1, 1, 1) for v in (changes.gain, changes.lift))
    images = (images * gain + lift * (images > 0)).clamp(0, 255)
    images = mirror(images, changes.mirror)
    grid = F.affine_grid(torch.from_numpy(changes.affine).to(device), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def as_tensor(pixels: NDArray[np.uint8], spec: Backbone) -> Tensor:
    """Stored pixels [n, H, W, C] uint8 → float32 images [n, 3, S, S] in 0–255, at the backbone's size, channels last.

    C is 1 or 3; a single channel is repeated.
    """
    images = torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2).float()
    if len(images) and images.shape[-1] != spec.size:
        images = F.interpolate(
            images, size=(spec.size, spec.size), mode="bilinear", align_corners=False, antialias=True
        )
    return images.expand(-1, 3, -1, -1)


def normalise(images: Tensor, spec: Backbone) -> Tensor:
    """Images [n, 3, S, S] in 0–255 → [n, 3, S, S] in the range the backbone was trained on, channels last."""
    mean, std = (torch.tensor(v, device=images.device).view(1, 3, 1, 1) for v in (spec.mean, spec.std))
    return ((images - mean) / std).contiguous(memory_format=torch.channels_last)
