"""Curves beside each other by patients and starts: literal AUCs, a literal bootstrap, size and power."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.curve_difference import Drawn, PatientPairs, ToldCurve, pairs_of, resampled
from fibrostage.stats.macro import macro_auc

ROUNDS = 3
WEIGHTS = np.array([[0.25, 0.5, 0.25], [0.0, 0.0, 1.0]])


def curves(
    rng: np.random.Generator, stages: NDArray[np.int64], starts: int, more: float = 0.0, classes: int = 2
) -> list[ToldCurve]:
    """Curves of one strategy: patients it finds hard whatever the start, starts that fare well or badly, and noise."""
    hard, found = 0.3 * rng.normal(size=(len(stages), classes)), []
    for _ in range(starts):
        signal = np.linspace(0.4, 1.2, ROUNDS) + 0.15 * rng.normal() + more
        noise = 0.6 * rng.normal(size=(len(stages), classes)) + hard
        logits = signal[:, None, None] * np.eye(classes)[stages] + noise
        odds = np.exp(logits)
        found.append(ToldCurve(odds / odds.sum(axis=2, keepdims=True), WEIGHTS))
    return found


def compared(rng: np.random.Generator, more: float = 0.0, size: int = 60, starts: int = 4) -> list[Drawn]:
    divisions = []
    for _ in range(3):
        stages = (np.arange(size) < size // 3).astype(np.int64)
        own, other = (pairs_of(stages, curves(rng, stages, starts, gain)) for gain in (more, 0.0))
        divisions.append(own.minus(other))
    return resampled(divisions, 200, 0)


def test_a_figure_is_the_weighted_sum_of_literal_aucs() -> None:
    rng = np.random.default_rng(0)
    stages = rng.integers(0, 3, 30)
    own = curves(rng, stages, 2, classes=3)
    literal = np.array([[macro_auc(stages, table) for table in curve.probabilities] for curve in own]) @ WEIGHTS.T
    found = pairs_of(stages, own)
    np.testing.assert_allclose(found.values, literal)
    (area, last) = resampled([found], 50, 0)
    assert (area.value, last.value) == pytest.approx(tuple(literal.mean(axis=0)))


def test_one_start_is_a_bootstrap_of_patients_within_their_stage() -> None:
    """Against the literal resampling of rows; its variance is smaller by (n − 1) / n, of 20 patients of each stage."""
    rng = np.random.default_rng(1)
    stages = np.repeat([0, 1], 20)
    (curve,) = curves(rng, stages, 1)
    literal = []
    for _ in range(4000):
        rows = np.concatenate([rng.choice(np.flatnonzero(stages == k), 20) for k in (0, 1)])
        literal.append(macro_auc(stages[rows], curve.probabilities[-1][rows]))
    last = resampled([pairs_of(stages, [curve])], 4000, 0)[1]
    assert last.replicates.std() == pytest.approx(np.std(literal) * np.sqrt(20 / 19), rel=0.05)


def test_it_keeps_its_level_and_finds_what_is_there() -> None:
    """The short twin of what docs/lab-notes.md has of 3,200 studies: a level near 5 %, and a gain of three errors."""
    rng = np.random.default_rng(2)
    same = [compared(rng)[0] for _ in range(150)]
    assert 0.01 <= np.mean([one.p is not None and one.p < 0.05 for one in same]) <= 0.10
    spread, said = np.std([one.value for one in same]), np.mean([one.replicates.std() for one in same])
    assert said == pytest.approx(spread, rel=0.2), "the bootstrap says how much studies differ"
    apart = [compared(rng, more=0.3)[0] for _ in range(20)]
    assert np.mean([one.p is not None and one.p < 0.05 for one in apart]) > 0.5


def test_the_same_runs_do_not_differ() -> None:
    stages = np.repeat([0, 1], 5)
    own = pairs_of(stages, curves(np.random.default_rng(3), stages, 3))
    (area, _) = resampled([own.minus(own)], 100, 0)
    assert (area.value, area.estimate().lo, area.estimate().hi, area.p) == (0, 0, 0, 1)


def test_too_few_patients_of_a_stage_have_no_interval() -> None:
    def of(stages: list[int]) -> PatientPairs:
        own = np.array(stages)
        return pairs_of(own, curves(np.random.default_rng(4), own, 2))

    alone = resampled([of([0, 0, 0, 1])], 10, 0)[0]
    assert "a single patient of a stage" in alone.estimate().why
    assert alone.p is None
    assert alone.value is not None
    assert "has 3 of the 4" in resampled([of([0, 0, 0, 0, 1, 1, 1])], 10, 0)[0].why


def test_what_does_not_fit_is_refused() -> None:
    stages = np.repeat([0, 1], 5)
    with pytest.raises(StatisticsError, match="one start or more"):
        pairs_of(stages, [])
    with pytest.raises(StatisticsError, match=r"must be finite \[3, 10, K\], got \(3, 9\)"):
        pairs_of(stages, [ToldCurve(np.ones((3, 9, 2)), WEIGHTS)])
    with pytest.raises(StatisticsError, match="one division and one resample"):
        resampled([], 10, 0)
