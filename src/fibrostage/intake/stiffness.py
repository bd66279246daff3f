"""From an elastogram's colours back to kPa, by the colour bar that stands beside it.

A scanner mixes a map over B-mode: pixel = (1 − o)·grey + o·C(v). Grey has one direction in colour space, so projecting
that direction out leaves o·C(v) without knowing what lay underneath; the place on the bar's own projected curve that is
nearest gives v, and its distance is the residual. Every bar that fits badly, and every map that is mostly something
else, is refused. Colours whose projection is nearly nothing (white in the middle of a map) are told from a drop-out by
their brightness: grey under white cannot be darker than o·255.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from fibrostage.intake.colourbar import Bar
from fibrostage.intake.labels import Roi

POINTS = 512  # of the bar's curve
REACH = 256  # the plane of colours is tabulated from −REACH to REACH
CELL = 2  # grey levels a cell
FAINT = 14.0  # below this a colour says nothing
MISFIT = 18.0  # grey levels from the curve; such a pixel is text, a mark, or another map's
MOST_MISFIT = 0.35  # share of the coloured pixels
LEAST_FILLED = 0.05
EDGE = 3  # pixels of the box that its frame may take
OPACITIES = np.arange(0.2, 1.001, 0.02)


@dataclass(frozen=True)
class Scale:
    """What a bar's ends mean: 0 at the bottom to `top` at its top, in kPa or m/s (then E = 3ρc², ρ = 1 g/mL)."""

    top: float
    unit: str = "kPa"
    opacity: float | None = None


@dataclass(frozen=True)
class Stiffness:
    """What one elastogram says, in kPa. `filled` is the coloured share of the box, `iqr` IQR/median, `residual` the
    median distance of its colours from the bar's (grey levels), `saturated` the share at the bar's top."""

    median: float
    mean: float
    sd: float
    iqr: float
    filled: float
    residual: float
    saturated: float
    opacity: float


class MisfitError(Exception):
    """Why no stiffness was read; the picture itself may be good."""


def read_stiffness(pixels: NDArray[np.uint8], box: Roi, bar: Bar, scale: Scale, lossy: bool = False) -> Stiffness:
    """The stiffness of the map in `box`; raises `MisfitError`."""
    part = pixels[box.y + EDGE : box.y + box.height - EDGE, box.x + EDGE : box.x + box.width - EDGE].astype(np.float32)
    if min(part.shape[:2]) < 8:
        raise MisfitError(f"the box {box.width}×{box.height} is too small to read")
    basis = plane(pixels, box)
    flat = part @ basis.T  # [h, w, 2]
    curve = resampled(bar.colours) @ basis.T
    coloured = np.hypot(flat[..., 0], flat[..., 1]) > FAINT
    if coloured.mean() < LEAST_FILLED:
        raise MisfitError(f"{coloured.mean():.0%} of the box is coloured; at least {LEAST_FILLED:.0%} are needed")
    opacity = scale.opacity or fitted_opacity(flat[coloured], curve)
    index, distance = looked_up(flat[coloured], curve, opacity)
    fits = distance <= MISFIT
    if (~fits).mean() > MOST_MISFIT:
        raise MisfitError(
            f"{(~fits).mean():.0%} of its colours are not the colour bar's (opacity {opacity:.2f}); "
            f"at most {MOST_MISFIT:.0%} may be"
        )
    values = np.full(part.shape[:2], np.nan, dtype=np.float32)
    values[coloured] = np.where(fits, index / (POINTS - 1), np.nan)
    fill_pale(values, part, coloured, bar, opacity)
    return summary(values, distance[fits], scale, opacity, lossy)


def plane(pixels: NDArray[np.uint8], box: Roi) -> NDArray[np.float32]:
    """Two directions [2, 3] at right angles to the picture's grey, which a scanner may tint."""
    around = pixels[::4, ::4].reshape(-1, 3).astype(np.float32)
    spread = around.max(axis=1) - around.min(axis=1)
    grey = around[(around.max(axis=1) > 60) & (around.max(axis=1) < 250) & (spread < 0.22 * around.max(axis=1))]
    direction = np.median(grey / grey.max(axis=1, keepdims=True), axis=0) if len(grey) > 50 else np.ones(3)
    return grey_free(tuple(np.round(direction, 2).tolist()))


@lru_cache(maxsize=64)
def grey_free(direction: tuple[float, ...]) -> NDArray[np.float32]:
    _, _, rows = np.linalg.svd(np.array([direction]))
    return np.asarray(rows[1:], dtype=np.float32)


def resampled(colours: NDArray[np.float32]) -> NDArray[np.float32]:
    """A bar's colours at POINTS even places."""
    at, wanted = np.linspace(0, 1, len(colours)), np.linspace(0, 1, POINTS)
    return np.stack([np.interp(wanted, at, colours[:, c]) for c in range(3)], axis=1).astype(np.float32)


def fitted_opacity(colours: NDArray[np.float32], curve: NDArray[np.float32]) -> float:
    """The opacity under which the colours lie nearest to the bar's."""
    sample = colours[:: max(1, len(colours) // 600)]
    costs = []
    for opacity in OPACITIES:
        distance, _ = cKDTree(opacity * curve).query(sample)
        costs.append(float(np.minimum(distance, MISFIT).mean()))
    return float(OPACITIES[int(np.argmin(costs))])


def looked_up(
    colours: NDArray[np.float32], curve: NDArray[np.float32], opacity: float
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The nearest point of the curve, and how far it is."""
    distance, index = cKDTree(opacity * curve).query(colours)
    return index, np.asarray(distance, dtype=np.float32)


def fill_pale(
    values: NDArray[np.float32],
    part: NDArray[np.float32],
    coloured: NDArray[np.bool_],
    bar: Bar,
    opacity: float,
) -> None:
    """Gives pixels without colour the bar's pale stretch, where it has one inside and they are bright enough."""
    curve = resampled(bar.colours)
    spread = curve.max(axis=1) - curve.min(axis=1)
    pale = np.flatnonzero((spread * opacity < FAINT) & (curve.min(axis=1) > 150))
    if not len(pale):
        return
    least = opacity * curve[pale].min()
    place = float(np.median(pale)) / (POINTS - 1)
    seen = ndimage.uniform_filter(np.isfinite(values).astype(np.float32), 9) > 0.2
    values[~coloured & (part.min(axis=2) >= least) & seen] = place


def summary(
    values: NDArray[np.float32], distance: NDArray[np.float32], scale: Scale, opacity: float, lossy: bool
) -> Stiffness:
    shown = np.isfinite(values)
    filled = float(shown.mean())
    if lossy:  # subsampled chroma smears the borders of drop-outs
        shown &= ndimage.binary_erosion(shown, np.ones((3, 3)), iterations=1, border_value=1)
    share = values[shown] if shown.sum() >= 32 else values[np.isfinite(values)]
    kpa = share * scale.top if scale.unit == "kPa" else 3 * (share * scale.top) ** 2
    low, median, high = (float(v) for v in np.percentile(kpa, [25, 50, 75]))
    if median <= 0:
        raise MisfitError("its median is 0 kPa")
    return Stiffness(
        median=median,
        mean=float(kpa.mean()),
        sd=float(kpa.std()),
        iqr=(high - low) / median,
        filled=filled,
        residual=float(np.median(distance)),
        saturated=float((share >= 0.99).mean()),
        opacity=opacity,
    )
