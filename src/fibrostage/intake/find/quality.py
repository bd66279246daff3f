"""Whether a stored picture is worth reading: plain measures, and a plan's floors under them.

`sharpness` is the mean absolute Laplacian over the standard deviation of the lit part: motion and lost contact smear
it. `fill` is the share of the elastogram's region that carries colour: a scanner leaves blank what it could not
measure. `lit` is the share of the picture's lower half that shows anything: a shadow takes it away. `saturated` is the
share at full white, which has a ceiling instead.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fibrostage.cohort.tables import GOOD
from fibrostage.plan.intake import QualityPlan

DARK = 12  # grey levels up to here show nothing
WHITE = 250  # grey levels from here are full white
FLOORS = ("sharpness", "fill", "lit")
COLOURED = 40  # between the largest and the smallest channel


@dataclass(frozen=True)
class Quality:
    """The measures of one picture; `fill` is None where there is no region of colour to fill."""

    sharpness: float
    lit: float
    fill: float | None = None
    saturated: float = 0.0

    def verdict(self, floors: QualityPlan) -> str | None:
        """GOOD, or the first measure that is below its floor or above its ceiling; None where the plan has neither."""
        judged = {name: getattr(self, name) for name in FLOORS if getattr(floors, name) > 0}
        low = [name for name, value in judged.items() if value is not None and value < getattr(floors, name)]
        if low:
            return f"low {low[0]}"
        if floors.saturated < 1:
            return "saturated" if self.saturated > floors.saturated else GOOD
        return GOOD if any(value is not None for value in judged.values()) else None


Area = tuple[int, int, int, int]  # x, y, width, height in stored pixels


def measure(pixels: NDArray[np.uint8], region: Area | None = None, picture: Area | None = None) -> Quality:
    """Measures stored pixels [S, S, C]: `region` is the box of an elastogram, `picture` what is no padding, both in
    stored pixels."""
    grey = pixels.astype(np.float32).mean(axis=2)
    lit = grey > DARK
    x, y, width, height = picture or (0, 0, pixels.shape[1], pixels.shape[0])
    lower = lit[y + height // 2 : y + height, x : x + width]
    return Quality(
        sharpness_of(grey, lit),
        float(lower.mean()) if lower.size else 0.0,
        fill_of(pixels, region),
        float((grey >= WHITE).mean()),
    )


def sharpness_of(grey: NDArray[np.float32], lit: NDArray[np.bool_]) -> float:
    """Returns the mean absolute Laplacian of `grey` [S, S] over its standard deviation, both where `lit` [S, S]; 0
    where nothing varies."""
    inner = grey[1:-1, 1:-1]
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    seen = lit[1:-1, 1:-1]
    if seen.sum() < 2:
        return 0.0
    spread = float(inner[seen].std())
    return float(np.abs(4 * inner - around)[seen].mean()) / spread if spread > 0 else 0.0


def fill_of(pixels: NDArray[np.uint8], region: Area | None) -> float | None:
    """Returns the share of a region of stored pixels [S, S, C] that carries colour; None without a region or colour."""
    if region is None or pixels.shape[2] != 3:
        return None
    x, y, width, height = region
    box = pixels[max(0, y) : y + height, max(0, x) : x + width].astype(np.int16)
    return float((box.max(axis=2) - box.min(axis=2) > COLOURED).mean()) if box.size else 0.0
