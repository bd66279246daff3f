"""Picking: the k best of a stream of scored candidates, ties by candidate id, in memory of order k."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Best:
    """A running top k. The result does not depend on how the stream was cut into blocks."""

    def __init__(self, count: int) -> None:
        if count < 0:
            raise ValueError(f"cannot pick {count} candidates")
        self.count = count
        self._ids = np.empty(0, dtype=np.int64)
        self._scores = np.empty(0, dtype=np.float64)

    def add(self, ids: NDArray[np.int64], scores: NDArray[np.float64]) -> None:
        """Raises ValueError for a score that is not a number: an unscored candidate must not vanish."""
        if scores.shape != ids.shape:
            raise ValueError(f"{len(ids)} candidates, scores of shape {scores.shape}")
        if np.isnan(scores).any():
            raise ValueError(f"candidate {ids[np.isnan(scores)][0]} scored NaN")
        if len(self._ids) == self.count and self.count:
            worth = scores >= self._scores[-1]
            ids, scores = ids[worth], scores[worth]
        merged_ids = np.concatenate([self._ids, ids])
        merged = np.concatenate([self._scores, scores])
        order = np.lexsort((merged_ids, -merged))[: self.count]
        self._ids, self._scores = merged_ids[order], merged[order]

    def ids(self) -> NDArray[np.int64]:
        """The picked candidates, best first."""
        return self._ids.copy()
