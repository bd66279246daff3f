"""How well a pool's pictures are covered by those that are labelled, with a kernel that is a sum over pictures.

The similarity of two candidates is the sum over modalities of exp(−d² / σ²) between their pictures, and each modality
is covered by itself. What a candidate would add to the coverage of a pool is then the sum of what its pictures would
add, so that candidates are never built side by side: a table of kernels between the pictures of a modality, and a
gather an item. σ follows the budget: it is how far apart the pictures are that one label has to stand for, so that it
shrinks as labels come.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fibrostage.active.embedded_pool import Embedding, Items

CELLS = 50_000_000  # of a kernel held at once (200 MB): above 7,000 pictures of a modality, a draw of them is covered
LOOKED_AT = 500  # pictures whose neighbours set σ


class PictureCoverage:
    """One modality's pictures: how near the nearest labelled one is to each, and what every other would add.

    `rows` [t] are the pictures of the pool, ascending; `cover` and `weights` [c] are of those that are to be covered.
    """

    def __init__(self, items: Items, column: int, worth: NDArray[np.float64], labels: int, rng: np.random.Generator):
        own = items.embedding.rows[:, column]
        self.rows = np.unique(own[own >= 0])
        self.at = np.searchsorted(self.rows, own)
        self.shown = own >= 0
        table = items.embedding.tables[column].astype(np.float64)
        points = table[self.rows]
        weights = np.bincount(self.at[self.shown], worth[self.shown], minlength=len(self.rows))
        most = max(1, CELLS // max(len(points), 1))
        targets = np.arange(len(points)) if len(points) <= most else np.sort(rng.permutation(len(points))[:most])
        width = squared_width(points, labels, rng)
        self.weights = weights[targets]
        self.kernel = kernel(points[targets], points, width)
        self.cover = covered_by(points[targets], table, items.labelled, column, width)
        self.gains = self.weights @ np.maximum(self.kernel - self.cover[:, None], 0)

    def of_items(self) -> NDArray[np.float64]:
        """What each item's picture would add [n]; nothing where it has none."""
        gains = np.zeros(len(self.at))
        gains[self.shown] = self.gains[self.at[self.shown]]
        return gains

    def add(self, position: int) -> None:
        """Takes the picture of the item at `position` for labelled."""
        if not self.shown[position]:
            return
        new = self.kernel[:, self.at[position]]
        raised = new > self.cover
        part, weights = self.kernel[raised], self.weights[raised]
        before = np.maximum(part - self.cover[raised, None], 0)
        self.gains -= weights @ (before - np.maximum(part - new[raised, None], 0))
        self.cover = np.maximum(self.cover, new)


def herd(items: Items, worth: NDArray[np.float64], count: int, rng: np.random.Generator) -> list[int]:
    """Returns the positions of up to `count` items, each the one that adds most to how well all items, by their `worth`
    [n], are covered."""
    labels = len(items.labelled) + count
    columns = range(items.embedding.rows.shape[1])
    sides = [PictureCoverage(items, column, worth, labels, rng) for column in columns]
    chosen: list[int] = []
    while len(chosen) < count:
        position = items.best(np.sum([side.of_items() for side in sides], axis=0))
        if position is None:
            break
        chosen.append(items.take(position))
        for side in sides:
            side.add(position)
    return chosen


def squared_distances(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """The squared distances [a, b] of points [a, D] to points [b, D]; rounding never makes one negative."""
    norms = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1)
    return np.asarray(np.maximum(norms - 2 * first @ second.T, 0))


def kernel(first: NDArray[np.float64], second: NDArray[np.float64], width: float) -> NDArray[np.float32]:
    """exp(−d² / `width`) between points [a, D] and [b, D]: [a, b]."""
    return np.exp(-squared_distances(first, second) / width).astype(np.float32)


def squared_width(points: NDArray[np.float64], labels: int, rng: np.random.Generator) -> float:
    """σ²: the median squared distance of a point [t, D] to the last of the t / `labels` nearest that a label stands
    for; 1 where there is no distance."""
    if len(points) < 2:
        return 1.0
    some = points if len(points) <= LOOKED_AT else points[np.sort(rng.permutation(len(points))[:LOOKED_AT])]
    nearest = min(len(points) - 1, max(1, round(len(points) / max(labels, 1))))
    found = float(np.median(np.partition(squared_distances(some, points), nearest, axis=1)[:, nearest]))
    return found if found > 0 else 1.0


def covered_by(
    points: NDArray[np.float64], table: NDArray[np.float64], labelled: Embedding, column: int, width: float
) -> NDArray[np.float32]:
    """The kernel of each point [c, D] with the labelled picture nearest to it [c]; 0 where none is labelled."""
    rows = np.unique(labelled.rows[:, column])
    rows = rows[rows >= 0]
    cover = np.zeros(len(points), dtype=np.float32)
    for start in range(0, len(rows), LOOKED_AT):
        part = kernel(points, table[rows[start : start + LOOKED_AT]], width)
        np.maximum(cover, part.max(axis=1), out=cover)
    return cover
