"""Figures of patients who were chosen: weights make them speak of everybody, and without weights they do not."""

from __future__ import annotations

import numpy as np
import pytest

from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.estimate import wilson
from fibrostage.stats.macro import macro_auc_interval
from fibrostage.stats.selection import chance_of_answer, effective_n, weighted_accuracy, weighted_macro_auc

PATIENTS, KEPT, AUDITED, WANTED = 300, 60, 30, 100


def one_loop(rng: np.random.Generator) -> tuple[float, float, float, float, bool]:
    """A population of whom a strategy gets the hardest; its true accuracy, and that by audits, weighted and naive."""
    hard = rng.random(PATIENTS)
    right = rng.random(PATIENTS) > 0.8 * hard
    order = rng.permutation(PATIENTS)
    kept, audited = order[:KEPT], order[:AUDITED]
    by_wish = np.argsort(-hard)
    asked = by_wish[~np.isin(by_wish, kept)][:WANTED]
    last = int(np.flatnonzero(by_wish == asked[-1])[0])
    wanted = np.zeros(PATIENTS, dtype=bool)
    wanted[by_wish[: last + 1]] = True
    answered = np.concatenate([audited, asked])
    weights = 1 / chance_of_answer(PATIENTS, KEPT, AUDITED, wanted[answered])
    both, audit = weighted_accuracy(right[answered], weights), wilson(int(right[audited].sum()), AUDITED)
    assert both.value is not None
    assert both.lo is not None
    assert both.hi is not None
    assert audit.value is not None
    truth = float(right.mean())
    return truth, audit.value, both.value, float(right[asked].mean()), both.lo <= truth <= both.hi


def test_audits_and_weighted_answers_are_unbiased_where_the_naive_figure_is_not() -> None:
    rng = np.random.default_rng(0)
    found = np.array([one_loop(rng) for _ in range(600)])
    truth = found[:, 0]
    for column in (1, 2):
        errors = found[:, column] - truth
        assert abs(errors.mean()) < 3 * errors.std() / np.sqrt(len(errors))
    assert (found[:, 3] - truth).mean() < -0.15, "the naive figure is of the hardest"
    assert (found[:, 2] - truth).std() < 0.9 * (found[:, 1] - truth).std(), "and all answers know more than audits"
    assert 0.93 < found[:, 4].mean() <= 1, "the interval covers"


def test_equal_weights_change_nothing() -> None:
    rng = np.random.default_rng(1)
    stages, table = rng.integers(0, 3, 60), rng.dirichlet(np.ones(3), 60)
    assert weighted_accuracy(stages == 1, np.full(60, 7.0)) == wilson(int((stages == 1).sum()), 60)
    plain = macro_auc_interval(stages, table, 200, 3)
    assert weighted_macro_auc(stages, table, np.full(60, 1.0), 200, 3) == plain


def test_a_weight_is_so_many_patients() -> None:
    stages, table = np.array([0, 0, 1, 1, 1]), np.array([[0.9, 0.1], [0.4, 0.6], [0.3, 0.7], [0.6, 0.4], [0.2, 0.8]])
    weights = np.array([1, 3, 2, 1, 1])
    more = np.repeat(np.arange(5), weights)
    assert weighted_macro_auc(stages, table, weights, 100, 0).value == pytest.approx(
        macro_auc_interval(stages[more], table[more], 100, 0).value
    )
    assert weighted_accuracy([1, 0, 1, 1, 0], weights).value == pytest.approx(0.5)
    assert effective_n(np.array([1.0, 1.0, 1.0])) == pytest.approx(3)
    assert effective_n(np.array([1.0, 0.001])) == pytest.approx(1, abs=0.01)


def test_what_has_no_weights_is_refused() -> None:
    for weights in ([], [1.0, 0.0], [1.0, np.nan]):
        with pytest.raises(StatisticsError, match="above 0"):
            weighted_accuracy([1, 0][: len(weights)], weights)
    with pytest.raises(StatisticsError, match="as many as patients"):
        weighted_accuracy([1, 0, 1], [1.0, 1.0])
    with pytest.raises(StatisticsError, match="of 10 patients 3 cannot be kept and 4"):
        chance_of_answer(10, 3, 4, np.array([True]))
