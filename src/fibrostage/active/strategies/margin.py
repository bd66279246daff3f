"""Margin: how close the two likeliest stages are (Scheffer et al. 2001), as 1 − (p₁ − p₂)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fibrostage.active.strategies.spec import Known, Strategy


def score(known: Known) -> NDArray[np.float64]:
    """Returns 1 − (p₁ − p₂) [n], from 0 where one stage is certain to 1 where the two likeliest are equally likely."""
    two = np.partition(known.stages(), -2, axis=1)[:, -2:].astype(np.float64)
    return np.asarray(1 - (two[:, 1] - two[:, 0]))


STRATEGY = Strategy("margin", "Margin", "passes", score)
