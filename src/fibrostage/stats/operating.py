"""What a threshold does: sensitivity, specificity, predictive values and likelihood ratios, with intervals.

Choose the threshold on one table (`roc`), apply it to another: figures at a threshold chosen on the same
patients are optimistic.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.auc import check_labels, check_scores
from fibrostage.stats.estimate import Estimate, quantile, undefined, wilson


@dataclass(frozen=True)
class OperatingPoint:
    """Counts and rates of "score ≥ threshold is positive"; a rate nobody defines is None with the reason."""

    threshold: float
    tp: int
    fp: int
    tn: int
    fn: int
    sensitivity: Estimate
    specificity: Estimate
    ppv: Estimate
    npv: Estimate
    accuracy: Estimate
    lr_positive: Estimate
    lr_negative: Estimate

    @property
    def n(self) -> int:
        return self.tp + self.fp + self.tn + self.fn

    @property
    def youden(self) -> float | None:
        """Sensitivity + specificity − 1."""
        if self.sensitivity.value is None or self.specificity.value is None:
            return None
        return self.sensitivity.value + self.specificity.value - 1


def operating_point(
    positive: ArrayLike, scores: ArrayLike, threshold: float, confidence: float = 0.95
) -> OperatingPoint:
    """Counts what "score ≥ threshold is positive" does to patients with labels `positive` [n] and scores [n].

    Rates have Wilson's intervals, likelihood ratios the log interval (Simel 1991). Raises `StatisticsError` where there
    are no patients, the threshold is NaN, lengths differ, a label is not true or false (1 or 0), a score is not finite,
    or `confidence` does not lie between 0 and 1.
    """
    labels = check_labels(positive)
    values = check_scores(scores, len(labels))[0]
    if not len(labels):
        raise StatisticsError("an operating point needs patients, got none")
    if math.isnan(threshold):
        raise StatisticsError("a threshold must be a number, got nan")
    called = values >= threshold
    tp, fn = int((called & labels).sum()), int((~called & labels).sum())
    fp, tn = int((called & ~labels).sum()), int((~called & ~labels).sum())

    def share(part: int, whole: int, of: str) -> Estimate:
        return wilson(part, whole, confidence) if whole else undefined(f"no {of}")

    return OperatingPoint(
        float(threshold), tp, fp, tn, fn,
        sensitivity=share(tp, tp + fn, "positives"),
        specificity=share(tn, tn + fp, "negatives"),
        ppv=share(tp, tp + fp, "patient called positive"),
        npv=share(tn, tn + fn, "patient called negative"),
        accuracy=wilson(tp + tn, len(labels), confidence),
        lr_positive=ratio(tp, tp + fn, fp, fp + tn, confidence),
        lr_negative=ratio(fn, tp + fn, tn, fp + tn, confidence),
    )  # fmt: skip


def ratio(a: int, of_a: int, b: int, of_b: int, confidence: float) -> Estimate:
    """(a / of_a) / (b / of_b) with a normal interval on the log scale; none where a count is zero."""
    if not of_a or not of_b:
        return undefined("no positives" if not of_a else "no negatives")
    if b == 0:
        return undefined("divides by a rate of zero")
    value = (a / of_a) / (b / of_b)
    if a == 0:
        return Estimate(value, None, None, "a count is zero: no log interval")
    if a == of_a and b == of_b:
        return Estimate(value, None, None, "both rates are 1: no log interval")
    half = quantile(confidence) * math.sqrt(1 / a - 1 / of_a + 1 / b - 1 / of_b)
    return Estimate(value, value * math.exp(-half), value * math.exp(half))


def mean_interval(values: ArrayLike, confidence: float = 0.95) -> Estimate:
    """Averages one share or squared error a patient, `values` [n] in 0 … 1, with a normal interval cut to 0–1.

    Raises `StatisticsError` where there are fewer than two patients, or `confidence` does not lie between 0 and 1.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if len(numbers) < 2:
        raise StatisticsError(f"the interval of a mean needs two patients, got {len(numbers)}")
    value, se = float(numbers.mean()), float(numbers.std(ddof=1) / math.sqrt(len(numbers)))
    half = quantile(confidence) * se
    return Estimate(value, max(0.0, value - half), min(1.0, value + half), se=se)
