"""The loss against its literal definition."""

import numpy as np
import pytest
import torch

from fibrostage.learn.losses import stage_loss


def test_squared_errors_are_the_papers_loss_against_the_literal() -> None:
    logits, stages = torch.tensor([[2.0, 0.0], [0.5, 1.0], [0.0, 3.0]]), torch.tensor([0, 0, 1])
    literal = [
        sum((float(p) - float(k == stage)) ** 2 for k, p in enumerate(row.softmax(0)))
        for row, stage in zip(logits, stages, strict=True)
    ]
    assert float(stage_loss("squared", logits, stages)) == pytest.approx(np.mean(literal))
    weights = torch.tensor([1.0, 3.0])
    weighted = np.average(literal, weights=[1, 1, 3])
    assert float(stage_loss("squared", logits, stages, weights)) == pytest.approx(weighted)
