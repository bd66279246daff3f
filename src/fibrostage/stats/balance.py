"""How far two groups of patients differ in something known of them: the standardised mean difference (SMD).

Of an amount |mean₁ − mean₂| over the root of the mean variance (Cohen 1988, Austin 2009); of kinds the Mahalanobis
distance of their shares (Yang & Dalton 2012). It does not grow with the number of patients, as a p-value does; 0.1 is
the usual limit of what is worth a remark, and small groups exceed it by chance.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike


def smd_of_amounts(first: ArrayLike, second: ArrayLike) -> float | None:
    """The SMD of two groups' values [n] and [m]; None where a group has fewer than two, or neither has any spread."""
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if min(len(a), len(b)) < 2:
        return None
    spread = (a.var(ddof=1) + b.var(ddof=1)) / 2
    return float(abs(a.mean() - b.mean()) / math.sqrt(spread)) if spread > 0 else None


def smd_of_kinds(first: ArrayLike, second: ArrayLike) -> float | None:
    """The SMD of two groups' counts [K] of the same K kinds; None where a group has nobody, or there is one kind."""
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if not a.sum() or not b.sum() or len(a) < 2:
        return None
    p, q = (a / a.sum())[1:], (b / b.sum())[1:]
    spread = (np.diag(p) - np.outer(p, p) + np.diag(q) - np.outer(q, q)) / 2
    apart = p - q
    return float(math.sqrt(max(0.0, apart @ np.linalg.pinv(spread) @ apart)))
