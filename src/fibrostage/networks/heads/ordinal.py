"""Ordinal: the proportional-odds model (McCullagh 1980).

The streams sum to one severity f, P(stage ≥ k) = σ(f − θ_k) with ordered thresholds, and its "logits" are
log-probabilities, so that every loss and prediction written for a softmax holds unchanged.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fibrostage.networks.heads.spec import HeadKind, OrderedThresholds


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
        """Log-probabilities [..., K] of severities [..., 1]."""
        above = total - self.thresholds()  # [..., K − 1], falling
        inner = F.logsigmoid(above[..., :-1]) + F.logsigmoid(-above[..., 1:])
        # σ(a) − σ(b) = σ(a) σ(−b) (1 − e^(b − a)) for a > b
        inner = inner + torch.log(-torch.expm1(above[..., 1:] - above[..., :-1]))
        return torch.cat([F.logsigmoid(-above[..., :1]), inner, F.logsigmoid(above[..., -1:])], dim=-1)


def thresholds_of(link: nn.Module) -> Tensor:
    """The rising thresholds [K − 1]."""
    assert isinstance(link, Cumulative)
    return link.thresholds()


HEAD = HeadKind("ordinal", Cumulative, OrderedThresholds(thresholds_of))
