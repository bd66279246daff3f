"""Least confidence: one minus the probability of the likeliest stage (Lewis & Gale 1994)."""

import numpy as np

from fibrostage.active.strategies.spec import Strategy

STRATEGY = Strategy(
    "least_confidence", "Least confidence", "passes", lambda known: 1 - known.stages().max(axis=1).astype(np.float64)
)
