"""AUC, clustered AUC and Obuchowski's index: against their literal definitions, and by what must not change them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.auc import delong
from fibrostage.stats.concordance import placements, unpaired
from fibrostage.stats.ordinal import obuchowski, pair_weights, penalties

ROWS = st.lists(st.tuples(st.integers(0, 2), st.integers(-3, 3), st.integers(-3, 3)), min_size=8, max_size=30).filter(
    lambda rows: all(sum(row[0] == k for row in rows) >= 2 for k in range(3))
)


def kernel(x: float, y: float) -> float:
    return 1.0 if x > y else 0.5 if x == y else 0.0


def literal_index(
    stages: np.ndarray, scores: np.ndarray, penalty: np.ndarray, share: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """θ [k] and its covariance [k, k] by sums over all pairs and covariances of pairwise AUCs, one by one."""
    classes = len(penalty)
    groups = [scores[:, stages == i] for i in range(classes)]
    pairs = list(itertools.combinations(range(classes), 2))
    weight = {(i, j): share[i] * share[j] for i, j in pairs}
    total = sum(weight.values())
    tables = {
        (a, i, j): np.array([[kernel(x, y) for y in groups[i][a]] for x in groups[j][a]])
        for a in range(len(scores))
        for i, j in pairs
    }
    theta = np.array(
        [
            1 - sum(weight[p] / total * penalty[p] * (1 - tables[(a, *p)].mean()) for p in pairs)
            for a in range(len(scores))
        ]
    )

    def components(a: int, pair: tuple[int, int], group: int) -> np.ndarray | None:
        if group == pair[1]:
            return tables[(a, *pair)].mean(axis=1)
        return tables[(a, *pair)].mean(axis=0) if group == pair[0] else None

    covariance = np.zeros((len(scores), len(scores)))
    for a, b in itertools.product(range(len(scores)), repeat=2):
        for p, q in itertools.product(pairs, repeat=2):
            factor = weight[p] * weight[q] / total**2 * penalty[p] * penalty[q]
            for group in range(classes):
                left, right = components(a, p, group), components(b, q, group)
                if left is not None and right is not None:
                    covariance[a, b] += factor * np.cov(left, right)[0, 1] / len(left)
    return theta, covariance


@settings(max_examples=40, deadline=None)
@given(ROWS, st.sampled_from(["linear", "unit", "own"]))
def test_the_index_is_its_definition(rows: list[tuple[int, int, int]], kind: str) -> None:
    table = np.array(rows)
    stages, scores = table[:, 0], table[:, 1:].T.astype(float)
    own = np.array([[0, 0.2, 0.9], [0.2, 0, 0.5], [0.9, 0.5, 0]])
    penalty = own if kind == "own" else penalties(kind, 3)
    share = np.bincount(stages, minlength=3) / len(stages)
    theta, covariance = literal_index(stages, scores, penalty, share)
    found = obuchowski(stages, scores, 3, own if kind == "own" else kind)
    np.testing.assert_allclose(found.values, theta, atol=1e-12)
    np.testing.assert_allclose(found.covariance, covariance, atol=1e-12)
    reference = np.array([0.5, 0.3, 0.2])
    theta, covariance = literal_index(stages, scores, penalty, reference)
    found = obuchowski(stages, scores, 3, penalty, reference)
    np.testing.assert_allclose(found.values, theta, atol=1e-12)
    np.testing.assert_allclose(found.covariance, covariance, atol=1e-12)


@settings(max_examples=50, deadline=None)
@given(ROWS)
def test_with_two_stages_the_index_is_the_auc(rows: list[tuple[int, int, int]]) -> None:
    table = np.array(rows)
    stages, scores = (table[:, 0] > 0).astype(int), table[:, 1:].T.astype(float)
    index, areas = obuchowski(stages, scores, 2), delong(stages, scores)
    np.testing.assert_array_equal(index.values, areas.values)
    np.testing.assert_array_equal(index.covariance, areas.covariance)


@settings(max_examples=50, deadline=None)
@given(ROWS, st.integers(2, 4))
def test_clusters_of_one_row_are_delong_and_copies_add_nothing(rows: list[tuple[int, int, int]], copies: int) -> None:
    table = np.array(rows)
    positive, scores = table[:, 0] > 0, table[:, 1:].T.astype(float)
    plain = delong(positive, scores)
    single = delong(positive, scores, np.arange(len(rows)))
    np.testing.assert_allclose(single.covariance, plain.covariance, atol=1e-14)
    patients = np.repeat(np.arange(len(rows)), copies)
    many = delong(np.repeat(positive, copies), np.repeat(scores, copies, axis=1), patients)
    np.testing.assert_allclose(many.values, plain.values, atol=1e-12)
    np.testing.assert_allclose(many.covariance, plain.covariance, atol=1e-12)


@given(ROWS)
def test_monotone_changes_do_nothing_and_swapped_labels_turn_the_auc(rows: list[tuple[int, int, int]]) -> None:
    table = np.array(rows)
    positive, scores = table[:, 0] > 0, table[:, 1:].T.astype(float)
    areas = delong(positive, scores)
    changed, swapped = delong(positive, np.exp(scores) - 7), delong(~positive, scores)
    np.testing.assert_array_equal(changed.values, areas.values)
    np.testing.assert_array_equal(changed.covariance, areas.covariance)
    np.testing.assert_allclose(swapped.values, 1 - areas.values, atol=1e-12)
    np.testing.assert_allclose(swapped.covariance, areas.covariance, atol=1e-12)
    assert areas.difference(0, 1).value == -areas.difference(1, 0).value


def literal_clustered_variance(positive: np.ndarray, scores: np.ndarray, clusters: np.ndarray) -> float:
    """Obuchowski 1997, equation by equation."""
    x, y = scores[positive], scores[~positive]
    table = np.array([[kernel(a, b) for b in y] for a in x])
    theta, m, n = table.mean(), len(x), len(y)
    names = np.unique(clusters)
    s10 = s01 = s11 = 0.0
    with_positives = with_negatives = 0
    for name in names:
        own_x, own_y = clusters[positive] == name, clusters[~positive] == name
        at_x = table.mean(axis=1)[own_x].sum() - own_x.sum() * theta
        at_y = table.mean(axis=0)[own_y].sum() - own_y.sum() * theta
        s10, s01, s11 = s10 + at_x**2, s01 + at_y**2, s11 + at_x * at_y
        with_positives += own_x.any()
        with_negatives += own_y.any()
    s10 *= with_positives / ((with_positives - 1) * m)
    s01 *= with_negatives / ((with_negatives - 1) * n)
    s11 *= len(names) / (len(names) - 1)
    return s10 / m + s01 / n + 2 * s11 / (m * n)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_patients_with_images_of_both_kinds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    clusters = rng.integers(0, 12, 60)
    positive, scores = rng.random(60) < 0.4, rng.integers(0, 9, 60).astype(float)
    found = delong(positive, scores, clusters)
    assert found.variance() == pytest.approx(literal_clustered_variance(positive, scores, clusters), abs=1e-14)


def test_images_of_a_patient_taken_as_independent_make_intervals_too_narrow() -> None:
    """Coverage of the true AUC over simulated studies of 40 patients with 5 images each."""
    rng = np.random.default_rng(0)
    truth = 0.7602499389065233  # Φ(1 / √2) of scores N(1, 1) against N(0, 1)
    covered = {"clustered": 0, "naive": 0}
    for _ in range(400):
        patient = rng.random(40) < 0.4
        patient[:2], patient[2:4] = True, False
        between = (patient + rng.normal(0, np.sqrt(0.8), 40)).repeat(5)
        scores = between + rng.normal(0, np.sqrt(0.2), 200)
        for name, clusters in (("clustered", np.arange(40).repeat(5)), ("naive", None)):
            found = delong(patient.repeat(5), scores, clusters).interval()
            covered[name] += found.lo <= truth <= found.hi
    assert covered["clustered"] >= 0.90 * 400
    assert covered["naive"] <= 0.75 * 400


def test_a_negative_covariance_makes_the_difference_wider() -> None:
    rng = np.random.default_rng(3)
    stages = np.repeat(np.arange(5), 30)
    noise = rng.normal(0, 1.2, 150)
    scores = np.stack([stages + noise, stages - noise])
    index = obuchowski(stages, scores, 5)
    assert index.covariance[0, 1] < 0
    difference = index.difference(0, 1)
    assert difference.se**2 == pytest.approx(index.variance(0) + index.variance(1) - 2 * index.covariance[0, 1])
    replicates = []
    for _ in range(400):
        rows = np.concatenate([k * 30 + rng.integers(0, 30, 30) for k in range(5)])
        values = obuchowski(stages[rows], scores[:, rows], 5).values
        replicates.append(values[0] - values[1])
    assert np.std(replicates) == pytest.approx(difference.se, rel=0.12)


def test_no_spread_is_neither_an_error_nor_certainty() -> None:
    positive = np.repeat([False, True], 20)
    perfect, also, useless = np.arange(40.0), np.arange(40.0) ** 2, np.zeros(40)
    areas = delong(positive, np.stack([perfect, also, useless, -perfect]))
    alike = areas.difference(0, 1)
    assert (alike.value, alike.z, alike.p) == (0.0, 0.0, 1.0)
    assert areas.difference(0, 0).p == 1.0
    opposite = areas.difference(0, 3)
    assert opposite.p is None
    assert "no test" in opposite.why
    best = areas.interval(0)
    assert (best.value, best.hi) == (1.0, 1.0)
    assert 0.85 < best.lo < 0.95
    chance = areas.interval(2)
    assert chance.lo == pytest.approx(1 - chance.hi)
    assert chance.hi - chance.lo > 0.2
    assert unpaired(areas, areas).p == 1.0


def test_unpaired_and_placements_of_one_each() -> None:
    of_lower, of_upper = placements(np.array([1.0]), np.array([1.0]))
    assert (of_lower[0], of_upper[0]) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: delong([1, 0, 0], [1.0, 2.0, 3.0]), "1 positives and 2 negatives"),
        (lambda: delong([1, 2, 0], [1.0, 2.0, 3.0]), "true or false"),
        (lambda: delong([1.0, np.nan, 0], [1.0, 2.0, 3.0]), "true or false"),
        (lambda: delong([1, 1, 0, 0], [[1.0, 2.0]]), "equally long"),
        (lambda: delong([1, 1, 0, 0], np.arange(4.0), ["a", "a", "b", "c"]), "two patients with positives"),
        (lambda: obuchowski([0, 0, 1], np.arange(3.0), 3), "stage 1 has 1"),
        (lambda: obuchowski([0, 0, 4, 4], np.arange(4.0), 3), "stages must be 0 … 2"),
        (lambda: obuchowski([0, 0, 0], np.arange(3.0), 3), "two stages"),
        (lambda: obuchowski([0, 0, 1, 1], np.arange(4.0), 3, prevalence=[0.2, 0.3, 0.5]), "stage 2 has 0"),
        (lambda: penalties("steep", 3), "'linear', 'unit'"),
        (lambda: penalties([[0, 1], [0.5, 0]], 2), "symmetric"),
        (lambda: pair_weights([0.5, -0.5]), "not negative"),
    ],
)
def test_what_is_not_defined_is_said(call: object, message: str) -> None:
    with pytest.raises(StatisticsError, match=message):
        call()  # type: ignore[operator]


def test_variances_that_cancel_are_no_certainty() -> None:
    """Each patient's positive beats their negative by the same: patient by patient nothing varies."""
    for n in (9, 21, 28, 30):
        negative = np.arange(n, dtype=float)
        scores = np.concatenate([negative, negative + 0.5])
        found = delong(np.repeat([False, True], n), scores, np.tile(np.arange(n), 2)).interval()
        assert found.hi - found.lo > 0.2
        assert "Newcombe" in found.why


def test_two_perfect_scores_that_rank_otherwise_have_p_1_and_no_interval() -> None:
    areas = delong([0, 0, 0, 1, 1, 1], [[1, 2, 3, 4, 5, 6], [3, 2, 1, 6, 5, 4]])
    found = areas.difference(0, 1)
    assert (found.value, found.p, found.lo, found.hi) == (0.0, 1.0, None, None)


def test_an_index_knows_its_own_chance_and_its_own_scale() -> None:
    stages = np.repeat(np.arange(5), 20)
    assert obuchowski(stages, np.arange(100.0), 5).chance == pytest.approx(0.75)
    assert delong(stages > 2, np.arange(100.0)).chance == 0.5
    two = np.repeat([0, 2], 20)  # two of five stages: confusing them costs half
    index = obuchowski(two, np.arange(40.0), 5)
    area = delong(two == 2, np.arange(40.0)).interval()
    found = index.interval()
    assert found.lo == pytest.approx(1 - 0.5 * (1 - area.lo))
    useless = obuchowski(two, np.zeros(40), 5)
    assert useless.values[0] == useless.chance == 0.75


def test_degrees_of_freedom_count_patients_once() -> None:
    rng = np.random.default_rng(0)
    sets = [delong(np.tile([0, 1], 10), rng.normal(0, 1, 20), np.arange(10).repeat(2)) for _ in range(2)]
    assert unpaired(*sets).df <= 18
