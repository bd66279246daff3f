"""The best items so far are the head of the sorted scores."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fibrostage.active.top_items import Best, Choosable, Quotas


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(1, 70), st.integers(1, 9), st.integers(0, 5))
def test_the_running_top_k_is_the_sorted_head(scores: list[int], k: int, block: int, seed: int) -> None:
    ids = np.random.default_rng(seed).permutation(1000)[: len(scores)].astype(np.int64)
    values = np.array(scores, dtype=np.float64)
    best = Best(k)
    for start in range(0, len(ids), block):
        best.add(ids[start : start + block], values[start : start + block])
    expected = [i for _, i in sorted(zip((-values).tolist(), ids.tolist(), strict=True))][:k]
    assert best.ids().tolist() == expected


def test_a_score_that_is_no_number_is_an_error() -> None:
    with pytest.raises(ValueError, match="item 8 scored NaN"):
        Best(2).add(np.array([7, 8]), np.array([1.0, np.nan]))


def test_items_of_a_stage_that_is_full_may_not_be_chosen() -> None:
    """The second part of a query counts what the first took of each guessed stage."""
    quotas = Quotas(per_stage=2, stages={0: 2, 1: 1})
    choice = Choosable(np.arange(6), np.ones(6, dtype=bool), quotas)
    choice.guess(np.array([0, 0, 1, 1, 2, 2]))
    assert choice.available.tolist() == [False, False, True, True, True, True]
    choice.take(2)
    assert choice.available.tolist() == [False, False, False, False, True, True]
    assert quotas.stages == {0: 2, 1: 2}
