"""How far two groups of patients differ in something known of them: the standardised mean difference (SMD).

Of an amount |mean₁ − mean₂| over the root of the mean variance (Cohen 1988, Austin 2009); of kinds the Mahalanobis
distance of their shares (Yang & Dalton 2012). It does not grow with the number of patients, as a p-value does; 0.1 is
the usual limit of what is worth a remark, and small groups exceed it by chance.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.estimate import Estimate, quantile


def smd_of_amounts(first: ArrayLike, second: ArrayLike) -> float | None:
    """The SMD of two groups' values [n] and [m]; None where a group has fewer than two, or neither has any spread."""
    try:
        return abs(difference_of(first, second))
    except StatisticsError:
        return None


def smd_with_interval(first: ArrayLike, second: ArrayLike, confidence: float = 0.95) -> Estimate:
    """The SMD of the second group's values [m] against the first's [n], positive where they are larger, with Hedges and
    Olkin's interval (1985).

    Raises `StatisticsError` where one has fewer than two values, or neither has spread.
    """
    d, n, m = difference_of(first, second), len(np.asarray(first)), len(np.asarray(second))
    half = quantile(confidence) * math.sqrt((n + m) / (n * m) + d * d / (2 * (n + m)))
    return Estimate(d, d - half, d + half)


def difference_of(first: ArrayLike, second: ArrayLike) -> float:
    """The mean of the second group's values [m] less the first's [n], in the root of their mean variance; raises
    `StatisticsError` where one has fewer than two values, or neither has spread."""
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if min(len(a), len(b)) < 2:
        raise StatisticsError(f"a standardised difference needs two values on either side, got {len(a)} and {len(b)}")
    spread = (a.var(ddof=1) + b.var(ddof=1)) / 2
    if not spread > 0:
        raise StatisticsError("a standardised difference needs spread")
    return float((b.mean() - a.mean()) / math.sqrt(spread))


def smd_of_kinds(first: ArrayLike, second: ArrayLike) -> float | None:
    """The SMD of two groups' counts [K] of the same K kinds; None where a group has nobody, or there is one kind."""
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if not a.sum() or not b.sum() or len(a) < 2:
        return None
    p, q = (a / a.sum())[1:], (b / b.sum())[1:]
    spread = (np.diag(p) - np.outer(p, p) + np.diag(q) - np.outer(q, q)) / 2
    apart = p - q
    return float(math.sqrt(max(0.0, apart @ np.linalg.pinv(spread) @ apart)))
