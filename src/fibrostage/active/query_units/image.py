"""An image: one modality of a patient is read without the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fibrostage.active.pool_scoring import UnitScores
from fibrostage.active.query_units.spec import QueryUnit, bad_rows, in_patient_order
from fibrostage.cohort.candidates import ABSENT, CandidateSpace
from fibrostage.ground.draws import Draws
from fibrostage.learn.fit_head import Examples


class ImageUnit(QueryUnit):
    """Every image of a patient who has candidates is an item: a patient's first modality first."""

    name = "image"
    parts_modalities = True

    @cached_property
    def offsets(self) -> NDArray[np.int64]:
        """The first item of each patient, and the total at the end [patients + 1]."""
        own = self.space.counts.sum(axis=1) * (self.space.per_patient > 0)
        return np.concatenate([[0], np.cumsum(own)])

    @cached_property
    def image_items(self) -> tuple[NDArray[np.int64], ...]:
        """The item number of each image [images], a modality each; −1 for a patient without candidates."""
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
        """The modality's column [n] and the image row [n] of items [n]."""
        patients = self.patient_of(items)
        rest = items - self.offsets[patients]
        ends = np.cumsum(self.space.counts[patients], axis=1)
        column = (rest[:, None] >= ends).sum(axis=1)
        before = ends[np.arange(len(items)), column] - self.space.counts[patients, column]
        return column, self.space.first_rows[patients, column] + rest - before

    def rows(self, items: NDArray[np.int64]) -> NDArray[np.int64]:
        """Image rows [n, M] of items [n]: the image in its modality's column, −1 in every other."""
        rows = np.full((len(items), len(self.space.modalities)), ABSENT, dtype=np.int64)
        column, row = self.image_rows(items)
        rows[np.arange(len(items)), column] = row
        return rows

    def item_of(self, patient: int, row: NDArray[np.int64]) -> int | None:
        """The item of the one image that is not absent among image rows `row` [M]; None where it is no patient's."""
        column = int(np.argmax(row))
        item = int(self.image_items[column][row[column]])
        return item if item >= 0 and int(self.patient_of(item)) == patient else None

    def examples(self, items: NDArray[np.int64], stages: NDArray[np.int64], seed: int) -> Examples:
        """Each patient's product of the read images [n], a modality without one absent; the stage [n] most were
        given."""
        items, stages = in_patient_order(items, stages)
        patients, modalities = self.patient_of(items), len(self.space.modalities)
        known = np.unique(patients)
        column, row = self.image_rows(items)
        counts = np.zeros((len(known), modalities), dtype=np.int64)
        position = np.searchsorted(known, patients)
        np.add.at(counts, (position, column), 1)
        read = [row[column == m] for m in range(modalities)]  # by patient, as items are
        votes = np.zeros((len(known), int(stages.max()) + 1), dtype=np.int64)
        np.add.at(votes, (position, stages), 1)
        own = CandidateSpace(self.space.modalities, counts)
        ids = own.draw(np.arange(len(known)), self.candidates_a_patient, Draws.EXAMPLES.of(seed))
        local = own.decode(ids)
        rows = np.full_like(local, ABSENT)
        for m in range(modalities):
            present = local[:, m] >= 0
            rows[present, m] = read[m][local[present, m]]
        return Examples(rows, votes.argmax(axis=1)[own.patient_of(ids)])

    def shown(self, items: NDArray[np.int64]) -> tuple[int, int]:
        """How many candidates can be made of images [n], and how many of them are distinct."""
        patients = self.patient_of(items)
        counts = np.zeros_like(self.space.counts)
        np.add.at(counts, (patients, self.image_rows(items)[0]), 1)
        candidates = int(np.prod(np.maximum(counts[np.unique(patients)], 1), axis=1).sum())
        return candidates, len(np.unique(items))

    def is_bad(self, items: NDArray[np.int64], bad: Sequence[NDArray[np.bool_]]) -> NDArray[np.bool_]:
        """Which images [n] are bad; `bad` has one [images] per modality."""
        return bad_rows(self.rows(items), bad)

    def scores(
        self, items: NDArray[np.int64], images: Mapping[str, UnitScores], patients: UnitScores
    ) -> NDArray[np.float64]:
        """The mean score of each image's candidates, [n] of items [n]."""
        column, row = self.image_rows(items)
        table = [images[name].mean for name in self.space.modalities]
        return np.array([table[m][r] for m, r in zip(column, row, strict=True)])


UNIT = ImageUnit
