"""How much colour a pixel has beyond the tint that a scanner gives its grey picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fibrostage.ground.kernels import compiled
from fibrostage.intake.find.masks import codes_of

COLOURED = 24  # a pixel with more strength than this is coloured; JPEG's chroma noise stays below
VARIES = 2  # grey levels between neighbours that tissue has and flat ground has not
GRAIN = 4  # grey levels between neighbours that are of tissue, and not noise of coding
DARK = 40  # the background of pictures and interfaces alike is up to here
ICON = 0.3  # share of one colour in what is drawn rather than seen

Tint = tuple[float, float, float]  # grey's red, green and blue, the largest of them 1


def tint_of(pixels: NDArray[np.uint8]) -> Tint:
    """Returns the direction of the grey in RGB pixels [H, W, 3]: the median colour of the lit, pale pixels that vary,
    as tissue does; (1, 1, 1) where there are too few."""
    part = pixels[::8, :-1:8].reshape(-1, 3).astype(np.float32)
    varies = np.abs(part - pixels[::8, 1::8].reshape(-1, 3)).max(axis=1) >= GRAIN
    most = part.max(axis=1)
    pale = part[varies & (most > 50) & (most < 245) & (part.min(axis=1) > 0.65 * most)]
    if len(pale) < 40:
        return (1.0, 1.0, 1.0)
    red, green, blue = np.median(pale / pale.max(axis=1, keepdims=True), axis=0).round(3)
    return float(red), float(green), float(blue)


def colour_strength(pixels: NDArray[np.uint8], tint: Tint) -> NDArray[np.uint8]:
    """Returns the strength [H, W] of each pixel's colour in grey levels: its largest channel less its smallest, after
    each was divided by its tint. `pixels` is RGB [H, W, 3]."""
    scales = np.array([256.0 / max(share, 0.5) for share in tint]).round().astype(np.int32)
    return strengths(np.ascontiguousarray(pixels), scales)


@compiled()
def strengths(p, scales):  # type: ignore[no-untyped-def]
    """Does the work of `colour_strength`: pixels `p` [H, W, 3] uint8 with each channel times `scales` [3] / 256,
    largest less smallest [H, W]."""
    height, width = p.shape[0], p.shape[1]
    result = np.empty((height, width), np.uint8)
    for y in range(height):
        for x in range(width):
            red = (np.int32(p[y, x, 0]) * scales[0]) >> 8
            green = (np.int32(p[y, x, 1]) * scales[1]) >> 8
            blue = (np.int32(p[y, x, 2]) * scales[2]) >> 8
            result[y, x] = min(max(red, green, blue) - min(red, green, blue), 255)
    return result


def is_icon(ground: NDArray[np.uint8], lossy: bool) -> bool:
    """Says whether more than a share ICON of pixels [n, 3] is of one lit colour, as in drawn things and not in
    pictures; `lossy` takes colours that JPEG may have made of one for the same."""
    lit = ground[ground.max(axis=1) > DARK]
    codes = codes_of(lit[None], 3 if lossy else 0)
    return codes.size > 0 and bool(np.unique(codes, return_counts=True)[1].max() > ICON * len(ground))


def share_that_varies(strips: Sequence[NDArray[np.uint8]]) -> float:
    """Returns the share of steps between neighbours that are large enough for tissue and too large for flat ground,
    along strips of pixels [n, 3]."""
    steps = [np.abs(np.diff(strip.astype(np.int16), axis=0)).max(axis=1) for strip in strips if len(strip) > 1]
    return float((np.concatenate(steps) >= VARIES).mean()) if steps else 0.0
