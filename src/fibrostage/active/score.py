"""Scoring a pool: per-image tables once, then sums, block by block, keeping only the best k.

With Monte-Carlo dropout there is one mask per stream and pass, so a pass is a table too (networks.mmfn): the
cost of a pool is its images through the head T times, and additions.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from fibrostage.active.picker import Best
from fibrostage.active.pool import Pool
from fibrostage.active.strategies.spec import Known, Strategy
from fibrostage.learn.learner import Learner

CELLS = 4_000_000  # probabilities held at once


@torch.inference_mode()
def choose(
    learner: Learner, pool: Pool, strategy: Strategy, count: int, passes: int, seed: int, round_: int
) -> NDArray[np.int64]:
    """The `count` candidates of the pool that score highest, best first, ties by candidate id."""
    tables: dict[str, torch.Tensor] = {}
    if strategy.needs == "passes":
        rng = np.random.default_rng([seed, round_, 10])
        tables = learner.head.passes(learner.features, passes, rng)
    elif strategy.needs == "probabilities":
        single = learner.head.tables(learner.features)
        tables = {name: table[None] for name, table in single.items()}
    drawn = passes if strategy.needs == "passes" else 1
    size = max(1, CELLS // (drawn * learner.head.classes))
    best = Best(count)
    for ids in pool.blocks(size):
        probabilities = None
        if tables:
            rows = torch.from_numpy(pool.space.decode(ids))
            probabilities = learner.head.fuse(tables, rows).softmax(-1).numpy()
        known = Known(uniform(seed, round_, ids), probabilities)
        best.add(ids, strategy.score(known))
    return best.ids()


def uniform(seed: int, round_: int, ids: NDArray[np.int64]) -> NDArray[np.float64]:
    """A uniform number in [0, 1) per candidate, whatever the blocks: SplitMix64 of seed, round and id."""
    state = np.uint64((seed * 0x9E3779B97F4A7C15 + round_ * 0xD1B54A32D192ED03) % 2**64)
    with np.errstate(over="ignore"):
        z = mix(mix(ids.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)) ^ mix(np.atleast_1d(state)))
    return np.asarray((z >> np.uint64(11)).astype(np.float64) / 2.0**53)


def mix(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's output function (Steele et al. 2014)."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)))
