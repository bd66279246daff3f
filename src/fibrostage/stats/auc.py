"""The area under the ROC curve, its DeLong variance, and the curve itself.

AUC = P(score of a positive > score of a negative) + ½ P(equal), by midranks in O(n log n); DeLong's variance
(DeLong et al. 1988) from the same midranks after Sun & Xu 2014, so nothing of size positives × negatives is built.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, rankdata

from fibrostage.errors import StatisticsError
from fibrostage.stats.estimate import Estimate


@dataclass(frozen=True)
class RocCurve:
    """False- and true-positive rates at every distinct threshold (score ≥ threshold), from (0, 0) to (1, 1)."""

    fpr: NDArray[np.float64]
    tpr: NDArray[np.float64]
    thresholds: NDArray[np.float64]


def check_binary(positive: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Labels and scores as arrays; raises `StatisticsError` when no ROC exists for them."""
    labels = np.asarray(positive, dtype=bool)
    values = np.asarray(scores, dtype=np.float64)
    if labels.ndim != 1 or values.shape != labels.shape:
        raise StatisticsError(f"labels and scores must be equally long vectors, got {labels.shape} and {values.shape}")
    if not np.isfinite(values).all():
        raise StatisticsError(f"{int((~np.isfinite(values)).sum())} of {len(values)} scores are not finite")
    positives = int(labels.sum())
    if positives == 0 or positives == len(labels):
        raise StatisticsError(
            f"an AUC needs positives and negatives, got {positives} positives and {len(labels) - positives} negatives"
        )
    return labels, values


def auc(positive: ArrayLike, scores: ArrayLike) -> float:
    """The AUC alone."""
    labels, values = check_binary(positive, scores)
    m = int(labels.sum())
    ranks = rankdata(values)
    return float((ranks[labels].sum() - m * (m + 1) / 2) / (m * (len(labels) - m)))


def placements(
    labels: NDArray[np.bool_], values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """DeLong's structural components: V10 per positive, V01 per negative; each averages to the AUC."""
    positives, negatives = values[labels], values[~labels]
    m, n = len(positives), len(negatives)
    ranks = rankdata(values)
    v10 = (ranks[labels] - rankdata(positives)) / n
    v01 = 1 - (ranks[~labels] - rankdata(negatives)) / m
    return v10, v01


def auc_interval(positive: ArrayLike, scores: ArrayLike, confidence: float = 0.95) -> Estimate:
    """AUC with DeLong's normal interval, cut to [0, 1]; needs two positives and two negatives."""
    labels, values = check_binary(positive, scores)
    m, n = int(labels.sum()), int((~labels).sum())
    if min(m, n) < 2:
        raise StatisticsError(f"the variance of an AUC needs two positives and two negatives, got {m} and {n}")
    v10, v01 = placements(labels, values)
    value = float(v10.mean())
    variance = float(v10.var(ddof=1) / m + v01.var(ddof=1) / n)
    half = float(norm.ppf(0.5 + confidence / 2)) * math.sqrt(variance)
    return Estimate(value, max(0.0, value - half), min(1.0, value + half))


def roc_curve(positive: ArrayLike, scores: ArrayLike) -> RocCurve:
    """The empirical ROC curve."""
    labels, values = check_binary(positive, scores)
    order = np.argsort(-values, kind="stable")
    labels, values = labels[order], values[order]
    last = np.flatnonzero(np.append(np.diff(values) != 0, True))
    tp = np.cumsum(labels)[last]
    fp = last + 1 - tp
    return RocCurve(
        np.concatenate([[0.0], fp / fp[-1]]),
        np.concatenate([[0.0], tp / tp[-1]]),
        np.concatenate([[np.inf], values[last]]),
    )
