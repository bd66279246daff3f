"""NRI parts are differences of sensitivity and specificity, and the IDI one of mean gains."""

from __future__ import annotations

import numpy as np
import pytest

from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.operating import operating_point
from fibrostage.stats.reclassification import discrimination_gained, reclassify


def test_with_two_classes_it_is_sensitivity_and_specificity() -> None:
    rng = np.random.default_rng(0)
    labels = rng.random(80) < 0.4
    a, b = (rng.random(80) < 0.3 + 0.4 * labels for _ in range(2))
    found = reclassify(labels, a, b)
    first, second = (operating_point(labels, each.astype(float), 0.5) for each in (a, b))
    assert found.ill.value == pytest.approx(first.sensitivity.value - second.sensitivity.value)  # type: ignore[operator]
    assert found.other.value == pytest.approx(first.specificity.value - second.specificity.value)  # type: ignore[operator]
    assert found.nri.value == pytest.approx(found.ill.value + found.other.value)  # type: ignore[operator]
    assert found.ill_gained - found.ill_lost == first.tp - second.tp
    turned = reclassify(labels, b, a)
    assert turned.nri.value == pytest.approx(-found.nri.value)  # type: ignore[operator]


def test_the_intervals_of_methods_alike_hold_zero() -> None:
    held = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        labels = np.arange(60) % 3 == 0
        first, second = (rng.random(60) < 0.3 + 0.4 * labels for _ in range(2))
        nri = reclassify(labels, first, second).nri
        assert nri.lo is not None
        assert nri.hi is not None
        held += nri.lo <= 0 <= nri.hi
    assert held / 200 > 0.9


def test_the_idi_is_the_gain_of_the_ill_over_that_of_the_others() -> None:
    labels = np.array([True, True, True, False, False])
    p, q = np.array([0.9, 0.8, 0.7, 0.2, 0.3]), np.array([0.6, 0.6, 0.6, 0.3, 0.3])
    assert discrimination_gained(labels, p, q).value == pytest.approx(0.2 + 0.05)
    assert "two positives" in discrimination_gained(labels[2:], p[2:], q[2:]).why


def test_it_needs_the_same_patients_of_both_kinds() -> None:
    with pytest.raises(StatisticsError, match="positives and negatives, got 2 of 2"):
        reclassify([True, True], [True, False], [True, True])
    with pytest.raises(StatisticsError, match="the same patients"):
        reclassify([True, False], [True], [True, True])
