"""Typical, then margin: TypiClust while labels are few, the closest two stages once there are some.

Typical items help a model of few labels and uncertain ones a model of many (Hacohen et al. 2022, where one overtakes
the other at some tens of labels a class). The turn is at a number that was fixed before anything was measured.
"""

from __future__ import annotations

import numpy as np

from fibrostage.active.embedded_pool import Items
from fibrostage.active.strategies import typiclust
from fibrostage.active.strategies.spec import BatchStrategy, margins

TURN = 20  # labels a stage


def select(items: Items, count: int, rng: np.random.Generator) -> list[int]:
    """Returns the positions of up to `count` items: TypiClust's below 20 labels a stage, or before there is a model;
    else those whose two likeliest stages are closest."""
    if items.probabilities is None or len(items.labelled) < TURN * items.classes:
        return typiclust.select(items, count, rng)
    return items.by_score(margins(items.stages_said()), count)


STRATEGY = BatchStrategy("typical_then_margin", "Typical, then margin", select, needs_model=False)
