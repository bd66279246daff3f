"""What a head is: from the sum of the streams' shares to logits whose softmax is the stages' probabilities.

Every head adds over streams, so a candidate's shares are a sum of rows of per-image tables. How the pool is then scored
is said by its form: a softmax of that sum, ordered thresholds on it, or anything else, which goes the long way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn


class Link(Protocol):
    """The module of a head: `outputs` is how many numbers a stream contributes."""

    outputs: int

    def __call__(self, total: Tensor) -> Tensor:
        """Sums [..., outputs] → logits [..., K]."""
        ...


@dataclass(frozen=True)
class SoftmaxOfSum:
    """Logits are the sum and a `bias` [K]: exponentials are per image, and candidates are products of them."""

    bias: Callable[[nn.Module], Tensor]


@dataclass(frozen=True)
class OrderedThresholds:
    """P(stage ≥ k) = σ(f − θ_k) of a single sum f, with rising `thresholds` [K − 1]."""

    thresholds: Callable[[nn.Module], Tensor]


PoolForm = SoftmaxOfSum | OrderedThresholds


@dataclass(frozen=True)
class HeadKind:
    """`make` builds the link for K classes. Without a `pool` form the pool is scored the long way: every candidate's
    sum goes through the link."""

    name: str
    make: Callable[[int], nn.Module]
    pool: PoolForm | None = None
