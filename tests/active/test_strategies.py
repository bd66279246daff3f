"""Every strategy and modifier against one contract, and against scikit-activeml where it has the same one."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from numpy.typing import NDArray

from fibrostage.active.coverage import squared_width
from fibrostage.active.embedded_pool import Embedding, Items
from fibrostage.active.modifiers import MODIFIERS
from fibrostage.active.modifiers.spec import gumbel
from fibrostage.active.strategies import STRATEGIES, badge, coreset, disagreement, spreading, typiclust
from fibrostage.active.strategies.spec import BatchStrategy, Known, Strategy, margins
from fibrostage.active.strategy_expression import choose_strategy, title_of
from fibrostage.active.top_items import Choosable, Quotas
from fibrostage.ground.errors import PlanError

RNG = np.random.default_rng(0)
SCORED = [each.name for each in STRATEGIES if isinstance(each, Strategy)]
BATCH = [each.name for each in STRATEGIES if isinstance(each, BatchStrategy)]


def scored(name: str) -> Strategy:
    strategy = STRATEGIES[name]
    assert isinstance(strategy, Strategy)
    return strategy


def batch(name: str) -> BatchStrategy:
    strategy = STRATEGIES[name]
    assert isinstance(strategy, BatchStrategy)
    return strategy


@pytest.mark.parametrize("name", SCORED)
def test_a_score_is_finite_not_negative_pure_and_indifferent_to_order(name: str) -> None:
    strategy = scored(name)
    table = RNG.dirichlet(np.ones(5), 30).astype(np.float32)
    table[0] = np.eye(5)[0]  # certainty, with 0 log 0
    entropies = (RNG.random(30) * 0.1).astype(np.float32)
    entropies[0] = 0

    def known(order: NDArray[np.int64]) -> Known:
        parts = (None if part is None else part[order] for part in (noise, table, entropies))
        return Known(*parts, cut=2)

    noise = RNG.random(30) if strategy.needs == "noise" else None
    plain, order = np.arange(30), RNG.permutation(30)
    scores = strategy.score(known(plain))
    assert scores.shape == (30,)
    assert scores.dtype == np.float64
    assert np.isfinite(scores).all()
    assert (scores >= 0).all()
    np.testing.assert_array_equal(strategy.score(known(plain)), scores)
    np.testing.assert_allclose(strategy.score(known(order)), scores[order])
    if strategy.needs != "noise":
        assert scores.argmin() == 0


@pytest.mark.parametrize("name", SCORED)
def test_a_strategy_says_what_it_lacks(name: str) -> None:
    with pytest.raises(ValueError, match="needs"):
        scored(name).score(Known())


def make_items(n: int = 60, labelled: int = 7, seed: int = 0, patients: int = 60, per_patient: int = 2**62) -> Items:
    """Candidates of two modalities over shared images, some absent."""
    rng = np.random.default_rng(seed)
    tables = tuple(rng.normal(size=(12, width)).astype(np.float32) for width in (5, 3))
    tables = tuple(np.concatenate([t, t.mean(axis=0, keepdims=True)]) for t in tables)
    rows = rng.integers(-1, 12, (n + labelled, 2))
    quota = Choosable(np.arange(n) % patients, np.ones(n, dtype=bool), Quotas(per_patient))
    return Items(
        np.arange(n) * 3,
        Embedding(tables, rows[:n]),
        Embedding(tables, rows[n:]),
        quota,
        rng.dirichlet(np.ones(4), n),
        rng.integers(0, 4, labelled),
        4,
        alone=lambda: np.random.default_rng(seed).dirichlet(np.ones(4), (2, n)),
    )


@pytest.mark.parametrize("name", BATCH)
def test_a_batch_is_of_different_available_items_and_repeats_itself(name: str) -> None:
    chosen = batch(name).select(make_items(), 10, np.random.default_rng(1))
    assert len(set(chosen)) == len(chosen) == 10
    assert chosen == batch(name).select(make_items(), 10, np.random.default_rng(1))
    everything = batch(name).select(make_items(), 100, np.random.default_rng(1))
    assert sorted(everything) == list(range(60))
    items = make_items(patients=6, per_patient=2)
    few = batch(name).select(items, 50, np.random.default_rng(1))
    assert np.bincount(np.array(few) % 6).tolist() == [2] * 6


@pytest.mark.parametrize("name", [name for name in BATCH if not batch(name).needs_model])
def test_a_cold_start_needs_no_label_and_no_model(name: str) -> None:
    items = make_items(labelled=0)
    items.probabilities = items.stages = None
    assert len(set(batch(name).select(items, 8, np.random.default_rng(0)))) == 8


def test_factorised_distances_are_the_dense_ones() -> None:
    items = make_items()
    dense = items.dense().astype(np.float64)
    for position in (0, 17, 59):
        literal = ((dense - dense[position]) ** 2).sum(axis=1)
        np.testing.assert_allclose(items.squared_distances(position), literal, atol=1e-4)
    literal = ((dense[:, None] - items.dense_labelled()[None]) ** 2).sum(-1).min(1)
    np.testing.assert_allclose(items.distance_to_labelled(), literal, atol=1e-4)


def test_gradient_distances_are_those_of_the_outer_products() -> None:
    items = make_items()
    assert items.probabilities is not None
    one_hot = np.eye(4)[items.probabilities.argmax(axis=1)]
    outer = np.einsum("nk,nd->nkd", items.probabilities - one_hot, items.dense().astype(np.float64)).reshape(60, -1)
    gradients = items.gradients()
    np.testing.assert_allclose(gradients.squared_norms, (outer**2).sum(axis=1), rtol=1e-5)
    for position in (0, 31):
        literal = ((outer - outer[position]) ** 2).sum(axis=1)
        np.testing.assert_allclose(gradients.squared_distances(position), literal, atol=1e-4)


def test_badge_is_k_means_plus_plus_on_literal_gradients() -> None:
    items = make_items()
    assert items.probabilities is not None
    one_hot = np.eye(4)[items.probabilities.argmax(axis=1)]
    outer = np.einsum("nk,nd->nkd", items.probabilities - one_hot, items.dense().astype(np.float64)).reshape(60, -1)
    rng = np.random.default_rng(5)
    literal = [int((outer**2).sum(axis=1).argmax())]
    nearest = ((outer - outer[literal[0]]) ** 2).sum(axis=1)
    while len(literal) < 12:
        nearest[literal] = 0
        sums = nearest.cumsum()
        literal.append(int(np.searchsorted(sums, rng.random() * sums[-1], side="right")))
        nearest = np.minimum(nearest, ((outer - outer[literal[-1]]) ** 2).sum(axis=1))
    assert badge.select(items, 12, np.random.default_rng(5)) == literal


# --- scikit-activeml as the oracle


def their_uncertainty(method: str, table: NDArray[np.float64]) -> NDArray[np.float64]:
    from skactiveml.pool import uncertainty_scores

    return np.asarray(uncertainty_scores(table, method=method))


def test_scores_are_scikit_activemls() -> None:
    table = RNG.dirichlet(np.ones(5), 200)
    known = Known(probabilities=table.astype(np.float32))
    for name, method in (("least_confidence", "least_confident"), ("margin", "margin_sampling"), ("esd", "entropy")):
        np.testing.assert_allclose(scored(name).score(known), their_uncertainty(method, table), atol=1e-5)


def test_bald_is_scikit_activemls() -> None:
    from skactiveml.pool import batch_bald

    passes = RNG.dirichlet(np.ones(3), (8, 40))  # [T, n, K]
    entropies = -(passes * np.log(passes)).sum(-1).mean(0)
    ours = scored("bald").score(
        Known(probabilities=passes.mean(0).astype(np.float32), entropies=entropies.astype(np.float32))
    )
    theirs = batch_bald(passes, batch_size=1)[0]
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_core_set_is_scikit_activemls() -> None:
    from skactiveml.pool import CoreSet

    items = make_items(seed=4)
    # two candidates of the same images are equally far: only items that differ have one answer
    _, first = np.unique(items.dense(), axis=0, return_index=True)
    keep = np.sort(first)
    dense = items.dense()[keep].astype(np.float64)
    points = np.concatenate([dense, items.dense_labelled()])
    labels = np.concatenate([np.full(len(dense), np.nan), np.zeros(7)])
    theirs = CoreSet(random_state=0).query(points, labels, batch_size=15)
    some = Items(
        items.ids[keep],
        Embedding(items.embedding.tables, items.embedding.rows[keep]),
        items.labelled,
        Choosable(np.arange(len(keep)), np.ones(len(keep), dtype=bool)),
    )
    assert coreset.select(some, 15, np.random.default_rng(0)) == theirs.tolist()


def test_typiclust_asks_for_the_middle_of_what_is_not_covered() -> None:
    rng = np.random.default_rng(0)
    centres = np.array([[0, 0], [20, 0], [0, 20]], dtype=np.float32)
    points = np.concatenate([c + rng.normal(size=(30, 2)) for c in centres]).astype(np.float32)
    table = np.concatenate([points, points.mean(axis=0, keepdims=True)])
    labelled = Embedding((table,), np.array([[0]]))  # the first cluster has a label
    items = Items(
        np.arange(1, 90), Embedding((table,), np.arange(1, 90)[:, None]), labelled,
        Choosable(np.arange(89), np.ones(89, dtype=bool)),
    )  # fmt: skip
    chosen = np.array(typiclust.select(items, 2, np.random.default_rng(0))) + 1
    assert sorted(chosen // 30) == [1, 2]
    distances = np.linalg.norm(points[chosen] - centres[chosen // 30], axis=1)
    assert (distances < 1).all()


@pytest.mark.parametrize("name", ["CoreSet", "TypiClust", "ProbCover", "UncertaintySampling", "Badge", "Quire",
                                  "QueryByCommittee", "DiscriminativeAL", "RandomSampling"])  # fmt: skip
def test_any_of_scikit_activemls_strategies_runs(name: str) -> None:
    strategy = choose_strategy(f"skactiveml:{name}").base
    assert isinstance(strategy, BatchStrategy)
    chosen = strategy.select(make_items(n=30, labelled=9), 4, np.random.default_rng(0))
    assert len(set(chosen)) == 4
    limited = make_items(n=30, labelled=9, patients=5, per_patient=1)
    assert len(strategy.select(limited, 9, np.random.default_rng(0))) == 5
    assert title_of(f"skactiveml:{name}") == f"{name} (scikit-activeml)"


def test_most_of_scikit_activeml_can_be_had() -> None:
    from skactiveml import pool

    from fibrostage.active.strategies.skactiveml import runnable

    queries = [n for n in pool.__all__ if inspect.isclass(getattr(pool, n)) and hasattr(getattr(pool, n), "query")]
    able = [n for n in queries if runnable(getattr(pool, n))]
    assert len(able) >= 20
    left = set(queries) - set(able)  # of regression, and what is no strategy by itself
    assert left <= {"ExpectedErrorReduction", "ExpectedModelChangeMaximization", "ExpectedModelOutputChange",
                    "ExpectedModelVarianceReduction", "KLDivergenceMaximization", "GreedySamplingTarget",
                    "RegressionTreeBasedAL"}  # fmt: skip


# --- names


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("skactiveml:Coreset", "unknown strategy 'skactiveml:Coreset', did you mean 'CoreSet'"),
        ("esd+powr", "unknown modifier 'powr', did you mean 'power'"),
        ("esd+power+power", "repeats a modifier"),
        ("esd+power+gumbel", "choose one"),
        ("coreset+power", "only 'clean' and 'complete' can be added"),
        ("all+clean", "nothing can be added"),
        ("", "unknown strategy ''"),
    ],
)
def test_what_a_strategy_cannot_be_called(name: str, message: str) -> None:
    with pytest.raises(PlanError, match=message.replace("(", r"\(")):
        choose_strategy(name)


def test_titles() -> None:
    assert title_of("esd+diverse+clean") == "ESD + diverse + clean"
    assert title_of("all") == "all data"


# --- modifiers


def test_a_power_draw_takes_items_with_chances_as_their_scores() -> None:
    reweigh = MODIFIERS["power"].reweigh
    assert reweigh is not None
    scores = np.array([1.0, 2.0, 5.0])
    noise = gumbel(np.random.default_rng(0).random((20_000, 3)))
    first = np.bincount([reweigh(scores, own, 1.0).argmax() for own in noise]) / 20_000
    np.testing.assert_allclose(first, scores / scores.sum(), atol=0.012)
    cold = np.bincount([reweigh(scores, own, 2.0).argmax() for own in noise]) / 20_000
    np.testing.assert_allclose(cold, scores**2 / (scores**2).sum(), atol=0.012)
    assert np.isfinite(reweigh(np.zeros(3), noise[0], 1.0)).all()


def test_a_gumbel_draw_takes_items_with_chances_as_their_scores_exponentials() -> None:
    reweigh = MODIFIERS["gumbel"].reweigh
    assert reweigh is not None
    scores = np.array([0.0, 0.5, 1.0])
    noise = gumbel(np.random.default_rng(0).random((20_000, 3)))
    first = np.bincount([reweigh(scores, own, 2.0).argmax() for own in noise]) / 20_000
    weights = np.exp(2 * scores)
    np.testing.assert_allclose(first, weights / weights.sum(), atol=0.012)


# --- coverage, information, spreading, modalities


def test_herding_is_the_greedy_cover_of_literal_candidates() -> None:
    """Against every candidate's own sum over the pool's candidates, each picture's part by itself."""
    items = make_items(n=20, labelled=4, seed=3)
    assert items.probabilities is not None
    worth = margins(items.probabilities)
    rows, labelled, tables = items.embedding.rows, items.labelled.rows, items.embedding.tables
    widths = [squared_width(tables[m][np.unique(rows[:, m][rows[:, m] >= 0])].astype(float), 10, RNG) for m in range(2)]

    def near(m: int, i: int, j: int) -> float:
        if i < 0 or j < 0:
            return 0.0
        return float(np.exp(-((tables[m][i].astype(float) - tables[m][j]) ** 2).sum() / widths[m]))

    def covered(asked: list[list[int]]) -> float:
        best = [[max(near(m, own[m], other[m]) for other in asked) for m in range(2)] for own in rows.tolist()]
        return float(worth @ np.array(best).sum(axis=1))

    literal: list[int] = []
    known = labelled.tolist()
    for _ in range(6):
        free = [i for i in range(20) if i not in literal]
        gains = [covered([*known, rows[i].tolist()]) for i in free]
        literal.append(free[int(np.argmax(gains))])
        known.append(rows[literal[-1]].tolist())
    assert batch("uherding").select(items, 6, np.random.default_rng(0)) == literal


def test_information_is_the_gain_in_the_log_determinant() -> None:
    items = make_items(n=25, labelled=3)
    assert items.probabilities is not None
    items.costs = np.where(np.arange(25) % 2, 1.0, 2.0)
    spread = 1 - (items.probabilities**2).sum(axis=1)
    scale = float(items.embedding.squared_norms.mean())
    points, known = items.dense().astype(float) / np.sqrt(scale), items.dense_labelled().astype(float) / np.sqrt(scale)
    matrix = np.eye(points.shape[1]) + spread.mean() * known.T @ known
    literal: list[int] = []
    for _ in range(8):
        gains = np.array(
            [np.linalg.slogdet(matrix + w * np.outer(p, p))[1] for p, w in zip(points, spread, strict=True)]
        )
        gains = (gains - np.linalg.slogdet(matrix)[1]) / items.costs
        gains[literal] = -np.inf
        literal.append(int(gains.argmax()))
        matrix += spread[literal[-1]] * np.outer(points[literal[-1]], points[literal[-1]])
    assert batch("information").select(items, 8, np.random.default_rng(0)) == literal


def test_modalities_disagree_where_they_say_other_stages() -> None:
    sure, other = np.array([0.9, 0.1]), np.array([0.1, 0.9])
    said = np.array([[sure, sure, sure], [sure, other, [np.nan, np.nan]]])
    alike, apart, alone = disagreement.divergence(said)
    assert (alike, alone) == pytest.approx((0, 0))
    mean = (sure + other) / 2
    assert apart == pytest.approx(-(mean * np.log(mean)).sum() + (sure * np.log(sure)).sum())


def test_answers_spread_to_neighbours() -> None:
    points = np.array([[0.0], [0.1], [0.2], [9.0], [9.1], [9.2]], dtype=np.float32)
    links = spreading.graph(np.repeat(points, 6, axis=0) + RNG.normal(0, 0.01, (36, 1)).astype(np.float32))
    answers = np.zeros((36, 2))
    answers[0, 0] = answers[35, 1] = 1
    said = spreading.spread(links, answers)
    assert (said[:18, 0] > 0.9).all()
    assert (said[18:, 1] > 0.9).all()


def test_typical_items_come_first_and_uncertain_ones_from_twenty_labels_a_stage() -> None:
    few, many = make_items(labelled=79), make_items(labelled=80)
    rng = np.random.default_rng
    assert batch("typical_then_margin").select(few, 5, rng(0)) == typiclust.select(make_items(labelled=79), 5, rng(0))
    assert many.probabilities is not None
    likeliest = np.argsort(-margins(many.probabilities), kind="stable")[:5].tolist()
    assert batch("typical_then_margin").select(many, 5, rng(0)) == likeliest
