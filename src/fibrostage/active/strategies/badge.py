"""BADGE: k-means++ over gradient embeddings, so that a batch is both uncertain and diverse (Ash et al. 2020).

The gradient of the likeliest stage's loss in the last layer is (p − e_ŷ) ⊗ v. Distances between such outer products
are products of inner products, so K · D numbers an item are never made.
"""

from __future__ import annotations

import numpy as np

from fibrostage.active.embedded_pool import Items
from fibrostage.active.strategies.spec import BatchStrategy


def select(items: Items, count: int, rng: np.random.Generator) -> list[int]:
    """Returns the positions of up to `count` items: the longest gradient first, then each drawn with a chance
    proportional to its squared distance to the nearest one chosen. Raises `ValueError` without a fitted network."""
    gradients = items.gradients()
    norms = gradients.squared_norms
    position = items.best(norms)
    chosen: list[int] = []
    nearest = np.full(len(norms), np.inf)
    while position is not None and len(chosen) < count:
        chosen.append(items.take(position))
        nearest = np.minimum(nearest, gradients.squared_distances(position))
        position = items.draw(nearest, rng)
    return chosen


STRATEGY = BatchStrategy("badge", "BADGE", select)
