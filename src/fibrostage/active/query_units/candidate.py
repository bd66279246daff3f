"""A candidate: one picture of each modality, of one patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fibrostage.active.pool_scoring import UnitScores
from fibrostage.active.query_units.spec import QueryUnit, bad_rows, in_patient_order
from fibrostage.ground.errors import CohortError
from fibrostage.learn.fit_head import Examples


class CandidateUnit(QueryUnit):
    """Every candidate is an item, with the number that it has in its space."""

    name = "candidate"
    scored_alone = True

    @property
    def offsets(self) -> NDArray[np.int64]:
        """The first item of each patient, and the total at the end [patients + 1]."""
        return self.space.offsets

    def rows(self, items: NDArray[np.int64]) -> NDArray[np.int64]:
        """The image rows [n, M] of candidates [n], −1 where a modality is absent."""
        return self.space.decode(items)

    def item_of(self, patient: int, row: NDArray[np.int64]) -> int | None:
        """The candidate of a patient, given by row, with image rows `row` [M]; None where there is none."""
        try:
            return int(self.space.encode(np.array([patient]), row[None])[0])
        except CohortError:
            return None

    def examples(self, items: NDArray[np.int64], stages: NDArray[np.int64], seed: int) -> Examples:
        """The candidates [n] themselves with their stages [n]."""
        items, stages = in_patient_order(items, stages)
        return Examples(self.rows(items), stages)

    def shown(self, items: NDArray[np.int64]) -> tuple[int, int]:
        """How many candidates items [n] are, and how many distinct images they show."""
        return len(items), int(sum(len(np.unique(column[column >= 0])) for column in self.rows(items).T))

    def is_bad(self, items: NDArray[np.int64], bad: Sequence[NDArray[np.bool_]]) -> NDArray[np.bool_]:
        """Which candidates [n] hold a bad image; `bad` has one [images] per modality."""
        return bad_rows(self.rows(items), bad)

    def scores(
        self, items: NDArray[np.int64], images: Mapping[str, UnitScores], patients: UnitScores
    ) -> NDArray[np.float64]:
        """Raises `TypeError`: a candidate [n] is scored by itself."""
        raise TypeError("a candidate is scored by itself")


UNIT = CandidateUnit
