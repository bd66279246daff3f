"""The ROC curve, parts of it, and thresholds read from it. A row is called positive when score ≥ threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.auc import check_binary


@dataclass(frozen=True)
class RocCurve:
    """Rates at every distinct threshold, from (0, 0) at +∞ to (1, 1).

    `thresholds` lie half-way between neighbouring scores, so that they carry to other patients with the same
    margin on both sides; the last is −∞.
    """

    fpr: NDArray[np.float64]
    tpr: NDArray[np.float64]
    thresholds: NDArray[np.float64]


def roc_curve(positive: ArrayLike, scores: ArrayLike) -> RocCurve:
    """The empirical ROC curve."""
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
    """The threshold of the highest sensitivity + specificity; of several, the most sensitive."""
    curve = roc_curve(positive, scores)
    index = curve.tpr - curve.fpr
    return float(curve.thresholds[np.flatnonzero(index >= index.max() - 1e-12)[-1]])


def threshold_at_sensitivity(positive: ArrayLike, scores: ArrayLike, sensitivity: float) -> float:
    """The highest threshold, hence the most specific, that keeps at least this sensitivity."""
    check_rate("sensitivity", sensitivity)
    curve = roc_curve(positive, scores)
    return float(curve.thresholds[np.flatnonzero(curve.tpr >= sensitivity - 1e-12)[0]])


def threshold_at_specificity(positive: ArrayLike, scores: ArrayLike, specificity: float) -> float:
    """The lowest threshold, hence the most sensitive, that keeps at least this specificity."""
    check_rate("specificity", specificity)
    curve = roc_curve(positive, scores)
    return float(curve.thresholds[np.flatnonzero(1 - curve.fpr >= specificity - 1e-12)[-1]])


def specificity_at_sensitivity(positive: ArrayLike, scores: ArrayLike, sensitivity: float) -> float:
    """Specificity where the curve, drawn with straight lines, first reaches a sensitivity."""
    check_rate("sensitivity", sensitivity)
    curve = roc_curve(positive, scores)
    above = int(np.flatnonzero(curve.tpr >= sensitivity - 1e-12)[0])
    if above == 0 or abs(curve.tpr[above] - sensitivity) < 1e-12:
        return float(1 - curve.fpr[above])
    share = (sensitivity - curve.tpr[above - 1]) / (curve.tpr[above] - curve.tpr[above - 1])
    return float(1 - (curve.fpr[above - 1] + share * (curve.fpr[above] - curve.fpr[above - 1])))


def partial_auc(positive: ArrayLike, scores: ArrayLike, specificity: float, corrected: bool = False) -> float:
    """Area under the curve where specificity is at least this; corrected: 0.5 for chance, 1 for perfect.

    The correction is McClish's (1989).
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
    if not 0 <= value <= 1:
        raise StatisticsError(f"a {name} lies between 0 and 1, got {value}")
