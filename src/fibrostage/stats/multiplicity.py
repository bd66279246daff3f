"""Several tests at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fibrostage.ground.errors import StatisticsError


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Returns Holm's adjusted p-values (1979) [m] of `p_values` [m], in the order they came.

    Calling those at or below α significant keeps the family-wise error at or below α. Raises `StatisticsError` where
    the p-values are no vector, or one does not lie between 0 and 1.
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise StatisticsError(f"p-values lie between 0 and 1, got {p.tolist()}")
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, stepped)
    return adjusted
