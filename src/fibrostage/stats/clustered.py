"""Shares and means of patients who come in clusters, such as those whom one and the same model stages: patients of a
cluster are alike, so that many of them say less than as many of different clusters would.

A share is a ratio of sums over clusters, its variance that of the clusters' residuals (Cochran 1977, §10.2), with
Student's t for the number of clusters. Shares have Wilson's interval of the effective number that this variance stands
for, which is never taken to be more than there are patients.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.estimate import Estimate, quantile, undefined, wilson_share

CONFIDENCE = 0.95
NOBODY = "nobody to tell it from"


def clustered_share(hits: ArrayLike, of: ArrayLike, clusters: ArrayLike) -> Estimate:
    """The share Σ hits / Σ of, with hits [N] and what they are counted of [N], both 0 or more, of patients in
    `clusters` [N].

    Raises `StatisticsError` where the three do not fit each other, or there are more hits than can be.
    """
    top, bottom, whose = checked(hits, of, clusters)
    if (top > bottom + 1e-9).any():
        raise StatisticsError("a share of what is counted lies between 0 and 1, got more hits than there can be")
    n = float(bottom.sum())
    if n == 0:
        return undefined(NOBODY)
    share, error, freedom = ratio(top, bottom, whose)
    return with_wilson(share, error**2 * widened(freedom) ** 2, n)


def clustered_mean(values: ArrayLike, of: ArrayLike, clusters: ArrayLike) -> Estimate:
    """The mean of values [N], each counted `of` [N] times, of patients in `clusters` [N], with Student's interval.

    Raises `StatisticsError` where the three do not fit each other.
    """
    given, bottom, whose = checked(values, of, clusters)
    if bottom.sum() == 0:
        return undefined(NOBODY)
    mean, error, freedom = ratio(given * bottom, bottom, whose)
    if freedom < 1:
        return Estimate(mean, None, None, "one cluster")
    half = float(student.ppf(0.5 + CONFIDENCE / 2, freedom)) * error
    return Estimate(mean, mean - half, mean + half)


def crossed_share(table: ArrayLike) -> Estimate:
    """The share of true ones in a table [models, pictures] in which every model is asked of every picture.

    Models and pictures are both drawn, so both of their variances count. Raises `StatisticsError` where it is no table.
    """
    told = np.asarray(table, dtype=np.float64)
    if told.ndim != 2:
        raise StatisticsError(f"models and pictures make a table, got {told.shape}")
    if not told.size:
        return undefined(NOBODY)
    variance = sum(means.var(ddof=1) / len(means) for means in (told.mean(axis=0), told.mean(axis=1)) if len(means) > 1)
    return with_wilson(float(told.mean()), float(variance), float(told.shape[1]))


def with_wilson(share: float, variance: float, most: float) -> Estimate:
    """A share with Wilson's interval of the number of patients that its variance stands for, `most` at most, which it
    is too where the share is 0 or 1."""
    spread = share * (1 - share)
    number = spread / variance if variance > 0 and spread > 0 else most
    return wilson_share(min(max(share, 0.0), 1.0), min(number, most), CONFIDENCE)


def widened(freedom: int) -> float:
    """How much wider Student's interval is than the normal one; of a single cluster, as wide as it is."""
    return float(student.ppf(0.5 + CONFIDENCE / 2, freedom)) / quantile(CONFIDENCE) if freedom > 0 else 1.0


def ratio(top: NDArray[np.float64], bottom: NDArray[np.float64], whose: NDArray[np.int64]) -> tuple[float, float, int]:
    """Σ top [N] / Σ bottom [N] with its standard error and degrees of freedom, over the clusters `whose` [N] that have
    something to be counted of."""
    share = float(top.sum() / bottom.sum())
    residuals = np.bincount(whose, weights=top - share * bottom)
    there = np.bincount(whose, weights=bottom) > 0
    count = int(there.sum())
    if count < 2:
        return share, 0.0, count - 1
    error = np.sqrt(count / (count - 1) * np.square(residuals[there]).sum()) / bottom.sum()
    return share, float(error), count - 1


def checked(
    top: ArrayLike, bottom: ArrayLike, clusters: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Three vectors [N] that fit each other, the clusters numbered from 0. Raises `StatisticsError` where they do not,
    or something is counted of less than nothing."""
    first, second = np.asarray(top, dtype=np.float64), np.asarray(bottom, dtype=np.float64)
    given = np.asarray(clusters)
    if not first.shape == second.shape == given.shape or first.ndim != 1:
        raise StatisticsError(
            f"values, what they are counted of and clusters are [N] each, got {first.shape}, {second.shape} and "
            f"{given.shape}"
        )
    if (second < 0).any():
        raise StatisticsError("nothing is counted of less than nobody")
    return first, second, np.unique(given, return_inverse=True)[1].astype(np.int64)
