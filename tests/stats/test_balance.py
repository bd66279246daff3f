"""Standardised mean differences are their definitions, and those of two kinds the well-known formula."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fibrostage.stats.balance import smd_of_amounts, smd_of_kinds


def test_of_amounts_it_is_cohens_d_with_the_mean_variance() -> None:
    a, b = np.array([1.0, 2.0, 3.0, 4.0]), np.array([3.0, 5.0, 7.0])
    assert smd_of_amounts(a, b) == pytest.approx(2.5 / math.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2))
    assert smd_of_amounts(a, a) == 0
    assert smd_of_amounts([1.0], b) is None
    assert smd_of_amounts([2.0, 2.0], [2.0, 2.0]) is None


def test_of_two_kinds_it_is_the_difference_of_shares_over_their_spread() -> None:
    p, q = 0.3, 0.5
    expected = abs(p - q) / math.sqrt((p * (1 - p) + q * (1 - q)) / 2)
    assert smd_of_kinds([30, 70], [50, 50]) == pytest.approx(expected)
    assert smd_of_kinds([70, 30], [50, 50]) == pytest.approx(expected), "whichever kind comes first"


def test_of_several_kinds_it_does_not_hang_on_their_order() -> None:
    a, b = np.array([10, 20, 30, 0]), np.array([20, 20, 10, 5])
    orders = [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]]
    found = [smd_of_kinds(a[order], b[order]) for order in orders]
    assert found == pytest.approx([found[0]] * 3)
    assert smd_of_kinds(a, [0, 0, 0, 0]) is None
    assert smd_of_kinds([5], [6]) is None
