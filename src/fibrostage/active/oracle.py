"""Who answers a query. In a retrospective run the archive does: a candidate's stage is its patient's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fibrostage.cohort.candidates import CandidateSpace


class Oracle(Protocol):
    def label(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Stage indices [n] of candidates [n]."""
        ...


@dataclass(frozen=True)
class Archive:
    """Answers from the stages already in the cohort."""

    space: CandidateSpace
    stages: NDArray[np.int64]

    def label(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.asarray(self.stages[self.space.patient_of(ids)])
