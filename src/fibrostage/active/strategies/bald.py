"""BALD: what the passes disagree about, entropy of their mean minus mean of their entropies (Houlsby et al. 2011).

It is ESD without the part that every pass agrees is noise, and costs one logarithm a pass and candidate more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fibrostage.active.strategies.spec import Known, Strategy, entropy


def score(known: Known) -> NDArray[np.float64]:
    """Returns the mutual information [n] of stage and dropout mask, in nats."""
    return np.maximum(entropy(known.stages()) - known.within(), 0.0)  # never negative but for rounding


STRATEGY = Strategy("bald", "BALD", "entropies", score, of_dropout=True)
