"""The archive: it has every stage already, and answers at once; an item's stage is its patient's.

A simulated oracle can be wrong, and can say that an item is unusable; its answers are a function of seed and patient
or item alone, so a resumed run hears the same. A wrong biopsy is wrong for everything of its patient.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fibrostage.active.pool_scoring import uniform
from fibrostage.active.query_units.spec import QueryUnit
from fibrostage.ledger.events import UNUSABLE
from fibrostage.plan.asking import OraclePlan

FAULTLESS = OraclePlan()
WHOSE, WHICH, REJECTED = 101, 102, 103  # independent draws


@dataclass(frozen=True)
class Archive:
    """Answers from the `stages` [patients] already in the cohort, with the faults a plan asks for."""

    units: QueryUnit
    stages: NDArray[np.int64]
    classes: int
    plan: OraclePlan = FAULTLESS
    seed: int = 0
    name: str = "archive"

    def answer(self, items: NDArray[np.int64], bad: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
        """Stage indices [n] of items [n]; `UNUSABLE` where one cannot be staged.

        `bad` [n] says whether an item has a bad image; it is only needed where such items are rejected.
        """
        patients = self.units.patient_of(items)
        answers = self.believed(patients)
        refused = uniform(self.seed, REJECTED, items) < self.plan.unusable
        if self.plan.rejects_bad and bad is not None:
            refused |= bad
        return np.where(refused, UNUSABLE, answers)

    def believed(self, patients: NDArray[np.int64]) -> NDArray[np.int64]:
        """The stages [n] that the oracle gives to patients' rows [n], right or wrong."""
        truth = self.stages[patients]
        if not self.plan.error:
            return np.asarray(truth)
        wrong = uniform(self.seed, WHOSE, patients) < self.plan.error
        draw = uniform(self.seed, WHICH, patients)
        if self.plan.error_kind == "any":
            other = (truth + 1 + (draw * (self.classes - 1)).astype(np.int64)) % self.classes
        else:
            other = np.where(draw < 0.5, truth - 1, truth + 1)
            other = np.where(other < 0, 1, np.where(other >= self.classes, self.classes - 2, other))
        return np.where(wrong, other, truth)
