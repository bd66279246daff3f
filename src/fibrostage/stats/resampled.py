"""Tests of differences between methods that were run on the same divisions of the same patients.

Runs over folds and seeds share most of their training patients, so their differences are not independent and the
plain paired t-test finds too much. The corrected resampled t-test (Nadeau & Bengio 2003; for repeated folds Bouckaert
& Frank 2004) enlarges the variance by the ratio of test to training patients.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit
from scipy.stats import t as student

from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.estimate import Estimate


def resampled_mean(values: ArrayLike, ratio: float, confidence: float = 0.95) -> tuple[Estimate, float | None]:
    """Averages the values [R] of R runs, or their differences, and returns the interval and the p of its being zero.

    `ratio` is test patients over training patients. One value has neither interval nor p; values that do not differ
    from each other have the interval [v, v], and p = 1 if they are zero and 0 if not. Raises `StatisticsError` where
    `values` is no vector, is empty or not finite, or `ratio` is not positive.
    """
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or not len(x) or not np.isfinite(x).all():
        raise StatisticsError(f"a mean over runs needs finite values, got {x.tolist()}")
    if not ratio > 0:
        raise StatisticsError(f"test over training patients must be positive, got {ratio}")
    mean = float(x.mean())
    if len(x) < 2:
        return Estimate(mean, None, None, "one run"), None
    error = float(np.sqrt((1 / len(x) + ratio) * x.var(ddof=1)))
    if error == 0:
        return Estimate(mean, mean, mean), float(mean == 0)
    half = float(student.ppf(0.5 + confidence / 2, len(x) - 1)) * error
    return Estimate(mean, mean - half, mean + half), float(2 * student.sf(abs(mean) / error, len(x) - 1))


def resampled_share(values: ArrayLike, ratio: float, most: float = 1.0, confidence: float = 0.95) -> Estimate:
    """Averages the values [R] of R runs that lie in 0 … `most`, such as AUCs or counts of a pool, with an interval that
    does too.

    The variance is that of the corrected resampled t-test, with `ratio` test over training patients, and the interval
    Student's on the logit scale (delta method). One run, or runs that do not differ, say nothing of how much divisions
    differ: there is no interval then, and `why` says so. Raises `StatisticsError` where `resampled_mean` does, where a
    value lies outside its bounds, or `most` is not positive.
    """
    x = np.asarray(values, dtype=np.float64)
    plain, _ = resampled_mean(x, ratio, confidence)
    if not most > 0 or x.min() < 0 or x.max() > most * (1 + 1e-9):
        raise StatisticsError(f"a mean of values in 0 … {most} needs them there, got {x.min()} … {x.max()}")
    if plain.value is None or plain.hi is None or plain.hi == plain.value:
        return Estimate(plain.value, None, None, plain.why or f"the {len(x)} runs do not differ")
    share = plain.value / most
    half = (plain.hi - plain.value) / most / (share * (1 - share))
    lo, hi = (float(most * expit(logit(share) + sign * half)) for sign in (-1, 1))
    return Estimate(plain.value, lo, hi)
