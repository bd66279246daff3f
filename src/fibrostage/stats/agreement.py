"""Agreement of called and true stages: the confusion matrix, weighted kappa, and McNemar's test of two callers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom

from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.auc import check_labels
from fibrostage.stats.estimate import Estimate, quantile, undefined


def confusion(truth: ArrayLike, called: ArrayLike, classes: int) -> NDArray[np.int64]:
    """Counts how often each true stage was called each stage: [K, K], row the true stage, column the one called.

    `truth` and `called` [n] are stage indices 0 … K−1, and `classes` is K. Raises `StatisticsError` where they are not
    vectors of one length, or a stage lies outside that range.
    """
    rows, columns = np.asarray(truth, dtype=np.int64), np.asarray(called, dtype=np.int64)
    if rows.shape != columns.shape or rows.ndim != 1:
        raise StatisticsError(f"true and called stages must be equally long, got {rows.shape} and {columns.shape}")
    for name, stages in (("true", rows), ("called", columns)):
        if len(stages) and (stages.min() < 0 or stages.max() >= classes):
            raise StatisticsError(f"{name} stages must be 0 … {classes - 1}, got {stages.min()} … {stages.max()}")
    return np.bincount(rows * classes + columns, minlength=classes * classes).reshape(classes, classes)


def kappa(
    counts: ArrayLike, weights: Literal["quadratic", "linear", "none"] = "quadratic", confidence: float = 0.95
) -> Estimate:
    """Computes Cohen's weighted kappa of a confusion matrix `counts` [K, K], with the large-sample interval.

    Kappa is undefined where all patients are of one stage and called it, and has no interval without spread; `why` says
    so. Raises `StatisticsError` where the matrix counts no patients, `weights` is unknown, or `confidence` does not lie
    between 0 and 1. The interval follows Fleiss, Cohen & Everitt 1969.
    """
    table = np.asarray(counts, dtype=np.float64)
    n, classes = table.sum(), len(table)
    if n == 0:
        raise StatisticsError("kappa needs patients, got none")
    distance = np.abs(np.subtract.outer(np.arange(classes), np.arange(classes))) / max(classes - 1, 1)
    if weights == "none":
        agreement = np.eye(classes)
    elif weights in ("linear", "quadratic"):
        agreement = 1 - (distance if weights == "linear" else distance**2)
    else:
        raise StatisticsError(f"kappa's weights are quadratic, linear or none, got {weights!r}")
    share = table / n
    rows, columns = share.sum(axis=1), share.sum(axis=0)
    observed, expected = float((agreement * share).sum()), float(rows @ agreement @ columns)
    if math.isclose(expected, 1.0, abs_tol=1e-15):
        return undefined("all patients are of one stage and called it")
    value = (observed - expected) / (1 - expected)
    by_row, by_column = agreement @ columns, rows @ agreement
    term = agreement - np.add.outer(by_row, by_column) * (1 - value)
    variance = ((share * term**2).sum() - (value - expected * (1 - value)) ** 2) / (n * (1 - expected) ** 2)
    if variance < 1e-15:
        return Estimate(value, None, None, "no spread: no large-sample interval")
    half = quantile(confidence) * math.sqrt(variance)
    return Estimate(value, max(-1.0, value - half), min(1.0, value + half), se=math.sqrt(variance))


@dataclass(frozen=True)
class McNemar:
    """Two callers on the same patients: how often only the first, or only the second, is right."""

    n: int
    only_first: int
    only_second: int
    difference: Estimate  # share right, first minus second
    p: float


def mcnemar(first_right: ArrayLike, second_right: ArrayLike, confidence: float = 0.95) -> McNemar:
    """Tests by McNemar's exact test whether two callers are right equally often on the same patients.

    `first_right` and `second_right` [n] are true where a caller is right. The difference of the shares right has Bonett
    and Price's adjusted interval (2012). Raises `StatisticsError` where the two differ in length or are empty, a label
    is not true or false (1 or 0), or `confidence` does not lie between 0 and 1.
    """
    first, second = check_labels(first_right), check_labels(second_right)
    if first.shape != second.shape or not len(first):
        raise StatisticsError(f"two callers need the same patients, got {len(first)} and {len(second)}")
    n, b, c = len(first), int((first & ~second).sum()), int((~first & second).sum())
    p = min(1.0, 2 * float(binom.cdf(min(b, c), b + c, 0.5))) if b + c else 1.0
    of_b, of_c = (b + 1) / (n + 2), (c + 1) / (n + 2)
    half = quantile(confidence) * math.sqrt((of_b + of_c - (of_b - of_c) ** 2) / (n + 2))
    middle = of_b - of_c
    difference = Estimate((b - c) / n, max(-1.0, middle - half), min(1.0, middle + half))
    return McNemar(n, b, c, difference, p)
