"""MaxHerding: each next item covers most of what is not covered yet, softly (Bae et al. 2024, arXiv 2407.12212).

Needs no model, and unlike ProbCover no radius that all depends on. The kernel is a sum over a candidate's pictures.
"""

from __future__ import annotations

import numpy as np

from fibrostage.active.coverage import herd
from fibrostage.active.embedded_pool import Items
from fibrostage.active.strategies.spec import BatchStrategy


def select(items: Items, count: int, rng: np.random.Generator) -> list[int]:
    """Returns the positions of up to `count` items, each the one that adds most to the coverage of all."""
    return herd(items, np.ones(len(items.ids)), count, rng)


STRATEGY = BatchStrategy("maxherding", "MaxHerding", select, needs_model=False)
