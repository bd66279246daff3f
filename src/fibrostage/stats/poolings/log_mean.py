"""The normalised geometric mean: candidates multiply as independent opinions would, each with its share of a vote.

The log-probabilities of a candidate are a sum over its images, so their mean over all pairs is a sum of per-image
means.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fibrostage.stats.poolings.spec import Pooling


def logs(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-probabilities [n, K]; a probability of 0 counts as the least that a float32 tells from it."""
    return np.log(np.maximum(table, np.finfo(np.float32).tiny))


def normalised(means: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities [P, K] of mean log-probabilities [P, K]."""
    powers = np.exp(means - means.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


POOLING = Pooling("log_mean", "geometric mean of probabilities", logs, normalised)
