"""The average of the one-vs-rest AUCs where patients are few: no interval rather than one that claims too much."""

from __future__ import annotations

import numpy as np
import pytest

from fibrostage.stats.auc import delong
from fibrostage.stats.macro import macro_auc, macro_auc_interval, macro_difference


@pytest.mark.parametrize("counts", [(1, 1, 1, 1, 1), (3, 3, 3, 3, 3), (20, 20, 20, 20, 2)])
def test_too_few_patients_of_a_stage_have_no_interval_and_it_says_why(counts: tuple[int, ...]) -> None:
    stages = np.repeat(np.arange(5), counts)
    table = np.random.default_rng(0).dirichlet(np.ones(5), len(stages))
    found = macro_auc_interval(stages, table, 200, 0)
    assert found.value == macro_auc(stages, table)
    assert (found.lo, found.hi) == (None, None)
    assert found.why == f"no interval: a stage has {min(counts)} of the 4 patients it takes"


@pytest.mark.parametrize("counts", [(4, 4, 4, 4, 4), (8, 10, 6, 6, 4), (20, 20, 20, 20, 4)])
def test_intervals_of_small_test_sets_cover(counts: tuple[int, ...]) -> None:
    """Of 200 simulated test sets; the truth is that of 20,000 patients."""
    rng = np.random.default_rng(1)

    def drawn(sizes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        stages = np.repeat(np.arange(5), sizes)
        scores = rng.normal(size=(len(stages), 5)) + np.eye(5)[stages]
        return stages, np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)

    truth = macro_auc(*drawn((4000,) * 5))
    held = [
        found.lo <= truth <= found.hi
        for found in (macro_auc_interval(*drawn(counts), 300, seed) for seed in range(200))
        if found.lo is not None and found.hi is not None
    ]
    assert len(held) == 200
    assert np.mean(held) >= 0.85


def test_a_difference_of_two_classes_is_delongs() -> None:
    rng = np.random.default_rng(3)
    stages = np.arange(40) % 2
    first, second = (rng.normal(size=40) + stages * gap for gap in (1.5, 0.5))
    tables = [np.column_stack([1 / (1 + np.exp(x)), 1 / (1 + np.exp(-x))]) for x in (first, second)]
    found = macro_difference(stages, *tables)
    theirs = delong(stages == 1, np.stack([first, second])).difference(0, 1)
    assert (found.value, found.se, found.p) == pytest.approx((theirs.value, theirs.se, theirs.p))


def test_the_error_of_a_difference_is_the_jackknifes() -> None:
    rng = np.random.default_rng(4)
    stages = np.arange(30) % 3
    first, second = (rng.dirichlet(np.ones(3) + 3 * k, 30) for k in (0, 1))
    found = macro_difference(stages, first, second)

    def value(rows: np.ndarray) -> float:
        return macro_auc(stages[rows], first[rows]) - macro_auc(stages[rows], second[rows])

    variance = 0.0
    for k in range(3):
        left_out = np.array([value(np.arange(30) != row) for row in np.flatnonzero(stages == k)])
        variance += (len(left_out) - 1) / len(left_out) * ((left_out - left_out.mean()) ** 2).sum()
    assert found.se == pytest.approx(np.sqrt(variance))
    assert macro_difference(stages[:9], first[:9], second[:9]).why.startswith("no interval")
