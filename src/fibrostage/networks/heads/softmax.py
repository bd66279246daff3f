"""Softmax: the streams' shares and the classes' biases add up to logits."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fibrostage.networks.heads.spec import HeadKind, SoftmaxOfSum


class Softmax(nn.Module):
    """Sums [..., K] → logits [..., K]."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.outputs = classes
        self.bias = nn.Parameter(torch.zeros(classes))

    def forward(self, total: Tensor) -> Tensor:
        """Logits [..., K] of sums [..., K]."""
        return self.bias + total


def bias_of(link: nn.Module) -> Tensor:
    """The biases [K] of the classes."""
    assert isinstance(link, Softmax)
    return link.bias.detach()


HEAD = HeadKind("softmax", Softmax, SoftmaxOfSum(bias_of))
