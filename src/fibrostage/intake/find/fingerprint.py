"""What a picture is known by, whatever its grey levels: what stands out from its surroundings, place by place."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 24  # cells of a fingerprint: 576 bytes a picture
FINE = 2 * SIDE  # cells of the grid it is made on
DARK = 20.0  # grey levels: half the weight of a bright cell
FAINT = 3.0  # grey levels of contrast that are not to be blown up
SURROUNDINGS, CONTRAST, SOFT = 3.0, 6.0, 1.2  # widths in fine cells; SOFT lets cropped twins stay alike
UNIT = 24  # one standard deviation of a fingerprint

Print = NDArray[np.int8]  # [SIDE, SIDE]


def fingerprint(pixels: NDArray[np.uint8]) -> Print:
    """Returns what stands out where in a picture [H, W], [H, W, 1] or [H, W, 3], as int8 [24, 24]; all 0 where nothing
    does."""
    flat = pixels[:, :, 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
    image = Image.fromarray(flat).convert("L").convert("F")
    grey = np.asarray(image.resize((FINE, FINE), Image.Resampling.BOX), dtype=np.float32)
    weight = grey * grey / (grey * grey + DARK * DARK)
    around = smooth(weight * grey, SURROUNDINGS) / np.maximum(smooth(weight, SURROUNDINGS), 1e-3)
    detail = smooth(np.asarray(weight * (grey - around), dtype=np.float32), SOFT)
    contrast = np.sqrt(smooth(detail * detail, CONTRAST) / np.maximum(smooth(weight, CONTRAST), 1e-2))
    cells = (detail / (contrast + FAINT)).reshape(SIDE, 2, SIDE, 2).mean(axis=(1, 3))
    spread = float(cells.std())
    if spread < 1e-3:
        return np.zeros((SIDE, SIDE), dtype=np.int8)
    return np.clip(np.round((cells - cells.mean()) / spread * UNIT), -127, 127).astype(np.int8)


@lru_cache(maxsize=8)
def smoother(width: float) -> NDArray[np.float32]:
    """Returns Gaussian weights [48, 48] of a width in fine cells; each row sums to 1, at the borders too."""
    distance = np.subtract.outer(np.arange(FINE), np.arange(FINE))
    weights = np.exp(-0.5 * (distance / width) ** 2)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)


def smooth(grid: NDArray[np.float32], width: float) -> NDArray[np.float32]:
    """Smooths `grid` [48, 48] down and across by a Gaussian of `width` fine cells; returns [48, 48]."""
    return np.asarray(smoother(width) @ grid @ smoother(width).T, dtype=np.float32)
