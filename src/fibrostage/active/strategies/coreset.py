"""Core-set: each next item is the farthest from all that were chosen, k-centre greedy (Sener & Savarese 2018)."""

from __future__ import annotations

import numpy as np

from fibrostage.active.embedded_pool import Items
from fibrostage.active.strategies.spec import BatchStrategy


def select(items: Items, count: int, rng: np.random.Generator) -> list[int]:
    """Returns the positions of up to `count` items, each the farthest from what is labelled and chosen before it; where
    nothing is labelled, the first is the one nearest to the mean."""
    nearest = items.distance_to_labelled()
    if np.isinf(nearest).all():  # nothing is chosen yet: begin in the middle
        nearest = -items.squared_distances_to_mean()
        first = items.best(nearest)
        if first is None:
            return []
        chosen = [items.take(first)]
        nearest = items.squared_distances(first)
    else:
        chosen = []
    while len(chosen) < count:
        position = items.best(nearest)
        if position is None:
            break
        chosen.append(items.take(position))
        nearest = np.minimum(nearest, items.squared_distances(position))
    return chosen


STRATEGY = BatchStrategy("coreset", "Core-set", select, needs_model=False)
