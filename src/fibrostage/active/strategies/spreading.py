"""Spreading: what the answers, spread over the pool from neighbour to neighbour, leave open.

Label spreading (Zhou et al. 2004) uses the pictures that nobody has read: an answer counts for its neighbourhood in the
embedding, and where answers of different stages meet, or none arrives, one more is wanted. A query is chosen in a few
steps; what was chosen is taken to be as it was said before the next, and neighbours of it wait a step.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, diags

from fibrostage.active.embedded_pool import Items
from fibrostage.active.strategies.spec import BatchStrategy, entropy

NEIGHBOURS = 10
KEPT = 0.9  # α: how much of what an item says comes from its neighbours
TIMES = 40  # that answers are passed on; 0.9⁴⁰ of them is left to pass
STEPS = 5


def select(items: Items, count: int, rng: np.random.Generator) -> list[int]:
    """Returns the positions of up to `count` items, the least settled by what has spread to them first; without any
    answer at random."""
    if not len(items.labelled) or items.stages is None:
        return items.by_score(rng.random(len(items.ids)), count)
    n = len(items.ids)
    links = graph(np.concatenate([items.dense(), items.dense_labelled()]))
    answers = np.zeros((links.shape[0], items.classes))
    answers[np.arange(n, links.shape[0]), items.stages] = 1
    chosen: list[int] = []
    step = -(-count // STEPS)
    while len(chosen) < count and items.quota.available.any():
        said = spread(links, answers)
        open_ = entropy(said[:n])
        waiting = np.zeros(links.shape[0], dtype=bool)
        for _ in range(min(step, count - len(chosen))):
            position = items.best(np.where(waiting[:n], open_ - np.log(items.classes) - 1, open_))
            if position is None:
                break
            chosen.append(items.take(position))
            answers[position] = said[position]
            waiting[links[[position]].indices] = True
    return chosen


def graph(points: NDArray[np.float32]) -> csr_matrix:
    """The links D^−½ W D^−½ [n, n] of each point [n, D] to its nearest, by exp(−d² / σ²) with σ² the median of these
    distances."""
    from sklearn.neighbors import kneighbors_graph

    near = min(NEIGHBOURS, len(points) - 1)
    distances = kneighbors_graph(points, near, mode="distance", include_self=False)
    squares = distances.data**2
    distances.data = np.exp(-squares / (np.median(squares) or 1.0))
    weights = distances.maximum(distances.T)
    degrees = np.asarray(weights.sum(axis=1)).ravel()
    roots = diags(1 / np.sqrt(np.maximum(degrees, 1e-12)))
    return csr_matrix(roots @ weights @ roots)


def spread(links: csr_matrix, answers: NDArray[np.float64]) -> NDArray[np.float64]:
    """What arrives of the `answers` [n, K] at each item, as shares of the stages [n, K]; equal ones where nothing
    does."""
    found = answers.copy()
    for _ in range(TIMES):
        found = KEPT * (links @ found) + (1 - KEPT) * answers
    found += 1e-12
    return np.asarray(found / found.sum(axis=1, keepdims=True))


STRATEGY = BatchStrategy("spreading", "Spreading", select)
