"""Gumbel: score + Gumbel / β, a draw with chances ∝ e^(β · score) without replacement (Kirsch et al. 2023)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fibrostage.active.modifiers.spec import Modifier


def reweigh(scores: NDArray[np.float64], noise: NDArray[np.float64], coldness: float) -> NDArray[np.float64]:
    """Returns the scores [n] with standard Gumbel `noise` [n] over `coldness` (β) added, [n].

    The larger β, the closer this is to picking the highest scores.
    """
    return np.asarray(scores + noise / coldness)


MODIFIER = Modifier("gumbel", "Gumbel", reweigh)
