"""The embedding of a pool's items, never built item by item: a candidate's is the concatenation of its images', so
squared distances and inner products are sums of per-image ones.

One new centre costs a product with each image table and a gather an item; nothing is ever n². A modality an item has
no image of stands at the mean of that modality, where it is as far from every side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fibrostage.active.top_items import Choosable

Tables = tuple[NDArray[np.float32], ...]  # per modality [images + 1, D], the mean at the end


@dataclass(frozen=True)
class Embedding:
    """Items as rows of per-image tables: an item's vector is the concatenation of tables[m][rows[:, m]]. `tables` holds
    one [images + 1, D] per modality, `rows` is [n, M]."""

    tables: Tables
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def squared_norms(self) -> NDArray[np.float64]:
        """The squared length [n] of every item's vector."""
        return self.gather([np.einsum("nd,nd->n", table, table, dtype=np.float64) for table in self.tables])

    def gather(self, per_image: list[NDArray[np.float64]]) -> NDArray[np.float64]:
        """Adds up over an item's modalities a number that each image has: `per_image` is one [images + 1] per modality,
        the result [n]."""
        total = np.zeros(len(self.rows))
        for column, values in enumerate(per_image):
            total += values[self.rows[:, column]]
        return total

    def inner(self, vector: list[NDArray[np.float32]]) -> NDArray[np.float64]:
        """Returns the inner product [n] of every item with one vector, which is given as one part [D] per modality."""
        return self.gather([(table @ part).astype(np.float64) for table, part in zip(self.tables, vector, strict=True)])

    def vector(self, position: int) -> list[NDArray[np.float32]]:
        """Returns the vector of the item at `position`, as one part [D] float32 per modality."""
        return [table[self.rows[position, column]] for column, table in enumerate(self.tables)]

    def squared_distances(self, vector: list[NDArray[np.float32]]) -> NDArray[np.float64]:
        """Returns the squared distance [n] of every item to one vector, which is given as one part [D] per modality;
        rounding never makes it negative."""
        own = sum(float(part.astype(np.float64) @ part) for part in vector)
        return np.maximum(self.squared_norms + own - 2 * self.inner(vector), 0.0)

    def mean(self) -> list[NDArray[np.float32]]:
        """Returns the mean of all items' vectors, as one part [D] float32 per modality."""
        return [table[self.rows[:, column]].mean(axis=0) for column, table in enumerate(self.tables)]

    def dense(self) -> NDArray[np.float32]:
        """Returns every item's whole vector [n, ΣD] float32, for strategies that need them side by side."""
        parts = [table[self.rows[:, column]] for column, table in enumerate(self.tables)]
        return np.concatenate(parts, axis=1) if len(self.rows) else np.empty((0, self.width), dtype=np.float32)

    @property
    def width(self) -> int:
        """The length ΣD of an item's vector."""
        return sum(table.shape[1] for table in self.tables)


@dataclass(frozen=True)
class Gradients:
    """Gradient embeddings (p − e_ŷ) ⊗ v, as their two factors."""

    residuals: NDArray[np.float64]  # [n, K]
    embedding: Embedding

    @cached_property
    def squared_norms(self) -> NDArray[np.float64]:
        """The squared length [n] of every item's gradient: |p − e_ŷ|² |v|²."""
        return np.asarray((self.residuals**2).sum(axis=1) * self.embedding.squared_norms)

    def squared_distances(self, position: int) -> NDArray[np.float64]:
        """Returns the squared distance [n] of every gradient to that of the item at `position`; rounding never makes it
        negative."""
        inner = self.embedding.inner(self.embedding.vector(position)) * (self.residuals @ self.residuals[position])
        return np.maximum(self.squared_norms + self.squared_norms[position] - 2 * inner, 0.0)


@dataclass
class Items:
    """What a batch strategy chooses among: n items of the pool, what is labelled, and who may still be asked. `ids` is
    [n], `probabilities` [n, K], `stages` [L] those of the L items in `labelled`; `alone` finds what each modality alone
    would say."""

    ids: NDArray[np.int64]
    embedding: Embedding
    labelled: Embedding
    quota: Choosable
    probabilities: NDArray[np.float64] | None = None
    stages: NDArray[np.int64] | None = None  # of the labelled
    classes: int = 2
    costs: NDArray[np.float64] | None = None  # [n], of asking for each by itself
    alone: Callable[[], NDArray[np.float64]] | None = None

    def stages_said(self) -> NDArray[np.float64]:
        """Returns the predicted probabilities [n, K]. Raises `ValueError` where no network is fitted."""
        if self.probabilities is None:
            raise ValueError("this strategy needs a fitted network")
        return self.probabilities

    def said_alone(self) -> NDArray[np.float64]:
        """Returns what each modality alone would say of the items [M, n, K], NaN where an item has none of it. Raises
        `ValueError` where no network is fitted."""
        if self.alone is None:
            raise ValueError("this strategy needs a fitted network")
        return self.alone()

    def prices(self) -> NDArray[np.float64]:
        """Returns what asking for each item costs [n]: all the same where nothing costs anything."""
        costs = np.ones(len(self.ids)) if self.costs is None else self.costs
        return np.maximum(costs, 1e-9)

    def take(self, position: int) -> int:
        """Marks the item at `position` as chosen, and those that the quotas then forbid; returns the position."""
        self.quota.take(position)
        return position

    def best(self, scores: NDArray[np.float64]) -> int | None:
        """Returns the position of the available item whose score in `scores` [n] is highest, the first of equals; None
        when no item is available or all score −∞."""
        free = np.where(self.quota.available, scores, -np.inf)
        position = int(free.argmax()) if len(free) else -1
        return position if position >= 0 and free[position] > -np.inf else None

    def by_score(self, scores: NDArray[np.float64], count: int) -> list[int]:
        """Takes up to `count` available items, the highest of `scores` [n] first, and returns their positions."""
        chosen: list[int] = []
        while len(chosen) < count and (position := self.best(scores)) is not None:
            chosen.append(self.take(position))
        return chosen

    def draw(self, weights: NDArray[np.float64], rng: np.random.Generator) -> int | None:
        """Draws the position of an available item with a chance proportional to its weight in `weights` [n], which are
        finite and ≥ 0. Where all weigh nothing it is the first available item, and None where there is none."""
        sums = np.where(self.quota.available, weights, 0.0).cumsum()
        if not len(sums) or not sums[-1] > 0:
            return self.best(np.zeros(len(weights)))
        return int(np.searchsorted(sums, rng.random() * sums[-1], side="right"))

    def squared_distances(self, position: int) -> NDArray[np.float64]:
        """Returns the squared distance [n] of every item to the item at `position`."""
        return self.embedding.squared_distances(self.embedding.vector(position))

    def squared_distances_to_mean(self) -> NDArray[np.float64]:
        """Returns the squared distance [n] of every item to the mean of all n."""
        return self.embedding.squared_distances(self.embedding.mean())

    def distance_to_labelled(self) -> NDArray[np.float64]:
        """Returns the squared distance [n] of every item to the labelled item nearest to it; ∞ where nothing is
        labelled."""
        nearest = np.full(len(self.embedding), np.inf)
        for position in range(len(self.labelled)):
            distances = self.embedding.squared_distances(self.labelled.vector(position))
            np.minimum(nearest, distances, out=nearest)
        return nearest

    def gradients(self) -> Gradients:
        """Returns the gradient embeddings of the n items, each against its likeliest stage ŷ. Raises `ValueError` where
        no network is fitted, so that there are no probabilities."""
        residuals = self.stages_said().copy()
        residuals[np.arange(len(residuals)), residuals.argmax(axis=1)] -= 1
        return Gradients(residuals, self.embedding)

    def dense(self) -> NDArray[np.float32]:
        """Returns the whole vectors [n, ΣD] of the items."""
        return self.embedding.dense()

    def dense_labelled(self) -> NDArray[np.float32]:
        """Returns the whole vectors [L, ΣD] of the labelled items."""
        return self.labelled.dense()


def patient_means(tables: Tables, counts: NDArray[np.int64]) -> Tables:
    """Averages image tables [images + 1, D] over each patient's images: one table per modality [patients + 1, D]
    float32. `counts` [patients, M] are how many images each has; who has none of a modality gets that modality's mean,
    which also stays in the last row."""
    result = []
    for column, table in enumerate(tables):
        owners = np.repeat(np.arange(len(counts)), counts[:, column])
        sums = np.zeros((len(counts), table.shape[1]), dtype=np.float64)
        np.add.at(sums, owners, table[:-1])
        means = sums / np.maximum(counts[:, column : column + 1], 1)
        means[counts[:, column] == 0] = table[-1]
        result.append(np.concatenate([means, table[-1:]]).astype(np.float32))
    return tuple(result)
