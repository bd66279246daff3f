"""Four simulated hospitals: each scanner's brightness, contrast and overlay, which say nothing of the stage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Site:
    """A hospital by name, its share of the patients, and its scanner: `gain` and `gamma` of the grey levels, and the
    `opacity` of the elastogram over them."""

    name: str
    share: float
    gain: float
    gamma: float
    opacity: float

    def developed(self, grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Grey levels [H, W] as this scanner shows them."""
        shown = 255 * self.gain * (grey / 255.0) ** self.gamma
        return np.asarray(np.clip(shown + 0.5, 0, 255), dtype=np.uint8)


SITES = (
    Site("A", 0.4, 1.0, 1.0, 0.50),
    Site("B", 0.3, 0.92, 1.1, 0.60),
    Site("C", 0.2, 0.85, 1.0, 0.42),
    Site("D", 0.1, 0.95, 1.1, 0.55),
)


def draw_sites(count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draws where each of `count` patients was examined: positions [count] in SITES."""
    return rng.choice(len(SITES), size=count, p=[site.share for site in SITES]).astype(np.int64)
