"""What may be asked of an oracle: one candidate, one image, or a patient with all of their images.

Every kind numbers its items by patient, in 64 bits, so that a pool is ranges of numbers whatever the unit, and an
item stays the same thing for a cohort and its modalities. What a network learns from is always candidates: those
asked for, those that can be made of a patient's read images, or a patient's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fibrostage.cohort.candidates import ABSENT, CandidateSpace
from fibrostage.learn.fit_head import Examples
from fibrostage.learn.train import TRAINING_CANDIDATES
from fibrostage.plan.run_plan import CostPlan

Unit = Literal["candidate", "image", "patient"]


@dataclass(frozen=True)
class Cost:
    """What has been asked so far, in every currency. `cost` is in the units of the plan's [cost]."""

    candidates: int
    images: int
    patients: int
    cost: float


@dataclass(frozen=True)
class Units:
    """The items of one unit over a space of candidates."""

    kind: Unit
    space: CandidateSpace

    @cached_property
    def offsets(self) -> NDArray[np.int64]:
        """First item of each patient, and the total at the end [patients + 1]."""
        if self.kind == "candidate":
            return self.space.offsets
        usable = self.space.per_patient > 0
        own = self.space.counts.sum(axis=1) * usable if self.kind == "image" else usable.astype(np.int64)
        return np.concatenate([[0], np.cumsum(own)])

    def patient_of(self, items: ArrayLike) -> NDArray[np.int64]:
        return np.searchsorted(self.offsets, np.asarray(items, dtype=np.int64), side="right") - 1

    @cached_property
    def image_items(self) -> tuple[NDArray[np.int64], ...]:
        """For images: the item number of each image row, a modality each; −1 for a patient without candidates."""
        before = np.cumsum(self.space.counts, axis=1) - self.space.counts
        tables = []
        for column in range(len(self.space.modalities)):
            counts = self.space.counts[:, column]
            owners = np.repeat(np.arange(len(counts)), counts)
            digit = np.arange(len(owners)) - self.space.first_rows[owners, column]
            item = self.offsets[owners] + before[owners, column] + digit
            tables.append(np.where(self.space.per_patient[owners] > 0, item, -1))
        return tuple(tables)

    def image_rows(self, items: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """For images: modality column and image row of each item."""
        patients = self.patient_of(items)
        rest = items - self.offsets[patients]
        ends = np.cumsum(self.space.counts[patients], axis=1)
        column = (rest[:, None] >= ends).sum(axis=1)
        before = ends[np.arange(len(items)), column] - self.space.counts[patients, column]
        return column, self.space.first_rows[patients, column] + rest - before

    def rows(self, items: NDArray[np.int64]) -> NDArray[np.int64]:
        """Image rows [n, M] an item stands for, −1 where it has none; of a patient, the first of each modality."""
        if self.kind == "candidate":
            return self.space.decode(items)
        if self.kind == "patient":
            return self.space.decode(self.space.offsets[self.patient_of(items)])
        rows = np.full((len(items), len(self.space.modalities)), ABSENT, dtype=np.int64)
        column, row = self.image_rows(items)
        rows[np.arange(len(items)), column] = row
        return rows

    def examples(self, items: NDArray[np.int64], stages: NDArray[np.int64], seed: int) -> Examples:
        """Candidates to learn from once these items have these stages; in no order of asking."""
        order = np.argsort(items)
        items, stages = items[order], stages[order]
        if self.kind == "candidate":
            return Examples(self.space.decode(items), stages)
        patients = self.patient_of(items)
        if self.kind == "patient":
            ids = self.space.draw(patients, TRAINING_CANDIDATES, np.random.default_rng([seed, 7]))
            given = np.full(len(self.space.counts), -1, dtype=np.int64)
            given[patients] = stages
            return Examples(self.space.decode(ids), given[self.space.patient_of(ids)])
        return self._of_images(items, stages, patients, seed)

    def _of_images(
        self, items: NDArray[np.int64], stages: NDArray[np.int64], patients: NDArray[np.int64], seed: int
    ) -> Examples:
        """Each patient's product of read images, a modality without one absent; the stage most of them were given."""
        modalities = len(self.space.modalities)
        known = np.unique(patients)
        column, row = self.image_rows(items)
        counts = np.zeros((len(known), modalities), dtype=np.int64)
        position = np.searchsorted(known, patients)
        np.add.at(counts, (position, column), 1)
        read = [row[column == m] for m in range(modalities)]  # by patient, as items are
        votes = np.zeros((len(known), int(stages.max()) + 1), dtype=np.int64)
        np.add.at(votes, (position, stages), 1)
        own = CandidateSpace(self.space.modalities, counts)
        ids = own.draw(np.arange(len(known)), TRAINING_CANDIDATES, np.random.default_rng([seed, 7]))
        local = own.decode(ids)
        rows = np.full_like(local, ABSENT)
        for m in range(modalities):
            present = local[:, m] >= 0
            rows[present, m] = read[m][local[present, m]]
        return Examples(rows, votes.argmax(axis=1)[own.patient_of(ids)])

    def cost(self, items: NDArray[np.int64], plan: CostPlan) -> Cost:
        """What asking for these items costs: each patient one biopsy, each distinct image one reading."""
        space = self.space
        patients = np.unique(self.patient_of(items))
        if self.kind == "candidate":
            rows = space.decode(items)
            images = sum(len(np.unique(column[column >= 0])) for column in rows.T)
            candidates = len(items)
        elif self.kind == "patient":
            images = int(space.counts[patients].sum())
            candidates = int(space.per_patient[patients].sum())
        else:
            images = len(np.unique(items))
            counts = np.zeros_like(space.counts)
            np.add.at(counts, (self.patient_of(items), self.image_rows(items)[0]), 1)
            candidates = int(np.prod(np.maximum(counts[patients], 1), axis=1).sum())
        lacking = int((space.counts[patients] == 0).sum())
        total = plan.biopsy * len(patients) + plan.reading * images + plan.missing_exam * lacking
        return Cost(candidates, int(images), len(patients), float(total))
