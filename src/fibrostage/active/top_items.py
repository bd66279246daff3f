"""Picking: the k best of a stream of scored items, ties by item number, within quotas, in memory of what is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

LEAST = 65_536  # items gathered before they are sorted in
UNLIMITED = 2**62


class Picker(Protocol):
    """Takes scored items in any blocks; the answer does not depend on how the stream was cut."""

    @property
    def worst(self) -> float:
        """A score below this can no longer be picked."""
        ...

    def add(
        self, ids: NDArray[np.int64], scores: NDArray[np.float64], guesses: NDArray[np.int64] | None = None
    ) -> None:
        """Takes a block of items: `ids` [n], `scores` [n] and, where stages have quotas, `guesses` [n] of their
        stages."""
        ...

    def picked(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Returns the picked items [k], best first, and their scores [k]."""
        ...


class Best:
    """A running top k.

    Items are gathered until there are as many again as are kept, so that a stream of n costs n log k. Raises
    `ValueError` for a negative `count`.
    """

    def __init__(self, count: int) -> None:
        if count < 0:
            raise ValueError(f"cannot pick {count} items")
        self.count = count
        self._ids = np.empty(0, dtype=np.int64)
        self._scores = np.empty(0, dtype=np.float64)
        self._gathered: list[tuple[NDArray[np.int64], NDArray[np.float64]]] = []
        self._waiting = 0

    @property
    def worst(self) -> float:
        """The lowest score of the kept k; −∞ as long as fewer are kept."""
        full = self.count and len(self._ids) == self.count
        return float(self._scores[-1]) if full else -np.inf

    def add(
        self, ids: NDArray[np.int64], scores: NDArray[np.float64], guesses: NDArray[np.int64] | None = None
    ) -> None:
        """Takes a block of items: `ids` [n] and `scores` [n]; `guesses` are not looked at. Raises `ValueError` for a
        score that is not a number, because an unscored item must not vanish, and where the two differ in shape."""
        check_scores(ids, scores)
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
        """Returns the picked items [k], best first."""
        return self.picked()[0]

    def picked(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Returns the picked items [k], best first and equals by item number, and their scores [k]."""
        self._settle()
        return self._ids.copy(), self._scores.copy()


def check_scores(ids: NDArray[np.int64], scores: NDArray[np.float64]) -> None:
    """Checks that every item of `ids` [n] has a score in `scores` [n]. Raises `ValueError` where the shapes differ or a
    score is NaN."""
    if scores.shape != ids.shape:
        raise ValueError(f"{len(ids)} items, scores of shape {scores.shape}")
    if np.isnan(scores).any():
        raise ValueError(f"item {ids[np.isnan(scores)][0]} scored NaN")


class WithinQuotas:
    """The k best when a patient, or a guessed stage, may give only so many; ties by item number.

    `limits` [patients] bounds each patient, `per_stage` each guessed stage. With `in_turn` every patient's best
    comes before anybody's second best, whatever the scores; `had` [patients] is how often each was asked already.
    Kept are at most limit items a patient and guess: no more of them can ever be picked. `of_stage` is what each
    guessed stage has given already.
    """

    worst = -np.inf

    def __init__(
        self,
        count: int,
        offsets: NDArray[np.int64],
        limits: NDArray[np.int64],
        per_stage: int = UNLIMITED,
        had: NDArray[np.int64] | None = None,
        of_stage: dict[int, int] | None = None,
    ) -> None:
        self.count, self.offsets, self.limits, self.per_stage = count, offsets, limits, per_stage
        self.had, self.of_stage = had, dict(of_stage or {})
        self._kept: list[tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]] = []
        self._size = self._settled = 0

    def add(
        self, ids: NDArray[np.int64], scores: NDArray[np.float64], guesses: NDArray[np.int64] | None = None
    ) -> None:
        """Takes a block of items: `ids` [n], `scores` [n] and `guesses` [n] of their stages (without, all count as
        stage 0). Raises `ValueError` where ids and scores differ in shape or a score is NaN."""
        check_scores(ids, scores)
        guesses = np.zeros(len(ids), dtype=np.int64) if guesses is None else guesses
        self._kept.append(self._possible(ids, scores, guesses))
        self._size += len(self._kept[-1][0])
        if self._size > max(LEAST, 2 * self._settled):
            self._merge()

    def _merge(self) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
        if not self._kept:
            return np.empty(0, dtype=np.int64), np.empty(0), np.empty(0, dtype=np.int64)
        merged = self._possible(*(np.concatenate(parts) for parts in zip(*self._kept, strict=True)))
        self._kept, self._size = [merged], len(merged[0])
        self._settled = self._size
        return merged

    def _possible(
        self, ids: NDArray[np.int64], scores: NDArray[np.float64], guesses: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
        patients = np.searchsorted(self.offsets, ids, side="right") - 1
        order = np.lexsort((ids, -scores, guesses, patients))
        rank = run_positions(patients[order], guesses[order])
        most = np.minimum(self.limits[patients[order]], min(self.count, self.per_stage))
        kept = order[rank < most]
        return ids[kept], scores[kept], guesses[kept]

    def picked(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Returns the picked items [k], first wanted first, and their scores [k]. It may be called once, as it adds
        what it picks to `of_stage`."""
        ids, scores, guesses = self._merge()
        patients = np.searchsorted(self.offsets, ids, side="right") - 1
        if self.had is None:
            order = np.lexsort((ids, -scores))
        else:
            own = np.lexsort((ids, -scores, patients))
            turn = np.empty(len(ids), dtype=np.int64)
            turn[own] = run_positions(patients[own])
            order = np.lexsort((ids, -scores, turn + self.had[patients]))
        given = np.zeros(len(self.limits), dtype=np.int64)
        of_stage = self.of_stage
        chosen: list[int] = []
        for at in order.tolist():
            if len(chosen) == self.count:
                break
            patient, guess = patients[at], int(guesses[at])
            if given[patient] < self.limits[patient] and of_stage.get(guess, 0) < self.per_stage:
                given[patient] += 1
                of_stage[guess] = of_stage.get(guess, 0) + 1
                chosen.append(at)
        return ids[chosen], scores[chosen]


def run_positions(*keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns the position 0, 1, 2 … of each element within its run of equal neighbours [n]; a run ends where any of
    the `keys` [n] changes."""
    n = len(keys[0])
    new = np.zeros(n, dtype=bool)
    new[:1] = True
    for key in keys:
        new[1:] |= key[1:] != key[:-1]
    starts = np.flatnonzero(new)
    return np.arange(n) - np.repeat(starts, np.diff(np.append(starts, n)))


def turns(left: NDArray[np.int64], had: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Returns how many items each patient may give so that `count` are dealt in turn, those asked least first
    [patients]. `left` [patients] is how many items each has, `had` [patients] how often each was asked already."""
    low, high = 0, int((left + had).max(initial=0))
    while low < high:
        level = (low + high) // 2
        if np.minimum(left, np.maximum(level - had, 0)).sum() >= count:
            high = level
        else:
            low = level + 1
    return np.asarray(np.minimum(left, np.maximum(low - had, 0)))


@dataclass
class Quotas:
    """What a round may still ask of a patient and of a guessed stage; both fill up as items are chosen."""

    per_patient: int = UNLIMITED
    per_stage: int = UNLIMITED
    patients: dict[int, int] = field(default_factory=dict)
    stages: dict[int, int] = field(default_factory=dict)

    def count(self, patients: NDArray[np.int64]) -> None:
        """Counts one more item asked of each patient in `patients` [n], who may repeat."""
        for patient in patients.tolist():
            self.patients[patient] = self.patients.get(patient, 0) + 1

    def left_of(self, patients: NDArray[np.int64]) -> NDArray[np.int64]:
        """Returns how many items each patient in `patients` [n] may still give [n]; UNLIMITED where there is no
        quota."""
        if self.per_patient == UNLIMITED:
            return np.full(len(patients), UNLIMITED)
        given = np.array([self.patients.get(patient, 0) for patient in patients.tolist()], dtype=np.int64)
        return np.maximum(self.per_patient - given, 0)


@dataclass
class Choosable:
    """Which items of a list may still be chosen one by one, as patients and guessed stages fill up: `patients`,
    `available` and `guesses` are [n]."""

    patients: NDArray[np.int64]
    available: NDArray[np.bool_]
    quotas: Quotas = field(default_factory=Quotas)
    guesses: NDArray[np.int64] | None = None

    def guess(self, stages: NDArray[np.int64]) -> None:
        """Says which stage each item [n] is guessed to be; items of a stage whose quota is full may not be chosen."""
        self.guesses = stages
        full = [stage for stage, given in self.quotas.stages.items() if given >= self.quotas.per_stage]
        self.available &= ~np.isin(stages, full)

    def take(self, position: int) -> None:
        """Marks the item at `position` as chosen, and makes all items of its patient and of its guessed stage
        unavailable once that quota is full."""
        self.available[position] = False
        patient = int(self.patients[position])
        self.quotas.patients[patient] = self.quotas.patients.get(patient, 0) + 1
        if self.quotas.patients[patient] >= self.quotas.per_patient:
            self.available &= self.patients != patient
        if self.guesses is not None:
            stage = int(self.guesses[position])
            self.quotas.stages[stage] = self.quotas.stages.get(stage, 0) + 1
            if self.quotas.stages[stage] >= self.quotas.per_stage:
                self.available &= self.guesses != stage
