"""Decision curves (Vickers & Elkin 2006): is acting on a probability better than treating all, or none?

Net benefit at a threshold t is TP/n − FP/n · t/(1 − t): false positives weighed by the odds at which a clinician
would be indifferent. It is a mean of one number a patient, which gives its interval.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.auc import check_labels
from fibrostage.stats.calibration import check_probabilities
from fibrostage.stats.estimate import quantile


@dataclass(frozen=True)
class DecisionCurve:
    """Net benefit [T] at thresholds [T] with its interval [T], and that of treating everybody [T]; nobody's is zero."""

    thresholds: NDArray[np.float64]
    net_benefit: NDArray[np.float64]
    lo: NDArray[np.float64]
    hi: NDArray[np.float64]
    treat_all: NDArray[np.float64]
    n: int


def decision_curve(
    positive: ArrayLike, probabilities: ArrayLike, thresholds: ArrayLike, confidence: float = 0.95
) -> DecisionCurve:
    """Computes the net benefit of treating patients whose probability is ≥ a threshold, for `thresholds` [T].

    `positive` [n] are labels and `probabilities` [n] lie in 0–1; rows are patients. Raises `StatisticsError` where a
    threshold does not lie in [0, 1), lengths differ, a label is not true or false (1 or 0), a probability lies outside
    0–1, or `confidence` does not lie between 0 and 1.
    """
    labels = check_labels(positive)
    p = check_probabilities(probabilities, len(labels))
    grid = np.asarray(thresholds, dtype=np.float64)
    if grid.ndim != 1 or not ((grid >= 0) & (grid < 1)).all():
        raise StatisticsError(f"decision thresholds lie in [0, 1), got {grid.min():g} … {grid.max():g}")
    n = len(labels)
    odds = grid / (1 - grid)
    treated = p[None, :] >= grid[:, None]
    true = (treated & labels).sum(axis=1) / n
    false = (treated & ~labels).sum(axis=1) / n
    benefit = true - false * odds
    variance = (true + false * odds**2 - benefit**2) / max(n - 1, 1)
    half = quantile(confidence) * np.sqrt(np.maximum(variance, 0.0))
    prevalence = labels.mean()
    return DecisionCurve(grid, benefit, benefit - half, benefit + half, prevalence - (1 - prevalence) * odds, n)
