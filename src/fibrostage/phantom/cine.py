"""A cine loop: one B-mode picture that breathes, with fresh speckle, a fast sweep and a moment without contact.

What a sampler of frames has to tell apart: neighbouring frames that are nearly the same, frames smeared by the probe's
movement, and frames of the probe in the air.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_closing, binary_fill_holes, gaussian_filter, gaussian_filter1d, map_coordinates, zoom

from fibrostage.phantom.bmode import smooth_noise
from fibrostage.phantom.placing import APEX

FRAME_MS = 120.0
FRAMES = (60, 90)
FAST = (10, 20)  # frames of a sweep: one to two and a half seconds
OFF = (8, 16)
BREATH = 4.0  # seconds
SKIN = 99.0  # pixels from the rays' apex to the probe's face
SPECKLE = 0.08  # how much of each frame's speckle is its own
INSET = 6  # pixels of the sector's dark rim that no mirrored tissue may show
MARGIN = 1.08  # by how much the picture is enlarged, so that small shifts uncover nothing


@dataclass(frozen=True)
class Pose:
    """Where the picture stands in one frame, in its own pixels, and how: "still" (breathing), "fast" or "off"."""

    state: str
    dx: float
    dy: float

    def row(self) -> dict[str, Any]:
        return {"state": self.state, "dx": f"{self.dx:.2f}", "dy": f"{self.dy:.2f}"}


def poses(rng: np.random.Generator) -> list[Pose]:
    """Draws a loop's path: breathing throughout, one fast sweep and one stretch off the skin, which do not overlap."""
    count = int(rng.integers(FRAMES[0], FRAMES[1] + 1))
    fast, off = int(rng.integers(FAST[0], FAST[1] + 1)), int(rng.integers(OFF[0], OFF[1] + 1))
    half = count // 2
    starts = [int(rng.integers(4, half - fast)), int(rng.integers(half, count - off - 2))]
    phase = 2 * np.pi * (np.arange(count) * FRAME_MS / 1000 / BREATH + rng.random())
    path = np.stack([2.0 * np.sin(0.7 * phase), 5.0 * np.sin(phase)], axis=1)
    sweep = np.sin(np.linspace(0, 2 * np.pi, fast)) * rng.uniform(30, 60)
    path[starts[0] : starts[0] + fast, 0] += sweep
    states = ["still"] * count
    states[starts[0] : starts[0] + fast] = ["fast"] * fast
    states[starts[1] : starts[1] + off] = ["off"] * off
    return [Pose(state, float(x), float(y)) for state, (x, y) in zip(states, path, strict=True)]


def loop(still: NDArray[np.uint8], rng: np.random.Generator) -> Iterator[tuple[Pose, NDArray[np.uint8]]]:
    """Yields the frames [H, W] that a B-mode picture [H, W] becomes, in its own sector, each with its pose."""
    sector = lit(still)
    height, width = still.shape
    large = zoom(still.astype(np.float32), MARGIN, order=1)
    top, left = (large.shape[0] - height) // 2, (large.shape[1] - width) // 2
    base = large[top : top + height, left : left + width]
    wide = lit(base)
    ends = np.argmax(wide, axis=1) + INSET, width - 1 - INSET - np.argmax(wide[:, ::-1], axis=1)
    before = 0.0
    for pose in poses(rng):
        if pose.state == "off":
            grey = in_the_air(still.shape, rng)
        else:
            grey = moved(base, ends, pose)
            if pose.state == "fast":
                grey = gaussian_filter1d(grey, max(0.5, abs(pose.dx - before) / 2.5), axis=1)
            grey = grey * (1 + SPECKLE * smooth_noise(still.shape, (0.8, 1.8), rng))
        before = pose.dx
        yield pose, np.where(sector, np.clip(grey, 0, 255), 0).astype(np.uint8)


def lit(grey: NDArray[np.number]) -> NDArray[np.bool_]:
    """Finds the sector [H, W] of a grey picture [H, W]: what is not black, without holes."""
    closed = binary_closing(np.pad(grey > 0, 8), iterations=6)[8:-8, 8:-8]
    return np.asarray(binary_fill_holes(closed))


def moved(
    base: NDArray[np.float32], ends: tuple[NDArray[np.intp], NDArray[np.intp]], pose: Pose
) -> NDArray[np.float32]:
    """Shifts a picture `base` [H, W] into a pose [H, W]; what comes in from beyond the sector is the tissue, mirrored.

    `ends` are the first and the last column [H] of the sector in each row.
    """
    height, width = base.shape
    first, span = ends[0][:, None], np.maximum(ends[1] - ends[0], 1)[:, None]
    column = np.arange(width)[None, :] - pose.dx
    column = first + span - np.abs((column - first) % (2 * span) - span)
    row = np.broadcast_to(np.arange(height)[:, None] - pose.dy, column.shape)
    return np.asarray(map_coordinates(base, np.stack([row, column]), order=1, mode="nearest"))


def in_the_air(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    """Draws a frame [H, W] without contact: rings of reverberation near the probe's face, and noise below them."""
    y, x = np.indices(shape, dtype=np.float32)
    depth = np.hypot(x - shape[1] / 2, y - APEX) - SKIN
    rings = 190 * np.exp(-np.clip(depth, 0, None) / 16) * (0.6 + 0.4 * np.cos(depth * rng.uniform(0.9, 1.1)))
    noise = gaussian_filter(np.abs(rng.standard_normal(shape)).astype(np.float32), 0.7)
    return np.asarray(rings + 9 * noise, dtype=np.float32)
