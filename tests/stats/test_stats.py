"""Figures against brute force, known values and invariances."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

from fibrostage.ground.errors import StatisticsError
from fibrostage.ground.stage import METAVIR
from fibrostage.stats.auc import auc, auc_interval
from fibrostage.stats.bootstrap import stratified_counts
from fibrostage.stats.estimate import wilson
from fibrostage.stats.evaluate import evaluate, per_patient
from fibrostage.stats.macro import (
    SortedScores,
    bootstrap_auc_interval,
    bootstrap_macro_auc,
    macro_auc,
    macro_auc_interval,
    macro_influences,
)
from fibrostage.stats.roc import roc_curve

SCORES = st.lists(st.tuples(st.booleans(), st.integers(-3, 3)), min_size=4, max_size=30).filter(
    lambda rows: 2 <= sum(label for label, _ in rows) <= len(rows) - 2
)


def kernel(x: float, y: float) -> float:
    return 1.0 if x > y else 0.5 if x == y else 0.0


@given(SCORES)
def test_auc_and_delong_are_the_definition(rows: list[tuple[bool, int]]) -> None:
    labels, scores = np.array([r[0] for r in rows]), np.array([float(r[1]) for r in rows])
    x, y = scores[labels], scores[~labels]
    table = np.array([[kernel(a, b) for b in y] for a in x])
    assert auc(labels, scores) == pytest.approx(table.mean())
    variance = table.mean(axis=1).var(ddof=1) / len(x) + table.mean(axis=0).var(ddof=1) / len(y)
    found = auc_interval(labels, scores)
    half = 1.959963984540054 * np.sqrt(variance)
    if half == 0:
        assert found.lo < found.value or found.value < found.hi
        assert "Newcombe" in found.why
        return
    assert found.lo == pytest.approx(max(0, table.mean() - half))
    assert found.hi == pytest.approx(min(1, table.mean() + half))
    curve = roc_curve(labels, scores)
    assert float(np.trapezoid(curve.tpr, curve.fpr)) == pytest.approx(table.mean())


@given(SCORES)
def test_auc_ignores_monotone_changes_and_turns_with_the_labels(rows: list[tuple[bool, int]]) -> None:
    labels, scores = np.array([r[0] for r in rows]), np.array([float(r[1]) for r in rows])
    assert auc(labels, np.exp(scores) * 3 - 7) == pytest.approx(auc(labels, scores))
    assert auc(~labels, scores) == pytest.approx(1 - auc(labels, scores))
    assert auc(labels, rankdata(scores)) == pytest.approx(auc(labels, scores))


@pytest.mark.parametrize("labels", [[True, True], [False, False]])
def test_an_auc_of_one_kind_of_patient_is_an_error(labels: list[bool]) -> None:
    with pytest.raises(StatisticsError, match="positives"):
        auc(labels, [1.0, 2.0])


def test_not_a_number_is_never_repaired() -> None:
    with pytest.raises(StatisticsError, match="1 of 3 scores are not finite"):
        auc([True, False, True], [1.0, np.nan, 2.0])


def test_the_papers_24_of_34() -> None:
    found = wilson(24, 34)
    assert (found.value, found.lo, found.hi) == pytest.approx((0.70588, 0.53834, 0.83168), abs=1e-4)
    assert wilson(0, 5).lo == 0.0
    assert wilson(5, 5).hi == 1.0
    with pytest.raises(StatisticsError):
        wilson(6, 5)


def test_a_weighted_replicate_is_the_auc_of_the_repeated_rows() -> None:
    rng = np.random.default_rng(0)
    positive, scores = rng.random(40) < 0.4, rng.integers(0, 6, 40).astype(float)
    counts = stratified_counts(positive.astype(np.int64), 20, rng)
    found = SortedScores(positive, scores).weighted(counts)
    for row, value in zip(counts.astype(int), found, strict=True):
        assert roc_auc_score(np.repeat(positive, row), np.repeat(scores, row)) == pytest.approx(value)
    assert (counts[:, positive].sum(axis=1) == positive.sum()).all()


def test_macro_auc_and_its_bootstrap() -> None:
    rng = np.random.default_rng(1)
    stages = rng.integers(0, 4, 200)
    table = rng.dirichlet(np.ones(4), 200) + 0.3 * np.eye(4)[stages]
    expected = np.mean([roc_auc_score(stages == k, table[:, k]) for k in range(4)])
    assert macro_auc(stages, table) == pytest.approx(expected)
    replicates = bootstrap_macro_auc(stages, table, 600, rng)
    assert replicates.mean() == pytest.approx(expected, abs=0.01)
    assert 0.01 < replicates.std() < 0.03


def test_evaluation_is_per_patient_and_says_what_is_not_defined() -> None:
    ids, table = per_patient(["b", "a", "b"], [[0.2, 0.8], [1.0, 0.0], [0.4, 0.6]])
    assert ids.tolist() == ["a", "b"]
    np.testing.assert_allclose(table, [[1.0, 0.0], [0.3, 0.7]])
    probabilities = np.eye(5)[[0, 1, 2, 2, 3, 3]] * 0.6 + 0.08
    result = evaluate([0, 1, 2, 2, 3, 1], probabilities, METAVIR, resamples=200)
    assert result.n_patients == 6
    assert result.accuracy.value == pytest.approx(5 / 6)
    assert result.confusion.sum() == 6
    assert result.confusion[1, 3] == 1
    assert result.auc_at_cut["F4"].value is None
    assert "0 positives" in result.auc_at_cut["F4"].why
    assert "F4" in result.auc_macro.why
    content = result.as_dict()
    assert content["auc_at_cut"]["F4"]["why"]
    for bad, stages in itertools.product([np.full((2, 5), np.nan)], [[0, 1]]):
        with pytest.raises(StatisticsError, match="not finite"):
            evaluate(stages, bad, METAVIR)


def test_bca_uses_the_literal_jackknife() -> None:
    rng = np.random.default_rng(2)
    stages = np.repeat(np.arange(3), [12, 20, 9])
    table = rng.dirichlet(np.ones(3), 41) + 0.4 * np.eye(3)[stages]
    keep = ~np.eye(41, dtype=bool)
    left_out = np.array([macro_auc(stages[rows], table[rows]) for rows in keep])
    for k, found in enumerate(macro_influences(stages, table)):
        own = left_out[stages == k]
        np.testing.assert_allclose(found, (len(own) - 1) * (own.mean() - own), atol=1e-12)
    percentile = macro_auc_interval(stages, table, 2000, 0)
    bca = macro_auc_interval(stages, table, 2000, 0, method="bca")
    assert bca.lo < percentile.lo, "an AUC near 1 is skewed: BCa reaches further down"
    with pytest.raises(StatisticsError, match="'percentile' or 'bca'"):
        macro_auc_interval(stages, table, 10, 0, method="basic")


def test_the_bootstrap_of_one_auc_agrees_with_delong() -> None:
    rng = np.random.default_rng(5)
    positive = np.arange(300) % 3 == 0
    scores = positive + rng.normal(0, 1, 300)
    expected = auc_interval(positive, scores)
    for method in ("percentile", "bca"):
        found = bootstrap_auc_interval(positive, scores, 4000, 0, method=method)
        assert (found.lo, found.hi) == pytest.approx((expected.lo, expected.hi), abs=0.01)
    assert bootstrap_auc_interval(positive, scores, 50, 7) == bootstrap_auc_interval(positive, scores, 50, 7)
