"""Many readers and many cases: whether a model, or a second way of reading, differs from readers as a whole.

Obuchowski & Rockette 1995 with Hillis's degrees of freedom (2007, 2014): cases and readers are both drawn at random, so
that a conclusion holds for other readers and other patients. The figure is the empirical AUC; its covariances are the
jackknife's over cases, which for an AUC follow from placements without refitting anything.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.auc import check_binary
from fibrostage.stats.concordance import placements
from fibrostage.stats.estimate import Estimate


@dataclass(frozen=True)
class ReaderStudy:
    """A difference of AUCs with its interval, p and degrees of freedom, and of how many readers and cases it is."""

    difference: Estimate
    p: float
    degrees: float
    readers: int
    n: int


def model_against_readers(
    positive: ArrayLike, model: ArrayLike, readers: ArrayLike, confidence: float = 0.95
) -> ReaderStudy:
    """Compares a model with readers who read the same cases: its AUC minus the mean of theirs.

    `positive` and the model's scores `model` are [n], the readers' scores `readers` [n, R]. Raises `StatisticsError`
    where they do not fit each other, there is one reader only, or fewer than two positives or negatives.
    """
    labels, own = check_binary(positive, model)
    table = scores_of_readers(labels, readers)
    aucs, left_out = jackknifed(labels, np.column_stack([own, table]))
    effects = aucs[0] - aucs[1:]
    covariance = jackknife_covariance(left_out[:, :1] - left_out[:, 1:])
    count = len(effects)
    shared = mean_off_diagonal(covariance)
    between = float(effects.var(ddof=1))
    spread = between + max(count * shared, 0.0)
    degrees = (count - 1) * (spread / between) ** 2 if between > 0 else math.inf
    return concluded(float(effects.mean()), math.sqrt(spread / count), degrees, count, len(labels), confidence)


def between_ways(positive: ArrayLike, scores: ArrayLike, confidence: float = 0.95) -> ReaderStudy:
    """Compares two ways in which the same readers read the same cases: the second's mean AUC minus the first's.

    `positive` is [n], `scores` [n, R, 2]. Raises `StatisticsError` where they do not fit each other, there is one
    reader only, or fewer than two positives or negatives.
    """
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 3 or table.shape[2] != 2:
        raise StatisticsError(f"scores must be [cases, readers, 2], got {table.shape}")
    labels, _ = check_binary(positive, table[:, 0, 0] if table.size else [])
    count = table.shape[1]
    flat = np.column_stack([scores_of_readers(labels, table[:, :, way]) for way in (0, 1)])
    aucs, left_out = jackknifed(labels, flat)
    covariance = jackknife_covariance(left_out)
    first, second = slice(0, count), slice(count, 2 * count)
    same_way = (mean_off_diagonal(covariance[first, first]) + mean_off_diagonal(covariance[second, second])) / 2
    across = covariance[first, second]
    other_way = float(across.sum() - np.trace(across)) / (count * (count - 1))
    each = aucs.reshape(2, count)
    interaction = each - each.mean(axis=0) - each.mean(axis=1, keepdims=True) + each.mean()
    between = float((interaction**2).sum() / (count - 1))
    spread = between + max(count * (same_way - other_way), 0.0)
    degrees = spread**2 / (between**2 / (count - 1)) if between > 0 else math.inf
    effect = float(each[1].mean() - each[0].mean())
    return concluded(effect, math.sqrt(2 * spread / count), degrees, count, len(labels), confidence)


def scores_of_readers(labels: NDArray[np.bool_], readers: ArrayLike) -> NDArray[np.float64]:
    """Readers' scores [n, R] as numbers; raises `StatisticsError` where they are not, or too few."""
    table = np.asarray(readers, dtype=np.float64)
    if table.ndim != 2 or len(table) != len(labels) or not np.isfinite(table).all():
        raise StatisticsError(f"readers' scores must be numbers, [{len(labels)}, readers], got {table.shape}")
    if table.shape[1] < 2:
        raise StatisticsError(f"what holds for other readers takes two of them or more, got {table.shape[1]}")
    if min(int(labels.sum()), int((~labels).sum())) < 2:
        raise StatisticsError("a reader study takes two positives and two negatives or more")
    return table


def jackknifed(
    labels: NDArray[np.bool_], scores: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The AUC of each column of `scores` [n, S], and the same without each case [n, S]."""
    positives, negatives = int(labels.sum()), int((~labels).sum())
    left_out = np.empty(scores.shape)
    aucs = np.empty(scores.shape[1])
    for column in range(scores.shape[1]):
        of_negatives, of_positives = placements(scores[~labels, column], scores[labels, column])
        value = float(of_positives.mean())
        left_out[labels, column] = (positives * value - of_positives) / (positives - 1)
        left_out[~labels, column] = (negatives * value - of_negatives) / (negatives - 1)
        aucs[column] = value
    return aucs, left_out


def jackknife_covariance(left_out: NDArray[np.float64]) -> NDArray[np.float64]:
    """The jackknife's covariance [S, S] of figures from those without each case [n, S]."""
    centred = left_out - left_out.mean(axis=0)
    n = len(left_out)
    return np.asarray((n - 1) / n * centred.T @ centred)


def mean_off_diagonal(covariance: NDArray[np.float64]) -> float:
    """The mean of a matrix [S, S] off its diagonal."""
    count = len(covariance)
    return float((covariance.sum() - np.trace(covariance)) / (count * (count - 1)))


def concluded(effect: float, error: float, degrees: float, readers: int, n: int, confidence: float) -> ReaderStudy:
    """A difference with its interval and p from Student's t; where nothing varies, neither exists."""
    if error == 0:
        return ReaderStudy(Estimate(effect, None, None, "nothing varies"), float(effect == 0), degrees, readers, n)
    half = float(student.ppf(0.5 + confidence / 2, degrees)) * error
    p = float(2 * student.sf(abs(effect) / error, degrees))
    return ReaderStudy(Estimate(effect, effect - half, effect + half, se=error), p, degrees, readers, n)
