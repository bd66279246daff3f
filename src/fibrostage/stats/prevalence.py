"""Predictive values at a prevalence that is not the cohort's.

A biopsied cohort has more fibrosis than a clinic's waiting room. Sensitivity and specificity, taken as they are, give
the predictive values at any prevalence by Bayes' theorem; with odds o of disease before the test,
PPV = o·LR⁺/(1 + o·LR⁺) and 1 − NPV = o·LR⁻/(1 + o·LR⁻), so a likelihood ratio's interval becomes theirs. That they
stay as they are among milder patients is an assumption, not a finding.
"""

from __future__ import annotations

from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.estimate import Estimate
from fibrostage.stats.operating import OperatingPoint


def predictive_values_at(point: OperatingPoint, prevalence: float) -> tuple[Estimate, Estimate]:
    """The PPV and the NPV of an operating point at a prevalence between 0 and 1, outside which `StatisticsError` is
    raised. Where a likelihood ratio is undefined as nobody is falsely positive, the PPV is 1 without an interval."""
    if not 0 < prevalence < 1:
        raise StatisticsError(f"a prevalence lies between 0 and 1, got {prevalence:g}")
    odds = prevalence / (1 - prevalence)
    after_positive = after(point.lr_positive, odds)
    after_negative = after(point.lr_negative, odds)
    if point.tp and not point.fp and point.tn:
        after_positive = Estimate(1.0, None, None, "no false positive: no interval")
    if after_negative.value is None:
        return after_positive, after_negative
    lo, hi = (None if end is None else 1 - end for end in (after_negative.hi, after_negative.lo))
    return after_positive, Estimate(1 - after_negative.value, lo, hi, after_negative.why)


def after(ratio: Estimate, odds: float) -> Estimate:
    """The probability of disease after a result with a likelihood ratio, at such odds before it."""
    if ratio.value is None:
        return ratio
    lo, hi = (None if end is None else odds * end / (1 + odds * end) for end in (ratio.lo, ratio.hi))
    return Estimate(odds * ratio.value / (1 + odds * ratio.value), lo, hi, ratio.why)
