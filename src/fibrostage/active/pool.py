"""The pool: items of the training patients that have not been asked for, walked block by block.

A pool is never a list. It is ranges of numbers (one a patient) minus the asked ones, and is read in blocks whose
size bounds the memory, whatever the pool's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

BLOCK = 65_536


class Numbered(Protocol):
    """Items numbered by patient: candidates of a space, or the items of a unit."""

    @property
    def offsets(self) -> NDArray[np.int64]:
        """The number of each patient's first item, and the total at the end [patients + 1]."""
        ...


@dataclass(frozen=True)
class Pool:
    """Unasked items: all of `patients` (rows [P], ascending) except `asked` (item numbers [a], ascending)."""

    items: Numbered
    patients: NDArray[np.int64]
    asked: NDArray[np.int64]

    @property
    def capacity(self) -> int:
        """Items there were before any was asked for."""
        return int(np.diff(self.items.offsets)[self.patients].sum())

    def __len__(self) -> int:
        return self.capacity - len(self.asked)

    def blocks(self, size: int = BLOCK) -> Iterator[NDArray[np.int64]]:
        """Yields the unasked items in ascending order, at most `size` at a time [≤ size]."""
        for low, high in self.spans(size):
            ids = np.arange(low, high, dtype=np.int64)
            fresh = ids[~contains(self.asked, ids)]
            if len(fresh):
                yield fresh

    def ids(self) -> NDArray[np.int64]:
        """Returns every unasked item in ascending order [n], for pools that fit in memory."""
        blocks = list(self.blocks())
        return np.concatenate(blocks) if blocks else np.empty(0, dtype=np.int64)

    def spans(self, size: int = BLOCK) -> Iterator[tuple[int, int]]:
        """Ranges of neighbouring items, asked ones among them, at most `size` long."""
        for start, stop in self.ranges():
            for low in range(start, stop, size):
                yield low, min(low + size, stop)

    def ranges(self) -> Iterator[tuple[int, int]]:
        """Ranges of items of neighbouring patients, joined."""
        offsets = self.items.offsets
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

    def left_of(self, patients: NDArray[np.int64]) -> NDArray[np.int64]:
        """Returns how many items of each of the patients in `patients` [p] have not been asked for [p]."""
        low, high = self.items.offsets[patients], self.items.offsets[patients + 1]
        asked = np.searchsorted(self.asked, high) - np.searchsorted(self.asked, low)
        return np.asarray(high - low - asked)


def contains(ascending: NDArray[np.int64], ids: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Says of each of `ids` [n] whether it is among `ascending` [a]; returns [n]."""
    if not len(ascending):
        return np.zeros(len(ids), dtype=bool)
    at = np.minimum(np.searchsorted(ascending, ids), len(ascending) - 1)
    return np.asarray(ascending[at] == ids)
