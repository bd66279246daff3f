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

from fibrostage.ground.geometry import Rectangle
from fibrostage.ground.kernels import compiled
from fibrostage.ground.quantities import kpa_from_speed
from fibrostage.intake.find.colour import Tint, tint_of
from fibrostage.intake.find.colour_bar import Bar

POINTS = 256  # of the bar's curve
FAINT = 14.0  # below this a colour says nothing
MISFIT = 18.0  # grey levels from the curve; such a pixel is text, a mark, or another map's
MOST_MISFIT = 0.35  # share of the coloured pixels
LEAST_FILLED = 0.05
LEAST_FILLED_LOSSY = 0.5  # JPEG gives parts of a white map, and what lies beside its frame, some colour
EDGE = 3  # pixels of the box that its frame may take
ENOUGH = 5000  # pixels of a map that its figures are taken from
LEANING = 20.0  # how much the likely opacity counts, grey levels a unit squared
SURE = 0.15  # a likely opacity farther off than this counts no more
WASHED = 0.25  # by which colours may be weaker than the grain under them says
NO_COLOUR = "the map in its box is white or nearly without colour"
DARK = 16  # grey levels without grain
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


def read_stiffness(
    pixels: NDArray[np.uint8], box: Rectangle, bar: Bar, scale: Scale, lossy: bool = False, tint: Tint | None = None
) -> Stiffness:
    """Reads the stiffness of the map in `box` of RGB pixels [H, W, 3].

    Raises `MisfitError` where the box is too small, too little of it is coloured, its colours are washed out, too many
    of them are not the bar's, or its median is 0 kPa.
    """
    inner = pixels[box.y + EDGE : box.bottom - EDGE, box.x + EDGE : box.right - EDGE]
    if min(inner.shape[:2]) < 8:
        raise MisfitError(f"the box {box.width}×{box.height} is too small to read")
    thinned = max(1, round((inner.shape[0] * inner.shape[1] / ENOUGH) ** 0.5))
    part = inner[::thinned, ::thinned].astype(np.float32)
    basis = grey_free(tuple(round(share, 2) for share in tint or tint_of(pixels)))
    flat = part @ basis.T  # [h, w, 2]
    curve = resampled(bar.colours) @ basis.T
    coloured = np.hypot(flat[..., 0], flat[..., 1]) > FAINT
    least = LEAST_FILLED_LOSSY if lossy else LEAST_FILLED
    if coloured.mean() < least:
        after = " after JPEG" if lossy else ""
        raise MisfitError(f"{coloured.mean():.0%} of the box is coloured; at least {least:.0%} are needed{after}")
    likely = likely_opacity(pixels, box, coloured, thinned)
    fitted = fitted_opacity(flat[coloured], curve, likely)
    if likely is not None and fitted < likely - WASHED:
        raise MisfitError(f"{NO_COLOUR}: its colours are those of opacity {fitted:.2f}, its grain that of {likely:.2f}")
    opacity = scale.opacity or fitted
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


@lru_cache(maxsize=64)
def grey_free(direction: tuple[float, ...]) -> NDArray[np.float32]:
    """Returns two directions [2, 3] at right angles to the picture's grey, which a scanner may tint."""
    _, _, rows = np.linalg.svd(np.array([direction]))
    return np.asarray(rows[1:], dtype=np.float32)


def resampled(colours: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns a bar's colours [n, 3] at POINTS even places [POINTS, 3]."""
    at, wanted = np.linspace(0, 1, len(colours)), np.linspace(0, 1, POINTS)
    return np.stack([np.interp(wanted, at, colours[:, c]) for c in range(3)], axis=1).astype(np.float32)


def likely_opacity(
    pixels: NDArray[np.uint8], box: Rectangle, coloured: NDArray[np.bool_], thinned: int
) -> float | None:
    """Returns the opacity that the grain tells: what the overlay leaves of it, against the grain around the box; None
    where there is none.

    A map is smooth, so steps from pixel to pixel are the tissue's, times 1 − o. `pixels` is [H, W, 3], `coloured`
    [h, w] of every `thinned`-th pixel of the box within its EDGE.
    """
    reach = max(8, min(box.width, box.height) // 4)
    top, left = max(0, box.y - reach), max(0, box.x - reach)
    grey = pixels[top : box.bottom + reach, left : box.right + reach].min(axis=2).astype(np.float32)
    steps = np.abs(np.diff(grey, axis=1))
    y, x = box.y - top, box.x - left
    inner = steps[y + EDGE : y + box.height - EDGE, x + EDGE : x + box.width - EDGE][::thinned, ::thinned]
    inside = inner[coloured[: inner.shape[0], : inner.shape[1]]]
    steps[max(0, y - 2) : y + box.height + 2, max(0, x - 3) : x + box.width + 3] = np.nan
    steps[grey[:, 1:] < DARK] = np.nan
    around = steps[np.isfinite(steps)]
    if len(around) < 200 or len(inside) < 200 or around.mean() < 1:
        return None
    within, beyond = (float(np.sort(part)[: int(0.8 * len(part))].mean()) for part in (inside, around))
    return float(np.clip(1 - within / beyond, OPACITIES[0], OPACITIES[-1]))


def fitted_opacity(colours: NDArray[np.float32], curve: NDArray[np.float32], likely: float | None) -> float:
    """Returns the opacity under which the colours lie nearest to the bar's; where several do, the likely one.

    Colours of one hue and different brightness, which many maps begin or end with, fit at any opacity. `colours` [n, 2]
    and `curve` [POINTS, 2] have the grey projected out.
    """
    sample = np.ascontiguousarray(colours[:: max(1, len(colours) // 400)])
    costs = np.array([np.minimum(looked_up(sample, curve[::2], o)[1], MISFIT).mean() for o in OPACITIES])
    if likely is not None:
        costs += LEANING * np.minimum((OPACITIES - likely) ** 2, SURE**2)
    return float(OPACITIES[int(np.argmin(costs))])


def looked_up(
    colours: NDArray[np.float32], curve: NDArray[np.float32], opacity: float
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Returns for each of `colours` [n, 2] the index [n] of the nearest point of the bar's `curve` [m, 2] at an
    opacity, and how far it is [n] in grey levels; both have the grey projected out."""
    found, distance = nearest_points(np.ascontiguousarray(colours), np.float32(opacity) * curve)
    return found, distance


@compiled()
def nearest_points(colours, curve):  # type: ignore[no-untyped-def]
    """Returns for each of `colours` [n, 2] the index [n] of the nearest point of a `curve` [m, 2], and its distance
    [n]."""
    index = np.empty(len(colours), np.int64)
    distance = np.empty(len(colours), np.float32)
    for at in range(len(colours)):
        best, least = 0, np.float32(1e12)
        for point in range(len(curve)):
            first, second = colours[at, 0] - curve[point, 0], colours[at, 1] - curve[point, 1]
            squared = first * first + second * second
            if squared < least:
                best, least = point, squared
        index[at], distance[at] = best, np.sqrt(least)
    return index, distance


def fill_pale(
    values: NDArray[np.float32],
    part: NDArray[np.float32],
    coloured: NDArray[np.bool_],
    bar: Bar,
    opacity: float,
) -> None:
    """Gives pixels without colour the bar's pale stretch, where it has one inside and they are bright enough. `values`
    [h, w] (0–1 of the bar, NaN for none) is changed in place; `part` is RGB [h, w, 3], `coloured` [h, w]."""
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
    """Sums up a map in kPa. `values` [h, w] are 0–1 of the bar, NaN where nothing is shown, and `distance` [n] how far
    its coloured pixels lie from the bar's curve, in grey levels. Raises `MisfitError` where the median is 0 kPa."""
    shown = np.isfinite(values)
    filled = float(shown.mean())
    if lossy:  # subsampled chroma smears the borders of drop-outs
        shown &= ndimage.binary_erosion(shown, np.ones((3, 3)), iterations=1, border_value=1)
    share = values[shown] if shown.sum() >= 32 else values[np.isfinite(values)]
    kpa = share * scale.top if scale.unit == "kPa" else kpa_from_speed(1.0) * (share * scale.top) ** 2
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
