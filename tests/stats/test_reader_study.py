"""Obuchowski & Rockette's comparison: RJafroc's published figures, the error rates, and what is refused.

The reference figures are those that RJafroc gave for scores simulated by Roe & Metz's model with numpy's generator of
seed 1987; the draws are repeated here in the same order.
"""

from __future__ import annotations

import numpy as np
import pytest

from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.auc import auc
from fibrostage.stats.reader_study import between_ways, jackknifed, model_against_readers

Drawn = tuple[np.ndarray, np.ndarray, np.ndarray]


def one_way(seed: int, readers: int = 10, positives: int = 200, negatives: int = 800, worse: float = 0.0) -> Drawn:
    """Truth [n], a model's scores [n], and correlated readers' [n, R]."""
    rng = np.random.RandomState(seed)
    truth = np.repeat([1, 0], [positives, negatives])
    case = rng.randn(len(truth))
    columns = []
    for _ in range(readers):
        of_negative, of_positive = 0.075 * rng.randn(2)
        noise = np.sqrt(1 - 0.6**2) * rng.randn(len(truth))
        columns.append((1 - worse + of_positive) * truth + of_negative * (1 - truth) + 0.6 * case + noise)
    return truth, truth + case, np.column_stack(columns)


def two_ways(seed: int, readers: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Truth [n] and scores [n, R, 2] of readers who read twice, with high correlation and low reader variance."""
    rng = np.random.RandomState(seed)
    truth = np.repeat([0, 1], 200)
    case = np.sqrt(0.3) * rng.randn(400)
    way_case = [np.sqrt(0.3) * rng.randn(400) for _ in range(2)]
    scores = np.zeros((400, readers, 2), dtype=np.float32)
    for reader in range(readers):
        up, down = np.sqrt(0.0082) * rng.randn(2)
        own_case = np.sqrt(0.2) * rng.randn(400)
        for way in range(2):
            way_up, way_down = np.sqrt(0.0082) * rng.randn(2)
            noise = np.sqrt(0.2) * rng.randn(400)
            mean = (0.821 + up + way_up) * truth + (down + way_down) * (1 - truth)
            scores[:, reader, way] = mean + case + own_case + way_case[way] + noise
    return truth, scores


def test_a_model_against_readers_is_rjafrocs() -> None:
    found = model_against_readers(*one_way(1987))
    assert found.difference.value == pytest.approx(-0.00584125, abs=1e-8)
    assert (found.difference.lo, found.difference.hi) == pytest.approx((-0.03233184, 0.02064934), abs=1e-8)
    assert found.p == pytest.approx(0.6560453, abs=1e-7)
    assert found.degrees == pytest.approx(31.00905, abs=1e-5)
    assert (found.readers, found.n) == (10, 1000)


def test_two_ways_of_reading_are_rjafrocs() -> None:
    found = between_ways(*two_ways(1987))
    assert found.difference.value == pytest.approx(0.00451, abs=1e-6)
    assert (found.difference.lo, found.difference.hi) == pytest.approx((-0.04284442691, 0.05186442691), abs=1e-6)
    assert found.p == pytest.approx(0.8502715, abs=1e-6)
    assert found.degrees == pytest.approx(85.5241922, abs=1e-3)


def test_the_jackknife_is_that_of_leaving_out() -> None:
    truth, model, readers = one_way(3, 2, 6, 9)
    table = np.column_stack([model, readers])
    aucs, left_out = jackknifed(truth == 1, table)
    for case in range(15):
        rest = np.arange(15) != case
        assert left_out[case] == pytest.approx([auc(truth[rest] == 1, table[rest, k]) for k in range(3)])
    assert aucs == pytest.approx([auc(truth == 1, table[:, k]) for k in range(3)])


def test_it_errs_as_often_as_it_says() -> None:
    wrong = [model_against_readers(*one_way(seed, 5, 60, 60)).p < 0.05 for seed in range(300)]
    assert np.mean(wrong) < 0.09
    found = [model_against_readers(*one_way(seed, 5, 60, 60, worse=0.6)).p < 0.05 for seed in range(40)]
    assert np.mean(found) > 0.8


def test_what_cannot_be_compared_is_refused() -> None:
    truth, model, readers = one_way(0, 3, 5, 5)
    with pytest.raises(StatisticsError, match="takes two of them or more, got 1"):
        model_against_readers(truth, model, readers[:, :1])
    with pytest.raises(StatisticsError, match="must be numbers"):
        model_against_readers(truth, model, readers[:-1])
    with pytest.raises(StatisticsError, match="two positives and two negatives"):
        model_against_readers([1, 0, 0], [1, 2, 3], np.ones((3, 2)))
    with pytest.raises(StatisticsError, match="must be \\[cases, readers, 2\\]"):
        between_ways(truth, readers)
    same = model_against_readers(truth, model, np.column_stack([model, model]))
    assert same.difference.lo is None
    assert same.p == 1
