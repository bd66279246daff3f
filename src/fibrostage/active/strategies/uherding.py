"""UHerding: coverage of the pool, of what the model is unsure of before the rest (Bae et al. 2025, arXiv 2412.20644).

What is covered counts by its margin, 1 − (p₁ − p₂); the kernel is MaxHerding's, a sum over a candidate's pictures, so
the objective is exact over candidates that are never built. The paper's temperature for the probabilities is left
out: our heads are fitted with weight decay, and its kernel's width, the least distance of two labels, is replaced by
one that two pictures of nearly the same thing cannot set to nothing.
"""

from __future__ import annotations

import numpy as np

from fibrostage.active.coverage import herd
from fibrostage.active.embedded_pool import Items
from fibrostage.active.strategies.spec import BatchStrategy, margins


def select(items: Items, count: int, rng: np.random.Generator) -> list[int]:
    """Returns the positions of up to `count` items, each the one that adds most to the coverage of what is uncertain.
    Raises `ValueError` without a fitted network."""
    return herd(items, margins(items.stages_said()), count, rng)


STRATEGY = BatchStrategy("uherding", "UHerding", select)
