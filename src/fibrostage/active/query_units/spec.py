"""What a query unit is: the thing that is asked for at once, be it one candidate, one image, or a patient.

Every unit numbers its items by patient, in 64 bits, so that a pool is ranges of numbers whatever the unit, and an
item stays the same thing for a cohort and its modalities. What a network learns from is always candidates: those
asked for, those that can be made of a patient's read images, or a patient's own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fibrostage.cohort.candidates import CandidateSpace
from fibrostage.learn.fit_head import Examples
from fibrostage.plan.asking import CostPlan
from fibrostage.results.metrics import Cost

if TYPE_CHECKING:
    from fibrostage.active.embedded_pool import Tables
    from fibrostage.active.pool_scoring import UnitScores


@dataclass(frozen=True)
class QueryUnit(ABC):
    """The items of one unit over a space of candidates. `name` stands in plans and ledgers.

    Where the unit is not the candidate, about `candidates_a_patient` are learned from, every image among them.

    `scored_alone` says that a strategy scores each item by itself; otherwise an item's score is made of those of its
    candidates. `parts_modalities` says that one modality of a patient can be asked for without another, and
    `whole_patient` that an item is a patient, whatever pictures there are.
    """

    space: CandidateSpace
    candidates_a_patient: int = 64
    name: ClassVar[str]
    scored_alone: ClassVar[bool] = False
    parts_modalities: ClassVar[bool] = False
    whole_patient: ClassVar[bool] = False

    @property
    @abstractmethod
    def offsets(self) -> NDArray[np.int64]:
        """The first item of each patient, and the total at the end [patients + 1]."""

    @abstractmethod
    def rows(self, items: NDArray[np.int64]) -> NDArray[np.int64]:
        """The image rows [n, M] that items [n] stand for, −1 where one has none."""

    @abstractmethod
    def examples(self, items: NDArray[np.int64], stages: NDArray[np.int64], seed: int) -> Examples:
        """Candidates to learn from once items [n] have these stages [n]; in no order of asking."""

    @abstractmethod
    def shown(self, items: NDArray[np.int64]) -> tuple[int, int]:
        """How many candidates can be made of items [n], and how many distinct images they show."""

    @abstractmethod
    def is_bad(self, items: NDArray[np.int64], bad: Sequence[NDArray[np.bool_]]) -> NDArray[np.bool_]:
        """Which items [n] intake found bad; `bad` has, by modality, whether each image [images] is."""

    @abstractmethod
    def scores(
        self, items: NDArray[np.int64], images: Mapping[str, UnitScores], patients: UnitScores
    ) -> NDArray[np.float64]:
        """Scores [n] of items [n] from those of their images or patients; only where items are not `scored_alone`."""

    def averaged(self, items: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """The candidates [c] over which the probabilities of items [n] are averaged; None where an item is its rows."""
        return None

    def tables(self, images: Tables) -> Tables:
        """The tables that items stand in, of one per modality [images + 1, D]; the last row of each is the mean."""
        return images

    def rows_in_tables(self, items: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows [n, M] at which items [n] stand in `tables`; −1 is the row of the mean."""
        return self.rows(items)

    def patient_of(self, items: ArrayLike) -> NDArray[np.int64]:
        """The patient's row [n] of items [n]."""
        return np.searchsorted(self.offsets, np.asarray(items, dtype=np.int64), side="right") - 1

    def item_of(self, patient: int, row: NDArray[np.int64]) -> int | None:
        """The item of a patient, given by row, that stands for image rows `row` [M]; None where there is none.

        It is the inverse of `rows`.
        """
        own = np.arange(self.offsets[patient], self.offsets[patient + 1], dtype=np.int64)
        same = np.flatnonzero((self.rows(own) == row).all(axis=1)) if len(own) else own
        return int(own[same[0]]) if len(same) else None

    def pictures(self, items: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many pictures each of items [n] shows [n]."""
        return np.asarray((self.rows(items) >= 0).sum(axis=1))

    def prices(self, items: NDArray[np.int64], plan: CostPlan) -> NDArray[np.float64]:
        """What asking for each of items [n] by itself costs [n]: a biopsy, its readings, and the exams that it
        lacks."""
        exams = np.array([plan.exam(name) for name in self.space.modalities])
        lacking = (self.space.counts[self.patient_of(items)] == 0) @ exams
        return np.asarray(plan.biopsy + plan.reading * self.pictures(items) + lacking)

    def cost(self, items: NDArray[np.int64], plan: CostPlan) -> Cost:
        """What asking for items [n] costs: each patient one biopsy, each distinct image one reading."""
        patients = np.unique(self.patient_of(items))
        candidates, images = self.shown(items)
        lacking = (self.space.counts[patients] == 0).sum(axis=0).tolist()
        exams = sum(plan.exam(name) * n for name, n in zip(self.space.modalities, lacking, strict=True))
        total = plan.biopsy * len(patients) + plan.reading * images + exams
        return Cost(candidates=candidates, images=images, patients=len(patients), cost=float(total))


def bad_rows(rows: NDArray[np.int64], bad: Sequence[NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """Which of image rows [n, M] hold a bad image; `bad` has one [images] per modality."""
    result = np.zeros(len(rows), dtype=bool)
    for column, own in enumerate(bad):
        present = rows[:, column] >= 0
        result[present] |= own[rows[present, column]]
    return result


def in_patient_order(
    items: NDArray[np.int64], stages: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Items [n] ascending, and their stages [n] with them."""
    order = np.argsort(items)
    return items[order], stages[order]
