"""The embedding of a pool's items, never built item by item: a candidate's is the concatenation of its images', so
squared distances and inner products are sums of per-image ones.

One new centre costs a product with each image table and a gather an item; nothing is ever n². A modality an item has
no image of stands at the mean of that modality, where it is as far from every side.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fibrostage.active.top_items import Quota

Tables = tuple[NDArray[np.float32], ...]  # per modality [images + 1, D], the mean at the end


@dataclass(frozen=True)
class Embedding:
    """Items as rows of per-image tables: an item's vector is the concatenation of tables[m][rows[:, m]]."""

    tables: Tables
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def squared_norms(self) -> NDArray[np.float64]:
        return self.gather([np.einsum("nd,nd->n", table, table, dtype=np.float64) for table in self.tables])

    def gather(self, per_image: list[NDArray[np.float64]]) -> NDArray[np.float64]:
        """Sums over modalities of a number an image."""
        total = np.zeros(len(self.rows))
        for column, values in enumerate(per_image):
            total += values[self.rows[:, column]]
        return total

    def inner(self, vector: list[NDArray[np.float32]]) -> NDArray[np.float64]:
        """Inner products with one vector, given by modality."""
        return self.gather([(table @ part).astype(np.float64) for table, part in zip(self.tables, vector, strict=True)])

    def vector(self, position: int) -> list[NDArray[np.float32]]:
        return [table[self.rows[position, column]] for column, table in enumerate(self.tables)]

    def squared_distances(self, vector: list[NDArray[np.float32]]) -> NDArray[np.float64]:
        """To one vector, given by modality."""
        own = sum(float(part.astype(np.float64) @ part) for part in vector)
        return np.maximum(self.squared_norms + own - 2 * self.inner(vector), 0.0)

    def mean(self) -> list[NDArray[np.float32]]:
        return [table[self.rows[:, column]].mean(axis=0) for column, table in enumerate(self.tables)]

    def dense(self) -> NDArray[np.float32]:
        """Every item's vector [n, ΣD]."""
        parts = [table[self.rows[:, column]] for column, table in enumerate(self.tables)]
        return np.concatenate(parts, axis=1) if len(self.rows) else np.empty((0, self.width), dtype=np.float32)

    @property
    def width(self) -> int:
        return sum(table.shape[1] for table in self.tables)


@dataclass(frozen=True)
class Gradients:
    """Gradient embeddings (p − e_ŷ) ⊗ v, as their two factors."""

    residuals: NDArray[np.float64]  # [n, K]
    embedding: Embedding

    @cached_property
    def squared_norms(self) -> NDArray[np.float64]:
        return np.asarray((self.residuals**2).sum(axis=1) * self.embedding.squared_norms)

    def squared_distances(self, position: int) -> NDArray[np.float64]:
        inner = self.embedding.inner(self.embedding.vector(position)) * (self.residuals @ self.residuals[position])
        return np.maximum(self.squared_norms + self.squared_norms[position] - 2 * inner, 0.0)


@dataclass
class Items:
    """What a batch strategy chooses among: items of the pool, what is labelled, and who may still be asked."""

    ids: NDArray[np.int64]
    embedding: Embedding
    labelled: Embedding
    quota: Quota
    probabilities: NDArray[np.float64] | None = None
    stages: NDArray[np.int64] | None = None  # of the labelled
    classes: int = 2

    def take(self, position: int) -> int:
        """Marks an item as chosen, and those that the quotas then forbid."""
        self.quota.take(position)
        return position

    def best(self, scores: NDArray[np.float64]) -> int | None:
        """The available item of the highest score, the first of equals; None when there is none."""
        free = np.where(self.quota.available, scores, -np.inf)
        position = int(free.argmax()) if len(free) else -1
        return position if position >= 0 and free[position] > -np.inf else None

    def draw(self, weights: NDArray[np.float64], rng: np.random.Generator) -> int | None:
        """An available item with a chance proportional to its weight; the first of them when all weigh nothing."""
        sums = np.where(self.quota.available, weights, 0.0).cumsum()
        if not len(sums) or not sums[-1] > 0:
            return self.best(np.zeros(len(weights)))
        return int(np.searchsorted(sums, rng.random() * sums[-1], side="right"))

    def squared_distances(self, position: int) -> NDArray[np.float64]:
        return self.embedding.squared_distances(self.embedding.vector(position))

    def squared_distances_to_mean(self) -> NDArray[np.float64]:
        return self.embedding.squared_distances(self.embedding.mean())

    def distance_to_labelled(self) -> NDArray[np.float64]:
        """Squared distance to the nearest labelled item; ∞ where nothing is labelled."""
        nearest = np.full(len(self.embedding), np.inf)
        for position in range(len(self.labelled)):
            distances = self.embedding.squared_distances(self.labelled.vector(position))
            np.minimum(nearest, distances, out=nearest)
        return nearest

    def gradients(self) -> Gradients:
        if self.probabilities is None:
            raise ValueError("this strategy needs a fitted network")
        residuals = self.probabilities.copy()
        residuals[np.arange(len(residuals)), residuals.argmax(axis=1)] -= 1
        return Gradients(residuals, self.embedding)

    def dense(self) -> NDArray[np.float32]:
        return self.embedding.dense()

    def dense_labelled(self) -> NDArray[np.float32]:
        return self.labelled.dense()
