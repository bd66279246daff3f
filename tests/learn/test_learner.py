"""Learners see training patients only and predict the same in any block."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import PlanError
from fibrostage.learn.features import features_of
from fibrostage.learn.learner import FrozenLearner, make_learner, predict
from fibrostage.learn.projection import fit_projection
from fibrostage.learn.task import make_task
from fibrostage.networks.backbones import BACKBONES
from fibrostage.networks.weights import build_backbone
from fibrostage.plan.run_plan import Plan

Build = Callable[..., Plan]


def test_a_modality_that_no_training_patient_has_is_an_error(cohort: Cohort, tiny_plan: Build) -> None:
    plan = tiny_plan()
    task = make_task(cohort, plan)
    with pytest.raises(PlanError, match="no training patient has a LUS image"):
        make_learner(cohort, plan, task.space, np.array([3]), 0)


def test_test_patients_shape_nothing(cohort: Cohort, tiny_plan: Build) -> None:
    """The projection and the fit see training patients only: scrambling test labels changes no prediction."""
    plan = tiny_plan()
    task = make_task(cohort, plan)
    fold_ = task.folds[0]
    learner = make_learner(cohort, plan, task.space, fold_.train, 0)
    assert isinstance(learner, FrozenLearner)
    backbone = build_backbone(BACKBONES["tiny"], "random", 0)
    z = features_of(cohort, "LSTE", BACKBONES["tiny"], backbone, mirror=plan.training.mirror)
    own = np.isin(cohort.owners("LSTE"), fold_.train)
    expected = fit_projection(z[own], plan.training.components)
    np.testing.assert_array_equal(learner.projections["LSTE"].mean, expected.mean)


def ids_of(task_total: int) -> NDArray[np.int64]:
    return np.arange(task_total, dtype=np.int64)


def test_predictions_do_not_depend_on_the_block(
    cohort: Cohort, tiny_plan: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = tiny_plan()
    task = make_task(cohort, plan)
    learner = make_learner(cohort, plan, task.space, task.folds[0].train, 0)
    whole = predict(learner, ids_of(task.space.total))
    import fibrostage.learn.learner as module

    monkeypatch.setattr(module, "blocks_of", lambda ids: [ids[k : k + 7] for k in range(0, len(ids), 7)])
    np.testing.assert_array_equal(predict(learner, ids_of(task.space.total)), whole)
