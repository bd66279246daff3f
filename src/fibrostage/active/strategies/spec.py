"""What a strategy is. Most are pure functions from what is known of some items to one score each; those that
choose items together (core-set and its kin) walk the embedding of the pool.

Higher is asked first. A strategy sees no labels of the pool, no ids in order and no state; picking is another function.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from fibrostage.active.embedded_pool import Items

Needs = Literal["noise", "probabilities", "passes", "entropies"]


@dataclass(frozen=True)
class Known:
    """What is known of n candidates, as far as the strategy's `needs` say.

    `noise` [n] is uniform in [0, 1) and a function of seed, round and candidate id alone. `probabilities`
    [n, K] are of the network without dropout, or the mean over T passes with it; `entropies` [n] the mean of the
    passes' own entropies. `cut` is the first stage at or above the cut the plan names.
    """

    noise: NDArray[np.float64] | None = None
    probabilities: NDArray[np.float32] | None = None
    entropies: NDArray[np.float32] | None = None
    cut: int = 1

    def drawn(self) -> NDArray[np.float64]:
        """Returns the uniform noise [n]. Raises `ValueError` where the strategy's `needs` do not ask for it."""
        if self.noise is None:
            raise ValueError("this strategy needs noise; its `needs` must say so")
        return self.noise

    def stages(self) -> NDArray[np.float32]:
        """Returns the stage probabilities [n, K]. Raises `ValueError` where the strategy's `needs` do not ask for
        them."""
        if self.probabilities is None:
            raise ValueError("this strategy needs probabilities; its `needs` must say so")
        return self.probabilities

    def within(self) -> NDArray[np.float32]:
        """Returns the mean entropy of the passes [n], in nats. Raises `ValueError` where the strategy's `needs` do not
        ask for it."""
        if self.entropies is None:
            raise ValueError("this strategy needs the passes' entropies; its `needs` must say so")
        return self.entropies


@dataclass(frozen=True)
class Strategy:
    """`name` stands in plans, `title` in figures; `needs` says what the scorer must compute. Scores are ≥ 0.

    `of_dropout` says that the strategy is about what dropout does, and means nothing without it.
    """

    name: str
    title: str
    needs: Needs
    score: Callable[[Known], NDArray[np.float64]]
    of_dropout: bool = False

    @property
    def needs_model(self) -> bool:
        """Whether a model must be fitted first; what draws by noise alone can begin a run."""
        return self.needs != "noise"


@dataclass(frozen=True)
class BatchStrategy:
    """Chooses `count` of the available items one after another: positions, first chosen first.

    `needs_model` is false where nothing has to be fitted first: such a strategy can begin a run. `of_modalities` says
    that it is about what modalities say beside each other, and means nothing with one.
    """

    name: str
    title: str
    select: Callable[[Items, int, np.random.Generator], list[int]]
    needs_model: bool = True
    of_modalities: bool = False


def margins(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Returns 1 − (p₁ − p₂) [n] of `probabilities` [n, K], from 0 where one stage is certain to 1 where the two
    likeliest are equally likely."""
    two = np.partition(probabilities, -2, axis=1)[:, -2:].astype(np.float64)
    return np.asarray(1 - (two[:, 1] - two[:, 0]))


def entropy(probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
    """Returns H = −Σ p log p of `probabilities` […, K] over the last axis […] in nats, with 0 log 0 = 0; logarithms are
    taken in the precision that came."""
    p = np.asarray(probabilities)
    terms = np.log(np.maximum(p, np.finfo(p.dtype).tiny))
    terms *= p
    total = np.zeros(p.shape[:-1], dtype=np.float64)
    for stage in range(p.shape[-1]):
        total -= terms[..., stage]
    return total
