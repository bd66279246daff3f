"""What a loop's items are called, whichever cohorts have joined: a patient by id, pictures by the hash of their pixels.

A patient is `[id]`; a picture or a combination of pictures is `[id, [hash or null, …]]`, a place for each modality that
the network sees, in its order.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from fibrostage.active.query_units.spec import QueryUnit
from fibrostage.cohort.candidates import ABSENT
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import RunError
from fibrostage.ground.files import Json


class CohortItems:
    """Names of the items of a unit over a cohort, and their numbers."""

    def __init__(self, cohort: Cohort, units: QueryUnit) -> None:
        self.cohort, self.units = cohort, units

    @cached_property
    def _patients(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.cohort.patient_ids)}

    @cached_property
    def _hashes(self) -> list[list[str]]:
        return [self.cohort.picture_hashes(name) for name in self.units.space.modalities]

    @cached_property
    def _rows(self) -> list[dict[tuple[int, str], int]]:
        """By modality, the row of each picture, by its patient's row and its hash."""
        return [
            {(owner, sha): row for row, (owner, sha) in enumerate(zip(owners, hashes, strict=True))}
            for owners, hashes in zip(
                (self.cohort.owners(name).tolist() for name in self.units.space.modalities), self._hashes, strict=True
            )
        ]

    def patient(self, patient_id: str) -> int:
        """A patient's row; raises `RunError` where no cohort of the loop has the patient."""
        if patient_id not in self._patients:
            raise RunError(f"no cohort of this loop has a patient {patient_id!r}")
        return self._patients[patient_id]

    def number(self, name: Json) -> int:
        """The number of a name; raises `RunError` where the cohorts have no such patient, picture or combination."""
        if not isinstance(name, list) or not name or not isinstance(name[0], str):
            raise RunError(f"the ledger names an item {name!r}, which is no patient and no picture")
        patient = self.patient(name[0])
        row = np.full(len(self._rows), ABSENT, dtype=np.int64)
        hashes = name[1] if len(name) > 1 else []
        for column, sha in enumerate(hashes if isinstance(hashes, list) else []):
            if sha is not None:
                row[column] = self._rows[column].get((patient, str(sha)), ABSENT)
                if row[column] == ABSENT:
                    raise RunError(f"no cohort of this loop has the picture {str(sha)[:12]} of patient {name[0]!r}")
        item = self.units.item_of(patient, row)
        if item is None:
            raise RunError(
                f"patient {name[0]!r} was asked about by {self.units.name} when there were other pictures, and that "
                'one no longer exists; a loop whose patients gain modalities asks by "image" or "patient"'
            )
        return item

    def name(self, number: int) -> Json:
        """The name of an item."""
        patient = int(self.units.patient_of(number))
        patient_id = self.cohort.patient_ids[patient]
        if self.units.whole_patient:
            return [patient_id]
        row = self.units.rows(np.array([number]))[0]
        return [patient_id, [None if at < 0 else self._hashes[column][at] for column, at in enumerate(row)]]
