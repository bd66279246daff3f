"""Candidate arithmetic: the within-patient Cartesian product, counted and addressed but never built.

A candidate is one image of each chosen modality, all of one patient. Patient i with n_im images of modality m
has Π_m n_im candidates; they are numbered in mixed radix, last modality fastest, after those of patients
0 … i−1. An id is a position in that endless list: 64 bits, stable for a cohort and a tuple of modalities, and
decoded by one binary search and M divisions. A modality a patient lacks counts as one absent image (−1) when
incomplete patients are kept, and empties the product when they are dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fibrostage.ground.errors import CohortError, PlanError

ABSENT = -1
LIMIT = 2**63 - 1


@dataclass(frozen=True)
class CandidateSpace:
    """All candidates of a cohort over chosen modalities.

    `counts` [patients, M] holds images per patient and modality; image rows of a modality are numbered by patient, so
    that patient i's rows start where those of patients before it end. Raises `PlanError` where modalities are none or
    repeat, and `CohortError` where counts do not fit them, are negative, or make more candidates than 64 bits number.
    """

    modalities: tuple[str, ...]
    counts: NDArray[np.int64]
    keep_incomplete: bool = True

    def __post_init__(self) -> None:
        if self.counts.ndim != 2 or self.counts.shape[1] != len(self.modalities):
            raise CohortError(f"counts must be [patients, {len(self.modalities)}], got {self.counts.shape}")
        if not self.modalities or len(set(self.modalities)) != len(self.modalities):
            raise PlanError(f"modalities must be one or more different names, got {list(self.modalities)}")
        if (self.counts < 0).any():
            raise CohortError("image counts cannot be negative")
        total = sum(int(np.prod(row, dtype=object)) for row in self.radices)
        if total > LIMIT:
            raise CohortError(f"{total} candidates do not fit 64 bits; choose fewer modalities")

    @cached_property
    def radices(self) -> NDArray[np.int64]:
        """How many choices a patient has of each modality [patients, M]: an absent modality is one choice, if kept."""
        if not self.keep_incomplete:
            return self.counts
        present = self.counts.sum(axis=1, keepdims=True) > 0
        return np.where(present, np.maximum(self.counts, 1), 0)

    @cached_property
    def per_patient(self) -> NDArray[np.int64]:
        """How many candidates each patient has [patients]."""
        return np.prod(self.radices, axis=1, dtype=np.int64)

    @cached_property
    def offsets(self) -> NDArray[np.int64]:
        """The first candidate id of each patient, and at the end the number of all [patients + 1]."""
        return np.concatenate([[0], np.cumsum(self.per_patient)])

    @cached_property
    def first_rows(self) -> NDArray[np.int64]:
        """The first image row of each patient in each modality [patients, M]."""
        return np.cumsum(self.counts, axis=0) - self.counts

    def owners(self, modality: str) -> NDArray[np.int64]:
        """The patient row [images] of each image of a modality, ascending."""
        return np.repeat(np.arange(len(self.counts)), self.counts[:, self.modalities.index(modality)])

    @property
    def total(self) -> int:
        return int(self.offsets[-1])

    def ids_of(self, patient: int) -> range:
        """Returns the contiguous candidate ids of one patient, given by row."""
        return range(int(self.offsets[patient]), int(self.offsets[patient + 1]))

    def patient_of(self, ids: ArrayLike) -> NDArray[np.int64]:
        """Returns the patient row [n] of each candidate id [n]; raises `CohortError` for an id that does not exist."""
        ids = np.asarray(ids, dtype=np.int64)
        if ids.size and (ids.min() < 0 or ids.max() >= self.total):
            bad = ids[(ids < 0) | (ids >= self.total)][0]
            raise CohortError(f"candidate {bad} does not exist; ids run from 0 to {self.total - 1}")
        return np.searchsorted(self.offsets, ids, side="right") - 1

    def decode(self, ids: ArrayLike) -> NDArray[np.int64]:
        """Turns candidate ids [n] into image rows [n, M] within each modality, −1 where absent.

        Raises `CohortError` for an id that does not exist.
        """
        ids = np.asarray(ids, dtype=np.int64)
        patients = self.patient_of(ids)
        rest = ids - self.offsets[patients]
        rows = np.empty((len(ids), len(self.modalities)), dtype=np.int64)
        for column in range(len(self.modalities) - 1, -1, -1):
            rest, digit = np.divmod(rest, self.radices[patients, column])
            present = self.counts[patients, column] > 0
            rows[:, column] = np.where(present, self.first_rows[patients, column] + digit, ABSENT)
        return rows

    def encode(self, patients: ArrayLike, rows: ArrayLike) -> NDArray[np.int64]:
        """Turns patient rows [n] and their image rows [n, M], −1 where absent, into candidate ids [n].

        It is the inverse of `decode`. Raises `CohortError` where an image row is not of its patient.
        """
        patients = np.asarray(patients, dtype=np.int64)
        rows = np.asarray(rows, dtype=np.int64)
        ids = np.zeros(len(patients), dtype=np.int64)
        for column in range(len(self.modalities)):
            radix = self.radices[patients, column]
            absent = self.counts[patients, column] == 0
            digit = np.where(absent, 0, rows[:, column] - self.first_rows[patients, column])
            wrong = (digit < 0) | (digit >= radix) | (absent & (rows[:, column] != ABSENT))
            if wrong.any():
                at = int(np.flatnonzero(wrong)[0])
                raise CohortError(
                    f"image row {rows[at, column]} of {self.modalities[column]} is not of patient row {patients[at]}"
                )
            ids = ids * radix + digit
        return ids + self.offsets[patients]

    def all_ids(self, patients: ArrayLike) -> NDArray[np.int64]:
        """Lists every candidate id [candidates] of patient rows [p], patient after patient; they must fit memory."""
        blocks = [
            np.arange(self.offsets[p], self.offsets[p + 1], dtype=np.int64)
            for p in np.asarray(patients, dtype=np.int64)
        ]
        return np.concatenate(blocks) if blocks else np.empty(0, dtype=np.int64)

    def draw(self, patients: ArrayLike, at_most: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draws candidates of the given patient rows [p] and returns their ids [n], patient after patient.

        A patient with no more than `at_most` gives all of them, others about that many, as `deal` pairs them. Where a
        modality has more than `at_most` images, it is as many candidates as it takes to show them all.
        """
        chosen = []
        for patient in np.asarray(patients, dtype=np.int64):
            most = max(at_most, int(self.radices[patient].max()))
            if int(self.per_patient[patient]) <= most:
                chosen.append(self.all_ids([patient]))
            else:
                chosen.append(self.deal(patient, most, rng))
        return np.concatenate(chosen) if chosen else np.empty(0, dtype=np.int64)

    def deal(self, patient: int, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draws up to `count` different candidates [at most count] of one patient that show its images alike often.

        Each modality's images are dealt from reshuffled decks, so n draws of a modality with k images use each ⌊n/k⌋ or
        ⌈n/k⌉ times; repeated pairs are dropped. The ids come in ascending order.
        """
        local = np.zeros(count, dtype=np.int64)
        for radix in self.radices[patient]:
            decks = [rng.permutation(radix) for _ in range(-(-count // int(radix)))]
            local = local * radix + np.concatenate(decks)[:count]
        return np.unique(local) + self.offsets[patient]


def candidate_space(
    owners: Sequence[NDArray[np.int64]],
    patients: int,
    modalities: Sequence[str],
    keep_incomplete: bool = True,
) -> CandidateSpace:
    """Builds the space over a cohort of `patients` patients from the owners of its images.

    `owners` has, for each chosen modality, the patient row of each image [images]. Raises `PlanError` or `CohortError`
    where `CandidateSpace` does, but numpy's `ValueError` where `owners` is empty.
    """
    counts = np.stack([np.bincount(rows, minlength=patients) for rows in owners], axis=1)
    return CandidateSpace(tuple(modalities), counts.astype(np.int64), keep_incomplete)
