"""The average of the one-vs-rest AUCs where patients are few: no interval rather than one that claims too much."""

from __future__ import annotations

import numpy as np
import pytest

from fibrostage.stats.macro import macro_auc, macro_auc_interval


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
