"""Ordinal variance: the expected squared error in stages, Var[k] under the predicted probabilities.

Entropy holds F0-or-F1 to be as uncertain as F0-or-F4; here the second is sixteen times worse.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fibrostage.active.strategies.spec import Known, Strategy


def score(known: Known) -> NDArray[np.float64]:
    """Returns the variance [n] of the stage's number under the predicted probabilities, in stages squared."""
    p = known.stages().astype(np.float64)
    stages = np.arange(p.shape[1])
    mean = p @ stages
    return np.asarray((p * (stages - mean[:, None]) ** 2).sum(axis=1))


STRATEGY = Strategy("ordinal_variance", "Ordinal variance", "passes", score)
