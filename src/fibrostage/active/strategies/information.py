"""Information: what the answers of a batch are expected to tell of the head's weights, for what they cost.

The head's last layer is taken for a linear model with a Gaussian prior: an answer about an item with embedding φ then
tells ½ log(1 + w φᵀA⁻¹φ), w the spread of its predicted stages and A what is known of the weights so far (the
D-optimal design of MacKay 1992; BAIT and BatchBALD have the same core). The first answer makes the second of the same
kind worth less, so that a batch is both uncertain and varied. What is known after a label is a rank-one update, and
needs no more of the pool than inner products, which are sums over pictures. Costs are those of [cost].
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fibrostage.active.embedded_pool import Embedding, Items
from fibrostage.active.strategies.spec import BatchStrategy


class Posterior:
    """What is left unknown of every item: φᵀA⁻¹φ [n], with A⁻¹ kept as the identity less rank-one parts."""

    def __init__(self, embedding: Embedding) -> None:
        self.embedding = embedding
        self.scale = float(max(embedding.squared_norms.mean(), 1e-12)) if len(embedding) else 1.0
        self.left = embedding.squared_norms / self.scale
        self.parts: list[NDArray[np.float64]] = []

    def learn(self, vector: list[NDArray[np.float32]], weight: float) -> None:
        """Takes an item's answer for known; its embedding comes as one part [D] a modality."""
        point = np.concatenate(vector).astype(np.float64) / np.sqrt(self.scale)
        direction = point.copy()
        if self.parts:
            known = np.array(self.parts)
            direction -= (known @ point) @ known
        left = float(point @ direction)
        factor = np.sqrt(weight / (1 + weight * left))
        self.parts.append(direction * factor)
        cuts = np.cumsum([len(part) for part in vector])[:-1]
        parts = [part.astype(np.float32) for part in np.split(self.parts[-1], cuts)]
        self.left = np.maximum(self.left - self.embedding.inner(parts) ** 2 / self.scale, 0)


def select(items: Items, count: int, rng: np.random.Generator) -> list[int]:
    """Returns the positions of up to `count` items, each the one whose answer is expected to tell most for its cost.
    Raises `ValueError` without a fitted network."""
    spread = 1 - (items.stages_said() ** 2).sum(axis=1)
    posterior = Posterior(items.embedding)
    for position in range(len(items.labelled)):
        posterior.learn(items.labelled.vector(position), float(spread.mean()))
    chosen: list[int] = []
    while len(chosen) < count:
        wanted = items.best(np.log1p(spread * posterior.left) / items.prices())
        if wanted is None:
            break
        chosen.append(items.take(wanted))
        posterior.learn(items.embedding.vector(wanted), float(spread[wanted]))
    return chosen


STRATEGY = BatchStrategy("information", "Information per cost", select)
