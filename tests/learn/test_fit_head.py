"""Fitting a head on frozen features: learns, repeatable, stops early."""

import numpy as np
import pytest
import torch

from fibrostage.learn.fit_head import Examples, class_weights, fit_frozen, unique_rows
from fibrostage.networks.fusion import Head
from fibrostage.plan.training import TrainingPlan


def separable(n: int = 60) -> tuple[Head, dict[str, torch.Tensor], Examples]:
    rng = np.random.default_rng(0)
    stages = rng.integers(0, 3, n)
    z = np.eye(3)[stages] * 6 + rng.normal(0, 1, (n, 3))
    torch.manual_seed(0)
    head = Head(("a",), {"a": 3}, 3, reduce=8, se_reduction=2)
    return head, {"a": torch.from_numpy(z).float()}, Examples(np.arange(n)[:, None], stages)


def test_a_frozen_fit_learns_is_repeatable_and_stops_early() -> None:
    states = []
    for _ in range(2):
        head, features, examples = separable()
        history = fit_frozen(head, features, examples, TrainingPlan(epochs=60, frozen_l2=1e-3, frozen_lr=0.02), seed=3)
        states.append(head.state_dict())
        assert history[-1]["loss"] < 0.4 < history[0]["loss"]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])

    head, features, examples = separable()
    rng = np.random.default_rng(1)
    noise = Examples(examples.rows, rng.permutation(examples.stages))
    plan = TrainingPlan(epochs=60, patience=3, frozen_lr=0.05, frozen_l2=0)
    history = fit_frozen(head, features, examples, plan, 0, validation=noise)
    assert len(history) < 60
    losses = [record["validation_loss"] for record in history]
    assert losses.index(min(losses)) == len(losses) - 1 - 3


def test_class_weights_average_to_one() -> None:
    weights = class_weights(np.array([0, 0, 0, 1]), 3, True)
    assert weights is not None
    assert weights.tolist() == pytest.approx([4 / 6, 2.0, 0.0])
    assert class_weights(np.array([0, 1]), 2, False) is None


def test_unique_rows_renumber_a_batch() -> None:
    images, local = unique_rows(np.array([[5, 9], [5, -1], [2, 9]]))
    assert [part.tolist() for part in images] == [[2, 5], [9]]
    assert local.tolist() == [[1, 0], [1, -1], [0, 0]]
