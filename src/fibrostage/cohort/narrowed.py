"""Some of a cohort: patients and pictures that fulfil conditions, or everybody but those who withdrew.

Conditions are SQL over the columns of patients.parquet and images.parquet, such as `age >= 40 AND site = 'A'`; where
a value is missing, a condition on it does not hold. Who and what goes is recorded with the condition, and the pixels of
what goes are not copied.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from fibrostage.cohort.in_bucket import open_given
from fibrostage.cohort.store import Cohort, open_cohort, whole_or_absent
from fibrostage.cohort.tables import EXCLUSIONS
from fibrostage.cohort.written import write_copied
from fibrostage.ground.errors import CohortError
from fibrostage.ground.progress import SILENT, Progress

NOT_ASKED = "left out of a part of the cohort: not among those asked for"
WITHDRAWN = "left out of a part of the cohort: withdrawn"


@dataclass(frozen=True)
class KeptPart:
    """What to keep: `patients` and `pictures` are conditions, `only` and `without` ids, `modalities` names; all of it
    where nothing is said. `labelled` keeps patients with a stage, `complete` those with every modality that is kept."""

    patients: str | None = None
    pictures: str | None = None
    only: Collection[str] | None = None
    without: Collection[str] = ()
    modalities: Sequence[str] = ()
    labelled: bool = False
    complete: bool = False


@dataclass(frozen=True)
class Narrowed:
    """What is left of a cohort's tables, and a row of exclusions for each patient and picture that goes."""

    patients: pl.DataFrame
    images: pl.DataFrame
    exclusions: pl.DataFrame


def narrow(folder: Path, out: Path, wanted: KeptPart, progress: Progress = SILENT) -> Cohort:
    """Makes a cohort at `out` of what is wanted of that in `folder`, or in a bucket, whole or not at all.

    Raises `CohortError` where a condition, an id or a modality is unknown, nothing is left, or `out` is not empty.
    """
    cohort = open_given(folder, progress)
    left = narrowed(cohort, wanted)
    modalities = [cohort.modality(name) for name in wanted.modalities or cohort.modality_names]
    with whole_or_absent(out) as work:
        write_copied(work, cohort, modalities, left.patients, left.images, left.exclusions, progress)
    return open_cohort(out)


def narrowed(cohort: Cohort, wanted: KeptPart) -> Narrowed:
    """What is wanted of a cohort's tables. Raises `CohortError` as `narrow` does."""
    gone: dict[str, str] = {}
    patients = cohort.patients
    known = set(cohort.patient_ids)
    for name, ids in (("--only", wanted.only or ()), ("--without", wanted.without)):
        strangers = sorted(set(ids) - known)
        if strangers:
            raise CohortError(
                f"{name} names {len(strangers)} ids the cohort has not, such as {strangers[0]!r}; its own are like "
                f"{min(known, default='')!r}: where those are hashes, give the key that made them with --key"
            )
    if wanted.only is not None:
        gone |= dict.fromkeys(sorted(known - set(wanted.only)), NOT_ASKED)
    gone |= dict.fromkeys(wanted.without, WITHDRAWN)
    if wanted.labelled:
        gone |= said_of(patients.filter(pl.col("stage").is_null()), "has no stage", gone)
    if wanted.patients is not None:
        kept = patients.filter(condition(wanted.patients, patients, "--patients"))
        gone |= said_of(patients.join(kept, "patient_id", "anti"), f"not {wanted.patients}", gone)
    images, out = pictures_of(cohort, wanted, gone)
    if wanted.complete:
        there = images["modality"].n_unique()  # one that nobody has is lacked by nobody
        counted = images.group_by("patient_id").agg(pl.col("modality").n_unique())
        whole = set(counted.filter(pl.col("modality") == there)["patient_id"])
        lacking = patients.filter(~pl.col("patient_id").is_in(sorted(whole)))
        gone |= said_of(lacking, "lacks a modality", gone)
        images = images.filter(~pl.col("patient_id").is_in(list(gone)))
    patients = patients.filter(~pl.col("patient_id").is_in(list(gone)))
    if not len(patients) or not len(images):
        raise CohortError("no picture of any patient is left; nothing was written")
    people = [{"kind": "patient", "patient_id": name, "reason": why} for name, why in gone.items()]
    rows = pl.DataFrame([*people, *out], schema=EXCLUSIONS)
    return Narrowed(patients, images, pl.concat([cohort.exclusions, rows], how="diagonal_relaxed"))


def pictures_of(
    cohort: Cohort, wanted: KeptPart, gone: Collection[str]
) -> tuple[pl.DataFrame, list[dict[str, str | None]]]:
    """The pictures that stay of the patients who stay, and a row of exclusions for each that goes of theirs."""
    for name in wanted.modalities:
        cohort.modality(name)
    own = cohort.images.filter(~pl.col("patient_id").is_in(list(gone)))
    kept = own
    if wanted.modalities:
        kept = kept.filter(pl.col("modality").is_in(list(wanted.modalities)))
    if wanted.pictures is not None:
        kept = kept.filter(condition(wanted.pictures, kept, "--pictures"))
    reason = "left out of a part of the cohort: " + (
        f"not {wanted.pictures}" if wanted.pictures else "another modality"
    )
    out = own.join(kept, "image_id", "anti").select("patient_id", "source").iter_rows()
    return kept, [{"kind": "picture", "patient_id": who, "file": file, "reason": reason} for who, file in out]


def said_of(patients: pl.DataFrame, why: str, said: Collection[str]) -> dict[str, str]:
    """Why each patient goes, but those of whom it is said already."""
    reason = f"left out of a part of the cohort: {why}"
    return {name: reason for name in patients["patient_id"] if name not in said}


def condition(text: str, table: pl.DataFrame, option: str) -> pl.Expr:
    """A condition in SQL on a table's columns. Raises `CohortError` where it is none, or names an unknown column."""
    known = ", ".join(table.columns)
    try:
        found = pl.sql_expr(text)
        made = table.select(found)
    except pl.exceptions.PolarsError as error:
        first = str(error).splitlines()[0]
        raise CohortError(f"{option} {text!r} is no condition on its columns: {first}; there are {known}") from None
    if made.dtypes != [pl.Boolean]:
        raise CohortError(f"{option} {text!r} is no condition: it must be true or false of each row; there are {known}")
    return found
