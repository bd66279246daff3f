"""Bootstrap over patients by counts: a resample is how often each patient occurs, not a copied table.

Patients are drawn within their stage, as pROC does, so every resample has every stage and no replicate is undefined.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.estimate import Estimate

Method = Literal["percentile", "bca"]

BLOCK_CELLS = 1 << 20  # resamples × patients held at once: 8 MB a table, whatever the study


def blocks(n: int, resamples: int) -> Iterator[int]:
    """Yields how many resamples of `n` patients to hold in memory at once, until there are `resamples` of them.

    Raises `StatisticsError` where `resamples` is less than 1.
    """
    if resamples < 1:
        raise StatisticsError(f"a bootstrap needs one resample or more, got {resamples}")
    size = max(1, BLOCK_CELLS // max(n, 1))
    for start in range(0, resamples, size):
        yield min(size, resamples - start)


def stratified_counts(strata: NDArray[np.int64], resamples: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draws rows with replacement within strata and counts how often each occurs in each resample: [resamples, n].

    `strata` [n] is the stratum of each row.
    """
    counts = np.empty((resamples, len(strata)), dtype=np.float32)
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        counts[:, members] = drawn(len(members), resamples, rng)
    return counts


def drawn(size: int, resamples: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draws `size` of `size` items with replacement, `resamples` times, and counts each: [resamples, size]."""
    picks = rng.integers(0, size, size=(resamples, size), dtype=np.int32).astype(np.int64)
    picks += np.arange(resamples)[:, None] * size
    return np.bincount(picks.ravel(), minlength=resamples * size).reshape(resamples, size)


def interval(
    value: float,
    replicates: NDArray[np.float64],
    confidence: float,
    method: Method,
    influences: Callable[[], list[NDArray[np.float64]]],
) -> Estimate:
    """Makes a percentile or BCa interval of `value` from its bootstrap `replicates` [resamples].

    For BCa alone, `influences` returns the jackknife influence values of each stratum, a vector [patients of the
    stratum] each. BCa follows Efron 1987, for several strata Davison & Hinkley 1997 (eq. 5.31). There is no interval,
    and `why` says so, where all replicates are equal or, for BCa, on one side of the value. Raises `StatisticsError`
    where `method` is unknown.
    """
    if replicates.min() == replicates.max():
        return Estimate(value, None, None, "every resample gives the same: no bootstrap interval")
    tail = (1 - confidence) / 2
    probabilities = np.array([tail, 1 - tail])
    if method == "bca":
        below = (np.sum(replicates < value) + np.sum(replicates == value) / 2) / len(replicates)
        if not 0 < below < 1:
            return Estimate(value, None, None, "every replicate is on one side: no BCa interval")
        bias = ndtri(below)
        strata = influences()
        cubes = sum(float(np.sum(own**3)) / len(own) ** 3 for own in strata)
        squares = sum(float(np.sum(own**2)) / len(own) ** 2 for own in strata)
        acceleration = cubes / (6 * squares**1.5) if squares > 0 else 0.0
        z = bias + ndtri(probabilities)
        probabilities = ndtr(bias + z / (1 - acceleration * z))
    elif method != "percentile":
        raise StatisticsError(f"bootstrap method {method!r} is not known; give 'percentile' or 'bca'")
    lo, hi = np.quantile(replicates, probabilities)
    return Estimate(value, float(lo), float(hi))
