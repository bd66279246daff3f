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
    """What is known of n candidates, as far as the strategy's `needs` say.

    `noise` [n] is uniform in [0, 1) and a function of seed, round and candidate id alone. `probabilities`
    [n, K] are of the network without dropout, or the mean over T passes with it.
    """

    noise: NDArray[np.float64] | None = None
    probabilities: NDArray[np.float32] | None = None

    def drawn(self) -> NDArray[np.float64]:
        if self.noise is None:
            raise ValueError("this strategy needs noise; its `needs` must say so")
        return self.noise

    def stages(self) -> NDArray[np.float32]:
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
    """H = −Σ p log p over the last axis, in nats, with 0 log 0 = 0; logarithms in the precision that came."""
    p = np.asarray(probabilities)
    terms = np.log(np.maximum(p, np.finfo(p.dtype).tiny))
    terms *= p
    total = np.zeros(p.shape[:-1], dtype=np.float64)
    for stage in range(p.shape[-1]):
        total -= terms[..., stage]
    return total
