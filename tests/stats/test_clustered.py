"""Shares over clusters: the textbook's where everybody is alone, no narrower for copies, and as often right as said."""

from __future__ import annotations

import numpy as np
import pytest

from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.clustered import clustered_mean, clustered_share, crossed_share
from fibrostage.stats.estimate import wilson


def test_where_everybody_is_a_cluster_it_is_nearly_wilsons() -> None:
    hits = np.repeat([1, 0], [270, 30])
    found, known = clustered_share(hits, np.ones(300), np.arange(300)), wilson(270, 300)
    assert found.value == known.value == 0.9
    assert [found.lo, found.hi] == pytest.approx([known.lo, known.hi], abs=1e-3)


def test_copies_of_patients_say_nothing_new() -> None:
    rng = np.random.default_rng(0)
    hits, whose = rng.random(60) < 0.7, np.repeat(np.arange(20), 3)
    once = clustered_share(hits, np.ones(60), whose)
    copied = clustered_share(np.repeat(hits, 5), np.ones(300), np.repeat(whose, 5))
    if once.lo is None or copied.lo is None:
        raise AssertionError("both have an interval")
    assert copied.lo <= once.lo + 1e-9
    assert clustered_share(np.repeat(hits, 5), np.ones(300), np.arange(300)).lo > copied.lo  # type: ignore[operator]


def test_an_interval_holds_the_share_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    held = []
    for _ in range(600):
        own = rng.beta(8, 2, 20)  # each model's coverage
        hits = rng.random((20, 50)) < own[:, None]
        found = clustered_share(hits.ravel(), np.ones(1000), np.repeat(np.arange(20), 50))
        held.append(found.lo <= 0.8 <= found.hi)  # type: ignore[operator]
    assert 0.92 < np.mean(held) < 0.98


def test_patients_count_as_much_as_they_are_told_to() -> None:
    found = clustered_share([2, 0, 0.5], [2, 1, 1], [0, 1, 2])
    assert found.value == 2.5 / 4


def test_nobody_gives_no_share_and_a_share_of_all_is_not_certain() -> None:
    assert clustered_share([0, 0], [0, 0], [0, 1]).value is None
    whole = clustered_share(np.ones(30), np.ones(30), np.arange(30) % 3)
    assert whole.value == 1.0
    assert whole.lo == wilson(30, 30).lo


def test_a_mean_has_students_interval() -> None:
    values = np.array([1.0, 2.0, 4.0, 5.0])
    found = clustered_mean(values, np.ones(4), np.arange(4))
    half = 3.182446 * values.std(ddof=1) / 2  # t of 3 degrees of freedom
    assert found.value == 3.0
    assert [found.lo, found.hi] == pytest.approx([3 - half, 3 + half], rel=1e-5)


def test_models_that_agree_on_every_picture_are_no_more_than_one() -> None:
    told = np.random.default_rng(2).random(40) < 0.6
    one, many = crossed_share(told[None]), crossed_share(np.tile(told, (25, 1)))
    assert (one.lo, one.hi) == (many.lo, many.hi)
    several = crossed_share(np.random.default_rng(3).random((25, 40)) < 0.6)
    assert several.hi - several.lo < one.hi - one.lo  # type: ignore[operator]


@pytest.mark.parametrize("wrong", [([1], [1, 1], [0, 0]), ([2.0], [1.0], [0]), ([0], [-1], [0])])
def test_what_does_not_fit_is_refused(wrong: tuple[list[float], list[float], list[int]]) -> None:
    with pytest.raises(StatisticsError):
        clustered_share(*wrong)
    with pytest.raises(StatisticsError, match="make a table"):
        crossed_share([1, 0])
