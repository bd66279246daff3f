"""From the sum of the streams' shares to logits whose softmax is the stages' probabilities.

`Softmax` adds the classes' biases. `Cumulative` is the proportional-odds model (McCullagh 1980): the streams sum to
one severity f, P(stage ≥ k) = σ(f − θ_k) with ordered thresholds, and its "logits" are log-probabilities, so that
every loss and prediction written for a softmax holds unchanged.
"""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Link(Protocol):
    """`outputs` is how many numbers a stream contributes."""

    outputs: int

    def __call__(self, total: Tensor) -> Tensor: ...


class Softmax(nn.Module):
    """Sums [..., K] → logits [..., K]."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.outputs = classes
        self.bias = nn.Parameter(torch.zeros(classes))

    def forward(self, total: Tensor) -> Tensor:
        return self.bias + total


class Cumulative(nn.Module):
    """Sums f [..., 1] → log-probabilities [..., K]."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.outputs = 1
        self.first = nn.Parameter(torch.tensor(-(classes - 2) / 2.0))
        self.steps = nn.Parameter(torch.full((classes - 2,), 0.5413))  # softplus⁻¹(1): thresholds one apart

    def thresholds(self) -> Tensor:
        """θ_1 < … < θ_{K−1} [K − 1]."""
        return torch.cat([self.first[None], self.first + F.softplus(self.steps).cumsum(0)])

    def forward(self, total: Tensor) -> Tensor:
        above = total - self.thresholds()  # [..., K − 1], falling
        inner = F.logsigmoid(above[..., :-1]) + F.logsigmoid(-above[..., 1:])
        # σ(a) − σ(b) = σ(a) σ(−b) (1 − e^(b − a)) for a > b
        inner = inner + torch.log(-torch.expm1(above[..., 1:] - above[..., :-1]))
        return torch.cat([F.logsigmoid(-above[..., :1]), inner, F.logsigmoid(above[..., -1:])], dim=-1)
