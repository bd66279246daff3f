"""Features under a fitted network: the same whatever is needed first, and none that nobody needs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from fibrostage.cohort.store import Cohort
from fibrostage.learn.features import BATCH
from fibrostage.learn.fitted_features import batches_of
from fibrostage.learn.learner import Learner, make_learner, predict
from fibrostage.learn.task import examples_of, make_task
from fibrostage.plan.run_plan import Plan

Build = Callable[..., Plan]


@pytest.fixture(params=["true", "false"], ids=["maps", "pixels"])
def make(cohort: Cohort, tiny_plan: Build, request: pytest.FixtureRequest) -> Callable[[], Learner]:
    def fitted() -> Learner:
        plan = tiny_plan("training.finetune=last", "training.epochs=1", f"training.boundary={request.param}")
        task = make_task(cohort, plan)
        learner = make_learner(cohort, plan, task.space, task.folds[0].train, 0)
        learner.fit(examples_of(task, task.folds[0].train, 0), 0)
        return learner

    return fitted


def test_a_feature_is_the_same_whatever_is_needed_first(cohort: Cohort, make: Callable[[], Learner]) -> None:
    one, other = make(), make()
    for patient in range(len(cohort.patients) - 1, -1, -1):
        other.features_of(np.array([patient]))
    for name, z in one.features.items():
        assert torch.equal(z, other.features[name])
        assert not z.isnan().any()


def test_only_what_is_needed_is_computed(cohort: Cohort, make: Callable[[], Learner], tiny_plan: Build) -> None:
    learner = make()
    fold = make_task(cohort, tiny_plan()).folds[0]
    ids = learner.space.all_ids(fold.test)
    said = predict(learner, ids)
    assert np.isfinite(said).all()
    for name, z in learner.features_of(fold.test).items():
        of_pool = np.isin(cohort.owners(name), fold.train)
        assert z[of_pool].isnan().all()
    assert np.array_equal(said, predict(make(), np.arange(learner.space.total))[ids])


def test_what_was_looked_at_before_a_fit_still_learns(cohort: Cohort, tiny_plan: Build) -> None:
    plan = tiny_plan("training.finetune=last", "training.epochs=1")
    task = make_task(cohort, plan)
    learner = make_learner(cohort, plan, task.space, task.folds[0].train, 0)
    with torch.inference_mode():
        before = {name: z.clone() for name, z in learner.features.items()}
    learner.fit(examples_of(task, task.folds[0].train, 0), 0)
    assert all(not torch.equal(before[name], z) for name, z in learner.features.items())


def test_no_batch_mixes_those_who_train_with_others() -> None:
    pooled = np.arange(70) % 5 != 0
    batches = batches_of(pooled)
    assert sorted(np.concatenate(batches).tolist()) == list(range(70))
    assert all(len(rows) <= BATCH and len(set(pooled[rows])) == 1 for rows in batches)
    assert not pooled[batches[0]].any(), "the others, who test, come first"
