"""Power: log score + Gumbel / β, a draw with chances ∝ scoreᵝ without replacement (Kirsch et al. 2023).

The top of a pool is the same item many times over; a draw keeps the preference and breaks the repetition.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fibrostage.active.modifiers.spec import Modifier


def reweigh(scores: NDArray[np.float64], noise: NDArray[np.float64], coldness: float) -> NDArray[np.float64]:
    """Returns the logarithms of the scores [n], with standard Gumbel `noise` [n] over `coldness` (β) added, [n].

    A score of zero counts as the smallest normal float64, so that its logarithm is finite.
    """
    logs = np.log(np.maximum(scores, np.finfo(np.float64).tiny))
    return np.asarray(logs + noise / coldness)


MODIFIER = Modifier("power", "power", reweigh)
