"""Who is called otherwise by one method than by another: net reclassification (NRI) and discrimination (IDI).

With two classes, above and below a threshold, the NRI of the ill is a difference of sensitivities and that of the
others one of specificities (Pencina et al. 2008), so both are told apart, each with Bonett and Price's interval for
paired shares. The IDI is the gain in the mean probability of the ill over that of the others. Both have known faults:
a model that is badly calibrated gains in both without telling patients apart better, and the usual tests of them are
not valid (Hilden & Gerds 2014, Kerr et al. 2014), so no p is given.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.agreement import mcnemar
from fibrostage.stats.auc import check_labels, check_scores
from fibrostage.stats.estimate import Estimate, quantile, undefined


@dataclass(frozen=True)
class Reclassification:
    """Of `n` patients, `positives` of them ill: how many of either kind only the first or only the second method calls
    rightly, the net share gained by the first, and the sum of both shares."""

    n: int
    positives: int
    ill_gained: int
    ill_lost: int
    other_gained: int
    other_lost: int
    ill: Estimate
    other: Estimate
    nri: Estimate


def reclassify(positive: ArrayLike, first: ArrayLike, second: ArrayLike, confidence: float = 0.95) -> Reclassification:
    """Counts who is called otherwise by the first method than by the second.

    `positive`, `first` and `second` [n] are true where a patient is ill, and where a method calls ill. Raises
    `StatisticsError` where lengths differ, a value is not true or false (1 or 0), or there are no positives or no
    negatives.
    """
    labels, a, b = (check_labels(each) for each in (positive, first, second))
    if not len(labels) == len(a) == len(b):
        raise StatisticsError(f"two methods need the same patients, got {len(labels)}, {len(a)} and {len(b)}")
    positives = int(labels.sum())
    if positives in (0, len(labels)):
        raise StatisticsError(f"a reclassification needs positives and negatives, got {positives} of {len(labels)}")
    ill, other = mcnemar(a[labels], b[labels], confidence), mcnemar(~a[~labels], ~b[~labels], confidence)
    z = quantile(confidence)
    spread = [((one.difference.hi or 0.0) - (one.difference.lo or 0.0)) / (2 * z) for one in (ill, other)]
    value = (ill.difference.value or 0.0) + (other.difference.value or 0.0)
    half = z * math.hypot(*spread)
    nri = Estimate(value, max(-2.0, value - half), min(2.0, value + half))
    return Reclassification(
        len(labels), positives, ill.only_first, ill.only_second, other.only_first, other.only_second,
        ill.difference, other.difference, nri,
    )  # fmt: skip


def discrimination_gained(
    positive: ArrayLike, first: ArrayLike, second: ArrayLike, confidence: float = 0.95
) -> Estimate:
    """The IDI of the probabilities `first` over `second` [n] for labels `positive` [n], with a normal interval.

    Undefined, with the reason, where there are not two of either kind. Raises `StatisticsError` where lengths differ, a
    label is not true or false (1 or 0), or a probability is not finite.
    """
    labels = check_labels(positive)
    gained = check_scores(first, len(labels))[0] - check_scores(second, len(labels))[0]
    ill, other = gained[labels], gained[~labels]
    if min(len(ill), len(other)) < 2:
        return undefined(f"it takes two positives and two negatives, got {len(ill)} and {len(other)}")
    value = float(ill.mean() - other.mean())
    half = quantile(confidence) * math.sqrt(np.var(ill, ddof=1) / len(ill) + np.var(other, ddof=1) / len(other))
    return Estimate(value, value - half, value + half)
