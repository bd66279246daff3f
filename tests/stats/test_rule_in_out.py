"""Ruling in and out: the literal definition, what cannot be said, and that the value asked for holds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.rule_in_out import CutLimits, CutScores, cut_limits, cut_scores, widest


def literal(wrong: list[float], right: list[float], value: float) -> float:
    best = -math.inf
    for t in sorted({*wrong, *right}):
        k, n = sum(s <= t for s in right), sum(s <= t for s in [*right, *wrong])
        low = binomtest(k, n, alternative="greater").proportion_ci(0.8, "exact").low
        best = t if low >= value else best
    return best


@pytest.mark.parametrize("seed", range(8))
def test_the_widest_limit_is_the_literal_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    right, wrong = rng.normal(0, 1, 40).round(1).tolist(), rng.normal(1.5, 1, 20).round(1).tolist()
    for value in (0.6, 0.8, 0.9):
        assert widest(wrong, right, value) == literal(wrong, right, value)


def test_few_patients_rule_nothing_in_or_out() -> None:
    few = CutScores((0.1, 0.2, 0.3), (0.8, 0.9))
    assert few.out_up_to(0.9) == -math.inf
    assert few.in_from(0.9) == math.inf
    limits = cut_limits([few], 0.9, 0.9)
    sure = [[0.999999, 0.000001], [0.000001, 0.999999]]
    assert limits.ruled(sure, [[True, False], [False, True]]).tolist() == [[0], [0]]


def test_a_clean_gap_rules_both_ways() -> None:
    clean = CutScores(tuple(np.linspace(0.05, 0.3, 30)), tuple(np.linspace(0.7, 0.95, 30)))
    assert 0.3 <= clean.out_up_to(0.9) < 0.8
    assert 0.2 < clean.in_from(0.9) <= 0.7
    between = cut_limits([clean], 0.94, 0.94)
    said = [[0.9, 0.1], [0.5, 0.5], [0.1, 0.9]]
    assert between.ruled(said, [[True, False], [True, True], [False, True]]).tolist() == [[-1], [0], [1]]


def test_what_stays_possible_is_not_ruled_out() -> None:
    """A stage that one in ten has is missed in one of ten by calling nobody so: its NPV alone rules it out of all."""
    rare = CutLimits((0.9, 0.4), (0.1, math.inf))
    said = [[0.3, 0.4, 0.3]] * 3
    stays = [[True, True, True], [True, True, False], [False, True, False]]
    assert rare.ruled(said, stays).tolist() == [[0, 0], [0, -1], [1, -1]]


def test_scores_are_by_cut() -> None:
    table = np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7], [0.2, 0.6, 0.2]])
    first, second = cut_scores([0, 2, 1], table)
    assert first == CutScores((0.5,), (0.8, 0.9))
    assert second == CutScores((0.2, 0.2), (0.7,))
    with pytest.raises(StatisticsError, match=r"stages \[n\]"):
        cut_scores([0], table)
    with pytest.raises(StatisticsError, match="between 0 and 1"):
        first.out_up_to(1.0)


@pytest.mark.parametrize(("patients", "share", "apart"), [(168, 0.28, 1.7), (168, 0.11, 1.9), (400, 0.5, 1.4)])
def test_the_value_that_was_asked_for_holds_on_new_patients(patients: int, share: float, apart: float) -> None:
    """Simulated scores of two normals: on the whole NPV is what was asked for, and rarely much below it."""
    rng = np.random.default_rng(3)
    ill = rng.random(100_000) < share
    everybody = rng.normal(size=len(ill)) + apart * ill
    reached = []
    for _ in range(200):
        own = rng.random(patients) < share
        scores = rng.normal(size=patients) + apart * own
        limit = widest(scores[own], scores[~own], 0.9)
        if limit > -math.inf:
            reached.append(float((~ill[everybody <= limit]).mean()))
    assert len(reached) > 100
    assert np.mean(reached) >= 0.9
    assert np.mean(np.array(reached) < 0.87) < 0.1
