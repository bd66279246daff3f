"""Several cohorts as one: exams that join month after month, without a pixel copied.

Patients keep the order in which they first came, and their first stage; what is said of them later stands in a ledger.
A picture that comes again, by the hash of its stored pixels, is one picture.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fibrostage.cohort.parts import StackedPixels
from fibrostage.cohort.splits import GROUP
from fibrostage.cohort.store import Cohort, Modality, compute_fingerprint
from fibrostage.ground.errors import CohortError

CAME = "cohort"  # an images column: which cohort a picture came with, from 0
ROW = "row"  # and its row within its modality there
SAME_CUT = ["patient_id", "modality", "source", "frame", "crop"]  # two pictures alike in these are cuts of one


@dataclass(frozen=True)
class JoinedCohort(Cohort):
    """A cohort whose pictures lie in several folders; `joins` are the cohorts, in the order in which they came."""

    joins: tuple[Cohort, ...] = ()

    @cached_property
    def _origin(self) -> dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]]:
        tables = {name: self.images_of(name) for name in self.modality_names}
        return {name: (table[CAME].to_numpy(), table[ROW].to_numpy()) for name, table in tables.items()}

    def origin(self, modality: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Which of `joins` each picture [n] of a modality lies in, and at which of its rows there [n].

        Raises `CohortError` where there is no such modality.
        """
        self.modality(modality)
        return self._origin[modality]

    def pixels(self, modality: str) -> NDArray[np.uint8]:
        """A modality's pixels, uint8 [n, H, W, C]: something that is indexed like an array and reads what it is asked.

        Raises `CohortError` where there is no such modality, or a file cannot be read.
        """
        parts, rows = self.origin(modality)
        stored = self.modality(modality)
        shape = (0, stored.size, stored.size, stored.channels)
        arrays = [
            join.pixels(modality) if modality in join.modality_names else np.empty(shape, dtype=np.uint8)
            for join in self.joins
        ]
        stacked: Any = StackedPixels(arrays, parts, rows)
        pixels: NDArray[np.uint8] = stacked
        return pixels


def join(cohorts: Sequence[Cohort], needed: Sequence[str], recut: Collection[int] = ()) -> Cohort:
    """Joins cohorts of the same stages, in the order in which they came; one without repeated pictures is itself.

    `needed` are modalities that each of them must hold; `recut` are those, by number from 0, whose pictures take the
    place of earlier ones of the same file. Raises `CohortError` where one has other stages, lacks such a
    modality, stores one otherwise than the first, or is simulated and the first is not.
    """
    first = cohorts[0]
    for other in cohorts:
        check_alike(first, other, needed)
    images = joined_images(cohorts, first.modality_names, recut)
    if len(cohorts) == 1 and len(images) == len(first.images):
        return first
    return put_together(cohorts, first.modalities, joined_patients(cohorts), images)


def put_together(
    cohorts: Sequence[Cohort], modalities: tuple[Modality, ...], patients: pl.DataFrame, images: pl.DataFrame
) -> JoinedCohort:
    """Makes one cohort of several, named and staged as the first: `images` are those of `joined_images`, in any order,
    of these `modalities` and `patients`."""
    first = cohorts[0]
    order = {name: row for row, name in enumerate(patients["patient_id"])}
    kinds = {name: number for number, name in enumerate(m.name for m in modalities)}
    images = (
        images.with_columns(
            _kind=pl.col("modality").replace_strict(kinds, return_dtype=pl.Int64),
            _patient=pl.col("patient_id").replace_strict(order, return_dtype=pl.Int64),
        )
        .sort("_kind", "_patient", CAME, ROW, maintain_order=True)
        .drop("_kind", "_patient")
    )
    caveats = tuple(dict.fromkeys(caveat for cohort in cohorts for caveat in cohort.caveats))
    fingerprint = compute_fingerprint(
        first.staging, modalities, patients, images.drop(CAME, ROW), first.simulated, caveats
    )
    exclusions = pl.concat([cohort.exclusions for cohort in cohorts], how="diagonal_relaxed")
    return JoinedCohort(
        first.path, first.name, first.staging, modalities, patients, images, exclusions, fingerprint,
        first.simulated, caveats, first.source, first.tool, first.key, joins=tuple(cohorts),
    )  # fmt: skip


def check_alike(first: Cohort, other: Cohort, needed: Sequence[str]) -> None:
    """Raises `CohortError` where a cohort cannot join the first."""
    if other.staging != first.staging:
        raise CohortError(
            f"{other.path} stages {other.staging.name} {', '.join(other.staging.classes)}; it cannot join "
            f"{first.path}, which stages {first.staging.name} {', '.join(first.staging.classes)}"
        )
    if other.simulated != first.simulated:
        words = {True: "simulated patients", False: "real patients"}
        raise CohortError(
            f"{other.path} holds {words[other.simulated]}, {first.path} {words[first.simulated]}: they never mix"
        )
    for name in needed:
        other.modality(name)
    for modality in other.modalities:
        if modality.name in first.modality_names and modality != first.modality(modality.name):
            raise CohortError(
                f"{other.path} stores {modality.name} otherwise than {first.path} ({modality.size} px, "
                f"{modality.channels} channels, fit {modality.fit!r}); take it in with the same plan"
            )


def joined_patients(cohorts: Sequence[Cohort]) -> pl.DataFrame:
    """A row a patient: the first stage that came, of everything else the latest that is known."""
    tables = []
    for number, cohort in enumerate(cohorts):
        table = cohort.patients
        if GROUP in table.columns and len(cohorts) > 1:
            table = table.with_columns(
                pl.format("{}-{}", pl.lit(str(number)), pl.col(GROUP).cast(pl.String)).alias(GROUP)
            )
        tables.append(table)
    together = pl.concat(tables, how="diagonal_relaxed")
    latest = [pl.col(name).drop_nulls().last() for name in together.columns if name not in ("patient_id", "stage")]
    return together.group_by("patient_id", maintain_order=True).agg(pl.col("stage").first(), *latest)


def joined_images(cohorts: Sequence[Cohort], modalities: Sequence[str], recut: Collection[int] = ()) -> pl.DataFrame:
    """A row a picture of these modalities, with where its pixels are; a picture that a patient has had before is left
    out, and so is one that a later cohort of `recut` has cut anew. Ids that come twice get a number."""
    tables: list[pl.DataFrame] = []
    for number, cohort in enumerate(cohorts):
        own = cohort.images.with_columns(
            pl.lit(number, dtype=pl.Int64).alias(CAME),
            pl.int_range(pl.len()).over("modality").cast(pl.Int64).alias(ROW),
        )
        own = own.filter(pl.col("modality").is_in(list(modalities)))
        if number in recut:
            tables = [table.join(own, SAME_CUT, how="anti", nulls_equal=True) for table in tables]
        tables.append(own)
    together = pl.concat(tables, how="diagonal_relaxed")
    distinct = together.unique(["patient_id", "modality", "sha256"], keep="first", maintain_order=True)
    return with_ids_once(distinct, len(cohorts))


def with_ids_once(images: pl.DataFrame, cohorts: int) -> pl.DataFrame:
    """Gives pictures of later cohorts, whose ids an earlier one has, ids that no other has."""
    taken = set(images.filter(pl.col(CAME) == 0)["image_id"])
    for came in range(1, cohorts):
        own = images.filter(pl.col(CAME) == came)["image_id"].to_list()
        number = came
        while any(f"{name}-{number}" in taken for name in own if name in taken):
            number += 1
        twice = (pl.col(CAME) == came) & pl.col("image_id").is_in(sorted(taken))
        renamed = pl.when(twice).then(pl.format("{}-{}", "image_id", pl.lit(str(number)))).otherwise("image_id")
        images = images.with_columns(image_id=renamed)
        taken |= set(images.filter(pl.col(CAME) == came)["image_id"])
    return images


def cut_before(earlier: Cohort, newcomer: Cohort) -> pl.DataFrame:
    """Pictures of a cohort, as rows of its images table, that another one holds with other pixels: cuts of the same
    frame of the same file and patient."""
    before = earlier.images.select(*SAME_CUT, "sha256").rename({"sha256": "_before"})
    both = newcomer.images.join(before, SAME_CUT, nulls_equal=True)
    known = earlier.images.select("patient_id", "modality", "sha256")
    other = both.join(known, ["patient_id", "modality", "sha256"], how="anti")
    return other.drop("_before").unique("image_id", maintain_order=True)


def shared_pictures(cohorts: Sequence[Cohort]) -> dict[str, list[str]]:
    """Patients, by id, whose picture is another patient's too: the same pixels under two names in these cohorts."""
    tables = pl.concat([cohort.images.select("patient_id", "sha256") for cohort in cohorts]).unique()
    several = tables.group_by("sha256").agg(pl.col("patient_id").sort()).filter(pl.col("patient_id").list.len() > 1)
    return {row["sha256"]: row["patient_id"] for row in several.iter_rows(named=True)}
