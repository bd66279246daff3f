"""How much a number of patients can show: the interval to expect before the study is done."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.concordance import hanley_mcneil_variance
from fibrostage.stats.estimate import Estimate, quantile, wilson

MOST = 10**9  # patients


@dataclass(frozen=True)
class Precision:
    """The intervals that n patients, `positives` of them at the cut, would give if these were the figures."""

    n: int
    positives: int
    accuracy: Estimate
    auc: Estimate


def expected_precision(
    n: int, prevalence: float, auc: float = 0.85, accuracy: float = 0.7, confidence: float = 0.95
) -> Precision:
    """Returns the intervals to expect of `n` patients: Wilson's of the accuracy, Hanley and McNeil's of the AUC.

    Raises `StatisticsError` where `prevalence`, `auc`, `accuracy` or `confidence` does not lie between 0 and 1, `n` is
    not in 1 … `MOST`, or fewer than two positives or two negatives are to be expected.
    """
    for name, value in (("prevalence", prevalence), ("auc", auc), ("accuracy", accuracy)):
        if not 0 < value < 1:
            raise StatisticsError(f"{name} lies between 0 and 1, got {value}")
    if not 1 <= n <= MOST:
        raise StatisticsError(f"patients must be between 1 and {MOST:,}, got {n}")
    positives = round(n * prevalence)
    if min(positives, n - positives) < 2:
        raise StatisticsError(
            f"{n} patients at a prevalence of {prevalence:g} are {positives} positives and {n - positives} negatives; "
            "an AUC needs two of each"
        )
    se = math.sqrt(hanley_mcneil_variance(auc, positives, n - positives))
    half = quantile(confidence) * se
    return Precision(
        n,
        positives,
        wilson(round(n * accuracy), n, confidence),
        Estimate(auc, max(0.0, auc - half), min(1.0, auc + half), se=se),
    )


def patients_for(width: float, prevalence: float, auc: float = 0.85, confidence: float = 0.95) -> int:
    """Finds the fewest patients whose AUC interval is expected to be no wider than `width`.

    Raises `StatisticsError` where `width`, `prevalence`, `auc` or `confidence` does not lie between 0 and 1.
    """
    if not 0 < width < 1:
        raise StatisticsError(f"a width lies between 0 and 1, got {width}")
    if not 0 < prevalence < 1 or not 0 < auc < 1:
        raise StatisticsError(f"prevalence and auc lie between 0 and 1, got {prevalence} and {auc}")

    def wide(n: int) -> bool:
        positives = round(n * prevalence)
        half = quantile(confidence) * math.sqrt(hanley_mcneil_variance(auc, positives, n - positives))
        return 2 * half > width

    low = high = math.ceil(2 / min(prevalence, 1 - prevalence))
    while wide(high):
        low, high = high, 2 * high
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if wide(middle) else (low, middle)
    while wide(high):  # whole positives make the width step, not fall
        high += 1
    return high
