"""What is in a cohort: patients, images and candidates by stage and modality, and who lacks what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fibrostage.cohort.pictures import space_of
from fibrostage.cohort.store import Cohort

UNLABELLED_NAME = "unlabelled"


@dataclass(frozen=True)
class Row:
    """One line of the description: a kind of thing, counted by stage (classes in order, then unlabelled)."""

    name: str
    by_stage: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.by_stage)


@dataclass(frozen=True)
class Description:
    """What a cohort holds: patients, images and candidates by stage, and how many patients lack each modality."""

    cohort: Cohort
    columns: tuple[str, ...]
    patients: Row
    images: tuple[Row, ...]
    candidates: Row
    incomplete: Row
    missing: dict[str, int]
    no_images: int

    @property
    def left_out(self) -> list[tuple[str, str, int]]:
        """(kind, reason, how many) of what intake left out, the commonest first."""
        counted = self.cohort.exclusions.group_by("kind", "reason", maintain_order=True).len()
        rows = counted.sort("len", descending=True, maintain_order=True).iter_rows()
        return [(str(kind), str(reason), int(count)) for kind, reason, count in rows]

    def as_dict(self) -> dict[str, Any]:
        def counted(row: Row) -> dict[str, Any]:
            return {"total": row.total, "by_stage": dict(zip(self.columns, row.by_stage, strict=True))}

        return {
            "name": self.cohort.name,
            "fingerprint": self.cohort.fingerprint,
            "simulated": self.cohort.simulated,
            "staging": {
                "name": self.cohort.staging.name,
                "classes": list(self.cohort.staging.classes),
                "cuts": list(self.cohort.staging.cuts),
            },
            "patients": counted(self.patients),
            "images": {row.name: counted(row) for row in self.images},
            "candidates": {"modalities": self.candidates.name.split("×"), **counted(self.candidates)},
            "candidates_incomplete": counted(self.incomplete),
            "patients_without": self.missing,
            "patients_without_images": self.no_images,
            "exclusions": len(self.cohort.exclusions),
            "left_out": [{"kind": kind, "reason": reason, "n": n} for kind, reason, n in self.left_out],
            "caveats": list(self.cohort.caveats),
        }


def describe(cohort: Cohort, modalities: Sequence[str] | None = None, keep_incomplete: bool = True) -> Description:
    """Counts a cohort by stage, over all modalities or the given ones, which also define the candidates.

    Raises `CohortError` for a modality that the cohort does not have.
    """
    names = tuple(modalities or cohort.modality_names)
    space = space_of(cohort, names, keep_incomplete)
    groups = [cohort.stages == stage for stage in range(len(cohort.staging.classes))]
    columns = list(cohort.staging.classes)
    if (cohort.stages < 0).any():
        groups.append(cohort.stages < 0)
        columns.append(UNLABELLED_NAME)

    def by_stage(name: str, per_patient: np.ndarray) -> Row:
        return Row(name, tuple(int(per_patient[group].sum()) for group in groups))

    counts = space.counts
    complete = counts.prod(axis=1)
    return Description(
        cohort=cohort,
        columns=tuple(columns),
        patients=by_stage("patients", np.ones(len(cohort.patients), dtype=np.int64)),
        images=tuple(by_stage(name, counts[:, column]) for column, name in enumerate(names)),
        candidates=by_stage("×".join(names), complete),
        incomplete=by_stage("with a modality absent", space.per_patient - complete),
        missing={name: int((counts[:, column] == 0).sum()) for column, name in enumerate(names)},
        no_images=int((counts.sum(axis=1) == 0).sum()),
    )
