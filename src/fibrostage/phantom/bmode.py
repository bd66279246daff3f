"""A B-mode picture of a liver, from scatterers to grey levels.

Complex random scatterers on a polar grid × a reflectivity map (wall layers, wavy capsule, septal network,
vessels, diaphragm) → separable Gaussian point-spread function, wider with depth → envelope → attenuation → log
compression → scan conversion. Fibrosis (`remodelling`) brightens and coarsens the septal network, ripples the
capsule and blurs vessel walls; healthy liver is near-Rayleigh speckle. Steatosis, gain, dynamic range and depth
vary independently of the stage, so brightness says nothing about fibrosis.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, map_coordinates, zoom
from scipy.spatial import cKDTree

WIDTH, HEIGHT = 360, 288
SAMPLES, LINES = 288, 144
COARSE = 4  # the septal map is computed on a grid this much coarser
RADIUS = 45.0  # mm, of the convex probe
HALF_ANGLE = np.deg2rad(33.0)
DEPTHS = (110.0, 120.0, 130.0, 140.0)  # mm
FLOOR = 1e-4


@dataclass(frozen=True)
class Scan:
    """Everything drawn for one picture. `organ` "other" has no liver texture; `shadow` and `motion` spoil it."""

    remodelling: float
    steatosis: float
    organ: str = "liver"
    shadow: bool = False
    motion: bool = False


@lru_cache(maxsize=len(DEPTHS))
def screen_coordinates(depth: float) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Returns where the pixels of the screen lie on the polar grid of a picture that is `depth` mm deep.

    The coordinates [2, HEIGHT, WIDTH] are (sample, line); the mask [HEIGHT, WIDTH] says which pixels are in the sector.
    """
    pixel = (depth + RADIUS * (1 - np.cos(HALF_ANGLE))) / (HEIGHT - 8)  # mm
    x = (np.arange(WIDTH) - WIDTH / 2) * pixel
    y = (np.arange(HEIGHT) - 4) * pixel + RADIUS * np.cos(HALF_ANGLE)
    radius = np.hypot(x[None, :], y[:, None])
    angle = np.arctan2(x[None, :], y[:, None])
    sample = (radius - RADIUS) / depth * (SAMPLES - 1)
    line = (angle / HALF_ANGLE + 1) / 2 * (LINES - 1)
    inside = (sample >= 0) & (sample <= SAMPLES - 1) & (line >= 0) & (line <= LINES - 1)
    return np.stack([sample, line]).astype(np.float32), inside


def smooth_noise(shape: tuple[int, ...], sigma: tuple[float, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    """Draws Gaussian noise [*shape], smoothed by `sigma` grid cells along each axis, with unit standard deviation."""
    field = rng.standard_normal(shape, dtype=np.float32)
    for axis, width in enumerate(sigma):
        if width > 0:
            field = gaussian_filter1d(field, width, axis=axis, truncate=3.0)
    return np.asarray(field / max(float(field.std()), 1e-6), dtype=np.float32)


def septa(depth: float, spacing: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Returns how near each sample is to a border between cells, 0–1 [SAMPLES, LINES], in a picture `depth` mm deep.

    The cells are a Voronoi tessellation, each about `spacing` mm wide.
    """
    rows, columns = SAMPLES // COARSE, LINES // COARSE
    r = RADIUS + np.linspace(0, depth, rows)
    a = np.linspace(-HALF_ANGLE, HALF_ANGLE, columns)
    points = np.stack([r[:, None] * np.sin(a), r[:, None] * np.cos(a)], axis=-1).reshape(-1, 2)
    low, high = points.min(axis=0), points.max(axis=0)
    count = max(8, int(np.prod(high - low) / spacing**2))
    seeds = rng.uniform(low, high, (count, 2))
    near, _ = cKDTree(seeds).query(points, k=2)
    edge = np.exp(-(((near[:, 1] - near[:, 0]) / (0.25 * spacing)) ** 2)).reshape(rows, columns)
    return np.asarray(zoom(edge, COARSE, order=1), dtype=np.float32)


def reflectivity(scan: Scan, depth: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Makes the amplitude map [SAMPLES, LINES] that scatterers are multiplied by, for a picture `depth` mm deep."""
    mm = np.linspace(0, depth, SAMPLES, dtype=np.float32)[:, None]
    strength = float(1 / (1 + np.exp(-scan.remodelling)))  # 0 … 1
    ripple = 0.4 + 2.2 * strength
    capsule = rng.uniform(16, 24) + 3 * smooth_noise((LINES,), (30.0,), rng)
    capsule = capsule + ripple * smooth_noise((LINES,), (5.0,), rng)
    amplitude = np.ones((SAMPLES, LINES), dtype=np.float32)
    if scan.organ == "liver":
        spacing = rng.uniform(6.0, 9.0) + 4.0 * strength
        contrast = 0.10 + 1.1 * strength
        amplitude += contrast * septa(depth, spacing, rng)
        amplitude *= vessels(mm, depth, blur=0.8 + 2.5 * strength, rng=rng)
    else:  # a kidney-like bright centre in a dark rim
        centre, size = rng.uniform(50, 75), rng.uniform(18, 26)
        across = np.linspace(-1, 1, LINES, dtype=np.float32)[None, :] - rng.uniform(-0.3, 0.3)
        distance = np.hypot((mm - centre) / size, across / 0.55)
        amplitude *= np.where(distance < 0.45, 2.2, np.where(distance < 1.0, 0.35, 1.0))
    wall = mm < capsule
    layers = 0.6 + 0.5 * np.sin(mm * rng.uniform(0.9, 1.3) + rng.uniform(0, 6))
    amplitude = np.where(wall, 1.1 * layers, amplitude)
    amplitude += 3.0 * np.exp(-(((mm - capsule) / 0.7) ** 2))
    diaphragm = depth * rng.uniform(0.82, 0.95) + 6 * smooth_noise((LINES,), (40.0,), rng)
    amplitude += 4.0 * np.exp(-(((mm - diaphragm) / 1.4) ** 2))
    return np.where(mm > diaphragm + 2, 0.5 * amplitude, amplitude).astype(np.float32)


def vessels(mm: NDArray[np.float32], depth: float, blur: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Makes anechoic tubes with soft borders: 1 outside and near 0 inside [SAMPLES, LINES].

    `mm` [SAMPLES, 1] is the depth of each sample, and `depth` that of the picture; `blur` of the walls is in mm too.
    """
    across = np.linspace(-1, 1, LINES, dtype=np.float32)[None, :]
    result = np.ones((SAMPLES, LINES), dtype=np.float32)
    for _ in range(rng.integers(2, 6)):
        slope = rng.uniform(-25, 25)
        middle = rng.uniform(0.3, 0.8) * depth + slope * across
        reach = np.exp(-(((across - rng.uniform(-0.8, 0.8)) / rng.uniform(0.15, 0.5)) ** 4))
        radius = rng.uniform(1.5, 4.0) * reach
        wall_distance = (np.abs(mm - middle) - radius) / blur
        result *= 1 - 0.9 * reach / (1 + np.exp(np.clip(wall_distance * 3, -30, 30)))
    return result


def point_spread(field: NDArray[np.float32]) -> NDArray[np.float32]:
    """Blurs scatterers [2, SAMPLES, LINES] into echoes of that shape: axially evenly, laterally more with depth."""
    field = gaussian_filter1d(field, 1.1, axis=1, truncate=3.0)
    near = gaussian_filter1d(field, 0.8, axis=2, truncate=3.0)
    far = gaussian_filter1d(field, 2.2, axis=2, truncate=3.0)
    share = np.linspace(0, 1, SAMPLES, dtype=np.float32)[:, None]
    return np.asarray(near * (1 - share) * 0.8 + far * share * 1.5, dtype=np.float32)


def bmode(scan: Scan, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draws one picture, grey levels [HEIGHT, WIDTH], black outside the sector."""
    depth = float(rng.choice(DEPTHS))
    scatterers = rng.standard_normal((2, SAMPLES, LINES), dtype=np.float32)
    echo = point_spread(scatterers * reflectivity(scan, depth, rng))
    envelope = np.hypot(echo[0], echo[1])
    mm = np.linspace(0, depth, SAMPLES, dtype=np.float32)[:, None]
    fat = scan.steatosis
    attenuation = np.exp(-(0.002 + 0.004 * max(fat, 0.0) + rng.uniform(0, 0.003)) * mm)
    envelope = envelope * attenuation * (1 + 0.25 * fat)
    if scan.shadow:
        envelope = envelope * shadow(rng)
    if scan.motion:
        envelope = gaussian_filter1d(envelope, 7.0, axis=1)
        envelope = gaussian_filter1d(envelope, 4.0, axis=0)
    decibel = 20 * np.log10(np.maximum(envelope, FLOOR))
    dynamic_range, gain = rng.uniform(50, 65), rng.uniform(-4, 4)
    grey = 255 * np.clip((decibel + gain + dynamic_range - 12) / dynamic_range, 0, 1)
    coordinates, inside = screen_coordinates(depth)
    screen = map_coordinates(grey, coordinates, order=1, mode="nearest")
    return np.where(inside, screen, 0).astype(np.uint8)


def shadow(rng: np.random.Generator) -> NDArray[np.float32]:
    """Draws rib shadows, one or two dark bands from a few millimetres down: 1 is full light [SAMPLES, LINES]."""
    lines = np.arange(LINES, dtype=np.float32)
    dark = np.zeros(LINES, dtype=np.float32)
    for _ in range(rng.integers(1, 3)):
        centre, width = rng.uniform(0.15, 0.85) * LINES, rng.uniform(14, 30)
        dark = np.maximum(dark, 1 / (1 + np.exp((np.abs(lines - centre) - width) / 2)))
    down = 1 / (1 + np.exp(-(np.arange(SAMPLES, dtype=np.float32) - 40) / 6))
    return np.asarray(1 - 0.97 * down[:, None] * dark[None, :], dtype=np.float32)
