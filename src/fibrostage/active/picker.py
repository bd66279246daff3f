"""Picking: the k best of a stream of scored candidates, ties by candidate id, in memory of order k."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LEAST = 65_536  # candidates gathered before they are sorted in


class Best:
    """A running top k. The result does not depend on how the stream was cut into blocks.

    Candidates are gathered until there are as many again as are kept, so that a stream of n costs n log k.
    """

    def __init__(self, count: int) -> None:
        if count < 0:
            raise ValueError(f"cannot pick {count} candidates")
        self.count = count
        self._ids = np.empty(0, dtype=np.int64)
        self._scores = np.empty(0, dtype=np.float64)
        self._gathered: list[tuple[NDArray[np.int64], NDArray[np.float64]]] = []
        self._waiting = 0

    @property
    def worst(self) -> float:
        """A score below this can no longer be picked."""
        full = self.count and len(self._ids) == self.count
        return float(self._scores[-1]) if full else -np.inf

    def add(self, ids: NDArray[np.int64], scores: NDArray[np.float64]) -> None:
        """Raises ValueError for a score that is not a number: an unscored candidate must not vanish."""
        if scores.shape != ids.shape:
            raise ValueError(f"{len(ids)} candidates, scores of shape {scores.shape}")
        if np.isnan(scores).any():
            raise ValueError(f"candidate {ids[np.isnan(scores)][0]} scored NaN")
        worth = scores >= self.worst
        if not worth.all():
            ids, scores = ids[worth], scores[worth]
        if not len(ids):
            return
        self._gathered.append((ids, scores))
        self._waiting += len(ids)
        if self._waiting >= max(self.count, LEAST) or len(self._ids) < self.count <= self._waiting + len(self._ids):
            self._settle()

    def _settle(self) -> None:
        ids = np.concatenate([self._ids, *(part[0] for part in self._gathered)])
        scores = np.concatenate([self._scores, *(part[1] for part in self._gathered)])
        self._gathered, self._waiting = [], 0
        if self.count and len(scores) > 4 * self.count:  # sort only what can be picked
            limit = -np.partition(-scores, self.count - 1)[self.count - 1]
            ids, scores = ids[scores >= limit], scores[scores >= limit]
        order = np.lexsort((ids, -scores))[: self.count]
        self._scores = scores[order]
        self._ids = ids[order]

    def ids(self) -> NDArray[np.int64]:
        """The picked candidates, best first."""
        self._settle()
        return self._ids.copy()
