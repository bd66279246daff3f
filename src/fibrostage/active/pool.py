"""The pool: candidates of the training patients that have not been labelled, walked block by block.

A pool is never a list. It is ranges of ids (one a patient) minus the labelled ids, and is read in blocks whose
size bounds the memory, whatever the pool's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fibrostage.cohort.candidates import CandidateSpace

BLOCK = 65_536


@dataclass(frozen=True)
class Pool:
    """Unlabelled candidates: all of `patients` (rows, ascending) except `labelled` (ids, ascending)."""

    space: CandidateSpace
    patients: NDArray[np.int64]
    labelled: NDArray[np.int64]

    @property
    def capacity(self) -> int:
        """Candidates there were before any was labelled."""
        return int(self.space.per_patient[self.patients].sum())

    def __len__(self) -> int:
        return self.capacity - len(self.labelled)

    def blocks(self, size: int = BLOCK) -> Iterator[NDArray[np.int64]]:
        """Unlabelled ids, ascending, at most `size` at a time."""
        for low, high in self.spans(size):
            ids = np.arange(low, high, dtype=np.int64)
            fresh = ids[~contains(self.labelled, ids)]
            if len(fresh):
                yield fresh

    def spans(self, size: int = BLOCK) -> Iterator[tuple[int, int]]:
        """Ranges of neighbouring ids, labelled ones among them, at most `size` long."""
        for start, stop in self.ranges():
            for low in range(start, stop, size):
                yield low, min(low + size, stop)

    def ranges(self) -> Iterator[tuple[int, int]]:
        """Ranges of ids of neighbouring patients, joined."""
        offsets = self.space.offsets
        start = stop = -1
        for patient in self.patients:
            low, high = int(offsets[patient]), int(offsets[patient + 1])
            if low != stop:
                if stop > start:
                    yield start, stop
                start = low
            stop = high
        if stop > start:
            yield start, stop


def contains(ascending: NDArray[np.int64], ids: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which ids are among some ascending ones."""
    if not len(ascending):
        return np.zeros(len(ids), dtype=bool)
    at = np.minimum(np.searchsorted(ascending, ids), len(ascending) - 1)
    return np.asarray(ascending[at] == ids)
