"""The ROC curve, parts of it, and thresholds read from it. A row is called positive when score ≥ threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.auc import check_binary


@dataclass(frozen=True)
class RocCurve:
    """Rates [T + 1] at every threshold between T distinct scores, from (0, 0) at +∞ to (1, 1) at −∞.

    `thresholds` [T + 1] lie half-way between neighbouring scores, so that they carry to other patients with the same
    margin on both sides; the last is −∞.
    """

    fpr: NDArray[np.float64]
    tpr: NDArray[np.float64]
    thresholds: NDArray[np.float64]


def roc_curve(positive: ArrayLike, scores: ArrayLike) -> RocCurve:
    """Draws the empirical ROC curve of scores [n] for labels `positive` [n].

    Raises `StatisticsError` where lengths differ, a label is not true or false (1 or 0), a score is not finite, or
    there are no positives or no negatives.
    """
    labels, values = check_binary(positive, scores)
    order = np.argsort(-values, kind="stable")
    labels, values = labels[order], values[order]
    last = np.flatnonzero(np.append(np.diff(values) != 0, True))
    tp = np.cumsum(labels)[last]
    fp = last + 1 - tp
    distinct = values[last]
    middle = distinct[1:] + (distinct[:-1] - distinct[1:]) / 2
    between = np.where(middle > distinct[1:], middle, distinct[:-1])  # neighbours that differ in the last bit
    return RocCurve(
        np.concatenate([[0.0], fp / fp[-1]]),
        np.concatenate([[0.0], tp / tp[-1]]),
        np.concatenate([[np.inf], between, [-np.inf]]),
    )


def youden_threshold(positive: ArrayLike, scores: ArrayLike) -> float:
    """Finds the threshold of the highest sensitivity + specificity; of several, the most sensitive.

    `positive` [n] are labels and `scores` is [n]. Raises `StatisticsError` where no ROC curve exists for them.
    """
    curve = roc_curve(positive, scores)
    index = curve.tpr - curve.fpr
    return float(curve.thresholds[np.flatnonzero(index >= index.max() - 1e-12)[-1]])


def threshold_at_sensitivity(positive: ArrayLike, scores: ArrayLike, sensitivity: float) -> float:
    """Finds the highest threshold, hence the most specific, that keeps at least this sensitivity.

    `positive` [n] are labels and `scores` is [n]. Raises `StatisticsError` where the sensitivity lies outside 0–1, or
    no ROC curve exists.
    """
    check_rate("sensitivity", sensitivity)
    curve = roc_curve(positive, scores)
    return float(curve.thresholds[np.flatnonzero(curve.tpr >= sensitivity - 1e-12)[0]])


def threshold_at_specificity(positive: ArrayLike, scores: ArrayLike, specificity: float) -> float:
    """Finds the lowest threshold, hence the most sensitive, that keeps at least this specificity.

    `positive` [n] are labels and `scores` is [n]. Raises `StatisticsError` where the specificity lies outside 0–1, or
    no ROC curve exists.
    """
    check_rate("specificity", specificity)
    curve = roc_curve(positive, scores)
    return float(curve.thresholds[np.flatnonzero(1 - curve.fpr >= specificity - 1e-12)[-1]])


def specificity_at_sensitivity(positive: ArrayLike, scores: ArrayLike, sensitivity: float) -> float:
    """Reads the specificity where the curve, drawn with straight lines, first reaches a sensitivity.

    `positive` [n] are labels and `scores` is [n]. Raises `StatisticsError` where the sensitivity lies outside 0–1, or
    no ROC curve exists.
    """
    check_rate("sensitivity", sensitivity)
    curve = roc_curve(positive, scores)
    above = int(np.flatnonzero(curve.tpr >= sensitivity - 1e-12)[0])
    if above == 0 or abs(curve.tpr[above] - sensitivity) < 1e-12:
        return float(1 - curve.fpr[above])
    share = (sensitivity - curve.tpr[above - 1]) / (curve.tpr[above] - curve.tpr[above - 1])
    return float(1 - (curve.fpr[above - 1] + share * (curve.fpr[above] - curve.fpr[above - 1])))


def partial_auc(positive: ArrayLike, scores: ArrayLike, specificity: float, corrected: bool = False) -> float:
    """Computes the area under the ROC curve where the specificity is at least `specificity`.

    `positive` [n] are labels and `scores` is [n]. `corrected` makes it 0.5 for chance and 1 for perfect (McClish 1989).
    Raises `StatisticsError` where the specificity is 1 or lies outside 0–1, or no ROC curve exists.
    """
    check_rate("specificity", specificity)
    limit = 1 - specificity
    if limit <= 0:
        raise StatisticsError("a partial AUC needs a specificity below 1")
    curve = roc_curve(positive, scores)
    inside = curve.fpr <= limit
    edge = float(np.interp(limit, curve.fpr, curve.tpr))
    x = np.append(curve.fpr[inside], limit)
    y = np.append(curve.tpr[inside], edge if not inside.all() else curve.tpr[-1])
    area = float(np.trapezoid(y, x))
    if not corrected:
        return area
    least = limit * limit / 2
    return (1 + (area - least) / (limit - least)) / 2


def check_rate(name: str, value: float) -> None:
    """Raises `StatisticsError` naming the rate where `value` lies outside 0–1."""
    if not 0 <= value <= 1:
        raise StatisticsError(f"a {name} lies between 0 and 1, got {value}")
