"""Concordance of scores with ordered groups: one kernel for the AUC, its clustered form and Obuchowski's index.

With groups 0 … K−1 and weights W[i, j] (i < j) that sum the importance of telling i from j,

    θ = 1 − Σ_{i<j} W[i, j] (1 − AUC_ij).

Two groups and W = 1 make θ the AUC. θ is a U-statistic, so its variance is the spread of what each row adds
(DeLong et al. 1988). Rows of one patient are summed first (Obuchowski, Biometrics 1997): within group i by
I_i / (I_i − 1), and between groups, which share patients, by I / (I − 1). With a row a patient nothing is
shared and DeLong's variance remains, digit for digit.

Every pair of groups costs one sort; nothing of size rows × rows is made.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, stdtr, stdtrit

from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.estimate import Estimate, quantile

Floats = NDArray[np.float64]

ROUNDING = 1e-12  # a variance below this share of the terms it is summed from is rounding


@dataclass(frozen=True)
class Difference:
    """A difference with its interval and test; `z` is Student's t with `df` degrees where `df` is given.

    What is not defined is None, and `why` says so.
    """

    value: float | None
    lo: float | None
    hi: float | None
    se: float | None
    z: float | None
    p: float | None
    df: float | None = None
    why: str = ""


@dataclass(frozen=True)
class Part:
    """One term of a covariance: deviations [k, units] of k scores, over units that are rows or patients.

    To the covariance of scores a and b it adds factor · Σ_u left[a, u] right[b, u].
    """

    left: Floats
    right: Floats
    factor: float

    def covariance(self, contrasts: Floats) -> Floats:
        """Returns what the part adds to the covariance [c, c] of `contrasts` [c, k] of the scores."""
        return self.factor * (contrasts @ self.left) @ (contrasts @ self.right).T

    def of(self, contrast: Callable[[Floats], Floats]) -> tuple[float, float]:
        """Returns what the part adds to the variance of a contrast of scores, and that sum with all terms positive.

        `contrast` turns a table [k, units] into a vector [units].
        """
        left, right = contrast(self.left), contrast(self.right)
        return self.factor * float(left @ right), self.factor * float(np.abs(left) @ np.abs(right))


@dataclass(frozen=True)
class Concordance:
    """θ of k scores on the same rows, with what their covariance is made of.

    `sizes` are the units in each group that carry information: patients when clustered, else rows; `units` are
    all of them, `weight` is Σ W.
    """

    values: Floats  # [k]
    parts: tuple[Part, ...]
    n: int
    sizes: tuple[int, ...]
    units: int
    weight: float

    @property
    def chance(self) -> float:
        """θ of a score that knows nothing: every AUC ½."""
        return 1 - self.weight / 2

    @property
    def covariance(self) -> Floats:
        """The covariance [k, k] of θ between the k scores."""
        every = np.eye(len(self.values))
        total = sum((part.covariance(every) for part in self.parts), np.zeros((len(every), len(every))))
        return (total + total.T) / 2

    def variance(self, a: int = 0) -> float:
        """Returns the variance of θ of score `a`, or 0 where nothing but rounding is left of it."""
        return self._variance(lambda table: table[a])

    def _variance(self, contrast: Callable[[Floats], Floats]) -> float:
        terms = [part.of(contrast) for part in self.parts]
        total, size = sum(term[0] for term in terms), sum(term[1] for term in terms)
        return total if total > ROUNDING * size else 0.0

    def se(self, a: int = 0) -> float:
        """Returns the standard error of θ of score `a`."""
        return math.sqrt(self.variance(a))

    def interval(self, a: int = 0, confidence: float = 0.95) -> Estimate:
        """Returns θ of score `a` with its normal interval, cut to 0–1, or without spread with `score_interval`.

        Raises `StatisticsError` where `confidence` does not lie between 0 and 1.
        """
        value, se = float(self.values[a]), self.se(a)
        if se == 0:
            return self.score_interval(value, confidence)
        half = quantile(confidence) * se
        return Estimate(value, max(0.0, value - half), min(1.0, value + half), se=se)

    def score_interval(self, value: float, confidence: float) -> Estimate:
        """Returns an interval of a θ to which every unit adds the same (perfect separation, say, or all scores equal).

        A normal interval would have no width there, and no width is not certainty. With two groups Newcombe's interval
        5 (Stat. Med. 2006) holds: θ for which the value found lies within z standard errors, by Hanley and McNeil's
        variance at θ. With more groups there is none, and `why` says so. Raises `StatisticsError` where `confidence` is
        not in (0, 1).
        """
        if len(self.sizes) != 2 or self.weight == 0:
            return Estimate(value, None, None, "no spread: every patient adds the same")
        z2, (n, m) = quantile(confidence) ** 2, self.sizes
        area = 1 - (1 - value) / self.weight

        def beyond(theta: float) -> bool:
            return (area - theta) ** 2 > z2 * hanley_mcneil_variance(theta, (m + n) / 2, (m + n) / 2, m * n)

        why = "no spread for DeLong's interval; this is Newcombe's"
        lo, hi = (1 - self.weight * (1 - bisect(beyond, end, area)) for end in (0.0, 1.0))
        return Estimate(value, lo, hi, why)

    def difference(self, a: int, b: int, confidence: float = 0.95) -> Difference:
        """Returns θ of score `a` minus θ of score `b`, on the same rows, with the interval and the paired test.

        Raises `StatisticsError` where `confidence` does not lie between 0 and 1.
        """
        value = float(self.values[a] - self.values[b])
        se = math.sqrt(self._variance(lambda table: table[a] - table[b]))
        if se == 0 and abs(value) < ROUNDING:
            if self.se(a) == 0:  # both perfect, say: as good as one another here, and no more can be said
                return Difference(0.0, None, None, None, 0.0, 1.0, why="neither has any spread")
            return Difference(0.0, 0.0, 0.0, 0.0, 0.0, 1.0, why="the two rank alike")
        return against_none(value, se, confidence)


def against_none(value: float, se: float, confidence: float, df: float | None = None) -> Difference:
    """Returns a difference with its interval and its two-sided test against zero, by Student's t where `df` is given.

    There is no test, and `why` says so, where the standard error is 0. Raises `StatisticsError` where there is no `df`
    and `confidence` does not lie between 0 and 1.
    """
    if se == 0:
        if abs(value) < ROUNDING:
            return Difference(0.0, None, None, None, 0.0, 1.0, df, "neither has any spread")
        why = "the difference is the same for every patient: no test"
        return Difference(value, None, None, None, None, None, df, why)
    z = value / se
    if df is None:
        half, p = quantile(confidence) * se, 2 * float(ndtr(-abs(z)))
    else:
        half, p = float(stdtrit(df, 0.5 + confidence / 2)) * se, 2 * float(stdtr(df, -abs(z)))
    return Difference(value, value - half, value + half, se, z, p, df)


def unpaired(first: Concordance, second: Concordance, confidence: float = 0.95) -> Difference:
    """Returns the first score's θ in one set of patients minus that in another, with Welch's t-test, as pROC does."""
    variances = first.variance(), second.variance()
    value = float(first.values[0] - second.values[0])
    se = math.sqrt(sum(variances))
    if se == 0:
        return against_none(value, se, confidence)
    freedom = (first.units - 1, second.units - 1)
    df = sum(variances) ** 2 / sum(v**2 / f for v, f in zip(variances, freedom, strict=True))
    return against_none(value, se, confidence, df)


def hanley_mcneil_variance(auc: float, positives: float, negatives: float, pairs: float | None = None) -> float:
    """Variance of an AUC that negative-exponential scores would have (Hanley & McNeil 1982)."""
    q1, q2 = auc / (2 - auc), 2 * auc * auc / (1 + auc)
    spread = auc * (1 - auc) + (positives - 1) * (q1 - auc * auc) + (negatives - 1) * (q2 - auc * auc)
    return spread / (positives * negatives if pairs is None else pairs)


def bisect(beyond: Callable[[float], bool], far: float, near: float) -> float:
    """Where `beyond` turns false between a far and a near end; the far end where it never was true."""
    if not beyond(far + (near - far) * 1e-12):
        return far
    for _ in range(200):
        middle = (far + near) / 2
        if beyond(middle):
            far = middle
        else:
            near = middle
    return near


def placements(lower: Floats, upper: Floats) -> tuple[Floats, Floats]:
    """Returns for each of `lower` [n] the share of `upper` [m] above it, and for each of `upper` that of `lower` below.

    The results are [n] and [m]. A tie counts half, and each averages to the AUC. It takes one sort.
    """
    n, m = len(lower), len(upper)
    values = np.concatenate([lower, upper])
    order = np.argsort(values)
    ordered = values[order]
    is_upper = order >= n
    first = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    group = np.cumsum(first) - 1
    starts = np.flatnonzero(first)
    lower_upto = np.append(np.cumsum(~is_upper)[starts[1:] - 1], n)
    upper_upto = np.append(np.cumsum(is_upper)[starts[1:] - 1], m)
    lower_before = np.concatenate([[0], lower_upto[:-1]])
    upper_before = np.concatenate([[0], upper_upto[:-1]])
    beaten = (lower_before + lower_upto) / (2 * n)
    above = (2 * m - upper_before - upper_upto) / (2 * m)
    of_upper, of_lower = np.empty(m), np.empty(n)
    of_upper[order[is_upper] - n] = beaten[group[is_upper]]
    of_lower[order[~is_upper]] = above[group[~is_upper]]
    return of_lower, of_upper


def concordance(
    groups: NDArray[np.int64], scores: Floats, weights: Floats, clusters: ArrayLike | None = None
) -> Concordance:
    """Computes θ of scores [k, n] over groups [n] in 0 … K−1 with weights [K, K].

    Weights above the diagonal count. `clusters` [n] names the patient of each row. Raises `StatisticsError` where a
    group has fewer than two units: rows, or clusters where they are given.
    """
    classes = len(weights)
    members = [np.flatnonzero(groups == i) for i in range(classes)]
    added = np.zeros(scores.shape)  # what each row adds, [k, n]
    values = np.ones(len(scores))
    for a, row in enumerate(scores):
        for i in range(classes):
            for j in range(i + 1, classes):
                if weights[i, j] == 0:
                    continue
                of_lower, of_upper = placements(row[members[i]], row[members[j]])
                added[a, members[i]] += weights[i, j] * of_lower
                added[a, members[j]] += weights[i, j] * of_upper
                values[a] -= weights[i, j] * (1 - of_upper.mean())
    deviations = [added[:, rows] - added[:, rows].mean(axis=1, keepdims=True) for rows in members]
    if clusters is None:
        parts = [row_part(deviation) for deviation in deviations]
        sizes = tuple(len(rows) for rows in members)
        return Concordance(values, tuple(parts), len(groups), sizes, len(groups), float(weights.sum()))
    parts, sizes, units = cluster_parts(deviations, members, np.asarray(clusters))
    return Concordance(values, tuple(parts), len(groups), sizes, units, float(weights.sum()))


def row_part(deviation: Floats) -> Part:
    """Returns what one group adds to the covariance where every row is a patient of its own.

    `deviation` [k, rows of the group] is each row's deviation from its group's mean. Raises `StatisticsError` where the
    group has fewer than two rows.
    """
    size = deviation.shape[1]
    if size < 2:
        raise StatisticsError(f"a variance needs two rows in every group, got {size}")
    return Part(deviation, deviation, 1 / (size * (size - 1)))


def cluster_parts(
    deviations: Sequence[Floats], members: Sequence[NDArray[np.int64]], clusters: NDArray[np.generic]
) -> tuple[list[Part], tuple[int, ...], int]:
    """Returns the parts of the covariance of clustered rows, the number of clusters in each group, and in all.

    `deviations` has an array [k, rows of the group] for each group, `members` the row numbers [rows of the group], and
    `clusters` [n] names the cluster of every row. Raises `StatisticsError` where a group has fewer than two clusters.
    """
    names, of_row = np.unique(clusters, return_inverse=True)
    total = len(names)
    sums, sizes = [], []
    for deviation, rows in zip(deviations, members, strict=True):
        size = len(np.unique(of_row[rows]))
        if size < 2:
            raise StatisticsError(f"a clustered variance needs two clusters in every group, got {size}")
        table = np.stack([np.bincount(of_row[rows], row, minlength=total) for row in deviation])
        sums.append(table / len(rows))
        sizes.append(size)
    parts = [Part(table, table, size / (size - 1)) for table, size in zip(sums, sizes, strict=True)]
    for i, left in enumerate(sums):
        parts += [Part(left, right, 2 * total / (total - 1)) for right in sums[i + 1 :]]
    return parts, tuple(sizes), total
