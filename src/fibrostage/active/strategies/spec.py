"""What a strategy is: a pure function from what is known of some candidates to one score each.

Higher is asked first. A strategy sees no labels, no ids in order and no state; picking is another function.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Needs = Literal["noise", "probabilities", "passes"]


@dataclass(frozen=True)
class Known:
    """What is known of n candidates.

    `noise` [n] is uniform in [0, 1) and a function of seed, round and candidate id alone. `probabilities`
    [T, n, K] has one pass without dropout, or T passes with it, as the strategy needs.
    """

    noise: NDArray[np.float64]
    probabilities: NDArray[np.float32] | None = None

    def passes(self) -> NDArray[np.float32]:
        if self.probabilities is None:
            raise ValueError("this strategy needs probabilities; its `needs` must say so")
        return self.probabilities


@dataclass(frozen=True)
class Strategy:
    """`name` stands in plans, `title` in figures; `needs` says what the scorer must compute."""

    name: str
    title: str
    needs: Needs
    score: Callable[[Known], NDArray[np.float64]]


def entropy(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """H = −Σ p log p over the last axis, in nats, with 0 log 0 = 0."""
    p = np.asarray(probabilities, dtype=np.float64)
    logs = np.log(p, where=p > 0, out=np.zeros_like(p))
    return np.asarray(-(p * logs).sum(axis=-1))
