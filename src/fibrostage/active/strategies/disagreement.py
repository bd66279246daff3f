"""Disagreement: where one modality says another stage than the other.

Each modality's share of a logit is exact, so what the network would say of a patient who had this modality alone costs
nothing. Networks of several modalities lean on one (Peng et al. 2022); an answer where they differ tells which is
right. The score is the Jensen-Shannon divergence of what they say, zero where a patient has one modality only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fibrostage.active.embedded_pool import Items
from fibrostage.active.strategies.spec import BatchStrategy, entropy


def select(items: Items, count: int, rng: np.random.Generator) -> list[int]:
    """Returns the positions of up to `count` items, those whose modalities disagree most first, equals in random order.
    Raises `ValueError` without a fitted network."""
    return items.by_score(divergence(items.said_alone()) + 1e-9 * rng.random(len(items.ids)), count)


def divergence(said: NDArray[np.float64]) -> NDArray[np.float64]:
    """The Jensen-Shannon divergence [n], in nats, of what modalities say alone, `said` [M, n, K]; NaN where an item has
    none of a modality."""
    there = np.asarray(np.isfinite(said).all(axis=2))
    number = np.maximum(there.sum(axis=0), 1)
    known = np.where(there[..., None], said, 0.0)
    mean = known.sum(axis=0) / number[:, None]
    within = np.where(there, entropy(known), 0.0).sum(axis=0) / number
    return np.asarray(np.maximum(entropy(mean) - within, 0.0))


STRATEGY = BatchStrategy("disagreement", "Disagreement", select, of_modalities=True)
