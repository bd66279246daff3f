"""Predictive values at another prevalence are Bayes' theorem, and the cohort's own at its own."""

from __future__ import annotations

import numpy as np
import pytest

from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.operating import OperatingPoint, operating_point
from fibrostage.stats.prevalence import predictive_values_at


def point(tp: int, fn: int, fp: int, tn: int) -> OperatingPoint:
    labels = np.repeat([True, True, False, False], [tp, fn, fp, tn])
    return operating_point(labels, np.repeat([1.0, 0.0, 1.0, 0.0], [tp, fn, fp, tn]), 0.5)


@pytest.mark.parametrize(("tp", "fn", "fp", "tn"), [(20, 10, 5, 40), (3, 1, 2, 9)])
def test_at_the_cohorts_prevalence_it_is_the_cohorts(tp: int, fn: int, fp: int, tn: int) -> None:
    own = point(tp, fn, fp, tn)
    ppv, npv = predictive_values_at(own, (tp + fn) / own.n)
    assert ppv.value == pytest.approx(own.ppv.value)
    assert npv.value == pytest.approx(own.npv.value)


def test_it_is_bayes_theorem() -> None:
    own = point(18, 2, 10, 70)  # sensitivity 0.9, specificity 0.875
    ppv, npv = predictive_values_at(own, 0.1)
    assert ppv.value == pytest.approx(0.9 * 0.1 / (0.9 * 0.1 + 0.125 * 0.9))
    assert npv.value == pytest.approx(0.875 * 0.9 / (0.875 * 0.9 + 0.1 * 0.1))
    for found in (ppv, npv):
        assert found.value is not None
        assert found.lo is not None
        assert found.hi is not None
        assert found.lo < found.value < found.hi


def test_without_false_positives_there_is_a_value_and_no_interval() -> None:
    ppv, npv = predictive_values_at(point(5, 5, 0, 10), 0.2)
    assert (ppv.value, ppv.lo) == (1.0, None)
    assert npv.value == pytest.approx(1 * 0.8 / (0.8 + 0.5 * 0.2))


def test_a_prevalence_is_between_0_and_1() -> None:
    with pytest.raises(StatisticsError, match="prevalence lies between 0 and 1, got 1"):
        predictive_values_at(point(5, 5, 1, 10), 1.0)
