"""Scores are pure, noise belongs to its candidate, and a query is the literal one."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from fibrostage.active.pool import Pool
from fibrostage.active.pool_scoring import uniform
from fibrostage.active.query_selector import Answered, Selector
from fibrostage.active.query_units import query_unit
from fibrostage.active.strategies import STRATEGIES
from fibrostage.active.strategies.spec import entropy
from fibrostage.active.strategy_expression import choose_strategy
from fibrostage.cohort.candidates import CandidateSpace
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import PlanError
from fibrostage.learn.learner import make_learner
from fibrostage.learn.task import make_task
from fibrostage.networks.stream import dropout_mask
from fibrostage.plan.run_plan import Plan

Build = Callable[..., Plan]


def test_an_unknown_strategy_lists_the_known() -> None:
    with pytest.raises(PlanError, match="unknown strategy 'ESD', did you mean 'esd'.*known: random, entropy, esd,"):
        STRATEGIES["ESD"]


def test_entropy_is_the_papers() -> None:
    assert entropy(np.full((1, 5), 0.2)) == pytest.approx(np.log(5))
    assert entropy(np.eye(5)[:1])[0] == 0


def test_noise_belongs_to_the_candidate() -> None:
    ids = np.arange(10_000)
    noise = uniform(0, 1, ids)
    np.testing.assert_array_equal(uniform(0, 1, ids[500:600]), noise[500:600])
    assert not np.array_equal(uniform(0, 2, ids), noise)
    assert not np.array_equal(uniform(1, 1, ids), noise)
    assert noise.min() >= 0
    assert noise.max() < 1
    assert np.histogram(noise, 10)[0] == pytest.approx(1000, abs=150)


SPACE = CandidateSpace(("a", "b"), np.array([[2, 3], [1, 0], [0, 0], [2, 2], [3, 1]]))


def test_a_pool_is_everything_but_the_labelled() -> None:
    pool = Pool(SPACE, np.array([0, 1, 4]), np.array([1, 6, 12]))
    assert pool.capacity == 6 + 1 + 3
    for size in (1, 3, 100):
        ids = np.concatenate(list(pool.blocks(size)))
        assert ids.tolist() == [0, 2, 3, 4, 5, 11, 13]
    assert len(pool) == 7
    assert list(pool.ranges()) == [(0, 7), (11, 14)]


def test_the_factorised_scores_are_the_literal_ones(cohort: Cohort, tiny_plan: Build) -> None:
    """ESD over the pool equals: run the whole head on every candidate, T times, with the same masks."""
    plan = tiny_plan()
    task = make_task(cohort, plan)
    learner = make_learner(cohort, plan, task.space, task.folds[0].train, 0)
    with torch.no_grad():
        for name in learner.head.modalities:
            learner.head.stream(name).offset.normal_()
    pool = Pool(task.space, task.folds[0].train, np.array([2, 5]))
    bad = cohort.bad_images(plan.fused)
    settings = plan.active.model_copy(update={"passes": 4})
    selector = Selector(learner, query_unit("candidate", task.space), choose_strategy("esd"), settings, 3, bad)
    chosen = selector.query(pool, 9, 2, Answered(pool.asked, pool.asked)).items
    rng = np.random.default_rng([3, 2, 10])
    masks = {n: dropout_mask((4, 16), 0.5, rng) for n in learner.head.modalities}
    ids = np.concatenate(list(pool.blocks()))
    rows = task.space.decode(ids)
    mean = np.zeros((len(ids), 5))
    with torch.no_grad():
        for t in range(4):
            for at, row in enumerate(rows):
                logits = learner.head.link.bias
                for k, name in enumerate(learner.head.modalities):
                    stream = learner.head.stream(name)
                    if row[k] < 0:
                        logits = logits + stream.offset
                    else:
                        v = stream.embed(learner.features[name][[row[k]]])[0]
                        logits = logits + stream.classify(v * masks[name][t])
                mean[at] += logits.softmax(-1).double().numpy() / 4
    literal = entropy(mean)
    best = np.sort(literal)[::-1][:9]
    np.testing.assert_allclose(literal[np.searchsorted(ids, chosen)], best, atol=1e-5)
