"""A patient with all of their images: what a biopsy answers for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fibrostage.active.embedded_pool import Tables, patient_means
from fibrostage.active.pool_scoring import UnitScores
from fibrostage.active.query_units.spec import QueryUnit, in_patient_order
from fibrostage.ground.draws import Draws
from fibrostage.learn.fit_head import Examples

AVERAGED = 16  # candidates of a patient over which probabilities are averaged


class PatientUnit(QueryUnit):
    """Every patient who has candidates is an item."""

    name = "patient"
    whole_patient = True

    @cached_property
    def offsets(self) -> NDArray[np.int64]:
        """The first item of each patient, and the total at the end [patients + 1]."""
        return np.concatenate([[0], np.cumsum((self.space.per_patient > 0).astype(np.int64))])

    def rows(self, items: NDArray[np.int64]) -> NDArray[np.int64]:
        """The first image of each modality, [n, M] of patients [n]; −1 where they lack one."""
        return self.space.decode(self.space.offsets[self.patient_of(items)])

    def item_of(self, patient: int, row: NDArray[np.int64]) -> int | None:
        """The item of a patient, given by row, whatever image rows [M] are named; None without candidates."""
        item, following = int(self.offsets[patient]), int(self.offsets[patient + 1])
        return item if following > item else None

    def examples(self, items: NDArray[np.int64], stages: NDArray[np.int64], seed: int) -> Examples:
        """A few candidates of each patient [n], every image among them, with the patient's stage [n]."""
        items, stages = in_patient_order(items, stages)
        patients = self.patient_of(items)
        ids = self.space.draw(patients, self.candidates_a_patient, Draws.EXAMPLES.of(seed))
        given = np.full(len(self.space.counts), -1, dtype=np.int64)
        given[patients] = stages
        return Examples(self.space.decode(ids), given[self.space.patient_of(ids)])

    def shown(self, items: NDArray[np.int64]) -> tuple[int, int]:
        """How many candidates patients [n] have, and how many images."""
        patients = np.unique(self.patient_of(items))
        return int(self.space.per_patient[patients].sum()), int(self.space.counts[patients].sum())

    def pictures(self, items: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many pictures each of patients [n] has [n]."""
        return np.asarray(self.space.counts[self.patient_of(items)].sum(axis=1))

    def is_bad(self, items: NDArray[np.int64], bad: Sequence[NDArray[np.bool_]]) -> NDArray[np.bool_]:
        """Which patients [n] have no good image of some modality; `bad` has one [images] per modality."""
        patients, result = self.patient_of(items), np.zeros(len(items), dtype=bool)
        for column, own in enumerate(bad):
            counts = self.space.counts[:, column]
            owners = np.repeat(np.arange(len(counts)), counts)
            good = np.bincount(owners[~own], minlength=len(counts))
            result |= ((counts > 0) & (good == 0))[patients]
        return result

    def scores(
        self, items: NDArray[np.int64], images: Mapping[str, UnitScores], patients: UnitScores
    ) -> NDArray[np.float64]:
        """The mean score of each patient's candidates, [n] of items [n]."""
        return np.asarray(patients.mean[self.patient_of(items)])

    def averaged(self, items: NDArray[np.int64]) -> NDArray[np.int64]:
        """About 16 candidates of each patient [n], the same whenever they are asked for: [c] ascending."""
        return self.space.draw(self.patient_of(items), AVERAGED, np.random.default_rng(0))

    def tables(self, images: Tables) -> Tables:
        """The mean of each patient's images: one table per modality [patients + 1, D], the mean of all at its end."""
        return patient_means(images, self.space.counts)

    def rows_in_tables(self, items: NDArray[np.int64]) -> NDArray[np.int64]:
        """The patient's row in every column, [n, M] of patients [n]."""
        return np.repeat(self.patient_of(items)[:, None], len(self.space.modalities), axis=1)


UNIT = PatientUnit
