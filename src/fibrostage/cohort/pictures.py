"""Pictures of patients, wherever they are: a cohort's on disk, or those of exams just made, in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fibrostage.cohort.candidates import CandidateSpace, candidate_space
from fibrostage.cohort.store import Modality, hash_pixels, joined_digest
from fibrostage.ground.errors import CohortError, nearest


class Pictures(Protocol):
    """What a model needs to see: patients by row, and of each modality the stored pixels with their owners."""

    @property
    def name(self) -> str: ...

    @property
    def simulated(self) -> bool: ...

    @property
    def patient_ids(self) -> list[str]: ...

    @property
    def modality_names(self) -> tuple[str, ...]: ...

    def modality(self, name: str) -> Modality:
        """How a modality is stored; raises `CohortError` for one that is not there."""
        ...

    def owners(self, modality: str) -> NDArray[np.int64]:
        """The patient's row of each image [n] of a modality, ascending."""
        ...

    @property
    def measurements(self) -> Mapping[str, NDArray[np.float32]]:
        """Of each modality that is a table its values [n, columns], NaN where missing."""
        ...

    def pixels(self, modality: str) -> NDArray[np.uint8]:
        """Stored pixels [n, H, W, C] of a modality that is no table."""
        ...

    def picture_hashes(self, modality: str) -> list[str]:
        """The SHA-256 of the stored pixels of each image [n] of a modality."""
        ...

    def pixel_digest(self, modality: str) -> str:
        """What names exactly a modality's pixels."""
        ...


@dataclass(frozen=True)
class ExamPictures:
    """Pictures in memory. By modality, `arrays` are pixels [n, H, W, C] uint8 and `rows` their patients' rows [n],
    ascending; a modality without pictures may be left out of both.

    Raises `CohortError` where they do not fit each other, or the modality.
    """

    patient_ids: list[str]
    modalities: tuple[Modality, ...]
    arrays: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)
    rows: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    measurements: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    name: str = "these files"
    simulated: bool = False

    def __post_init__(self) -> None:
        for name in {*self.arrays, *self.rows}:
            stored, pixels, rows = self.modality(name), self.pixels(name), self.owners(name)
            shape = (len(rows), stored.size, stored.size, stored.channels)
            if pixels.shape != shape or pixels.dtype != np.uint8:
                raise CohortError(
                    f"{name}: pixels must be uint8 {list(shape)}, got {pixels.dtype} {list(pixels.shape)}"
                )
            if len(rows) and (rows[0] < 0 or rows[-1] >= len(self.patient_ids) or (np.diff(rows) < 0).any()):
                raise CohortError(f"{name}: patients' rows must ascend within 0 … {len(self.patient_ids) - 1}")

    @property
    def modality_names(self) -> tuple[str, ...]:
        return tuple(modality.name for modality in self.modalities)

    def modality(self, name: str) -> Modality:
        """How a modality is stored; raises `CohortError` for one that is not there."""
        for modality in self.modalities:
            if modality.name == name:
                return modality
        raise CohortError(
            f"{self.name}: no modality {name!r}{nearest(name, self.modality_names)}; there are "
            f"{', '.join(self.modality_names)}"
        )

    def owners(self, modality: str) -> NDArray[np.int64]:
        """The patient's row of each picture [n] of a modality."""
        self.modality(modality)
        return np.asarray(self.rows.get(modality, np.empty(0, dtype=np.int64)))

    def pixels(self, modality: str) -> NDArray[np.uint8]:
        """Pixels [n, H, W, C] of a modality; none where there are no pictures of it."""
        stored = self.modality(modality)
        return self.arrays.get(modality, np.empty((0, stored.size, stored.size, stored.channels), dtype=np.uint8))

    def picture_hashes(self, modality: str) -> list[str]:
        """The SHA-256 of the stored pixels of each image [n] of a modality."""
        return self._hashes[modality]

    def pixel_digest(self, modality: str) -> str:
        """What names exactly a modality's pixels, as a cohort of the same pictures would be named."""
        return joined_digest(self.picture_hashes(modality))

    @cached_property
    def _hashes(self) -> dict[str, list[str]]:
        return {name: list(map(hash_pixels, self.pixels(name))) for name in self.modality_names}


def space_of(
    pictures: Pictures, modalities: Sequence[str], keep_incomplete: bool = True, in_bags: bool = False
) -> CandidateSpace:
    """The candidate space of pictures over some of their modalities; `in_bags` all that a patient has of one are one
    choice. Raises `CohortError` for an unknown one."""
    owners = [np.unique(rows) if in_bags else rows for rows in map(pictures.owners, modalities)]
    return candidate_space(owners, len(pictures.patient_ids), modalities, keep_incomplete)
