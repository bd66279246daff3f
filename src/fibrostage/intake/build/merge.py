"""Cohorts become one: patients of several hospitals, or exams that came later, under stated rules.

An id is one person only where one key made it. The same id under one key is one patient, whose pictures add up; other
ids that two cohorts share are refused until the user says that they are the same people. Two stages of one patient are
refused always. The same or nearly the same picture under two ids is refused as intake refuses it, as it may be one
person under two keys. No cohort is changed, and no pixel copied.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fibrostage.cohort.confounding import check_confounding
from fibrostage.cohort.in_bucket import open_given
from fibrostage.cohort.joined import CAME, JoinedCohort, check_alike, joined_images, put_together
from fibrostage.cohort.splits import GROUP
from fibrostage.cohort.store import (
    TAKEN_IN,
    Cohort,
    Modality,
    check_free,
    open_cohort,
    taken_in_with,
    whole_or_absent,
)
from fibrostage.cohort.written import write_joined
from fibrostage.ground.errors import CohortError
from fibrostage.ground.files import Json, write_json
from fibrostage.ground.lists import first_of
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.ground.words import bare
from fibrostage.intake.build.assemble import with_groups
from fibrostage.intake.build.near_duplicates import near_twins
from fibrostage.intake.find.fingerprint import fingerprint
from fibrostage.intake.privacy import PSEUDONYM

LISTED = 8  # patients or pictures that an error names
SITE = "site"


@dataclass(frozen=True)
class MergeChoices:
    """What the user allows and asks for: the new cohort's name, a site a cohort for patients without one, that equal
    ids are the same people, and what to do about pictures under two ids."""

    name: str | None = None
    sites: tuple[str, ...] = ()
    same_patients: bool = False
    allow_duplicates: bool = False
    group_near_duplicates: bool = False


def merge(
    folders: Sequence[Path], out: Path, choices: MergeChoices | None = None, progress: Progress = SILENT
) -> Cohort:
    """Makes one cohort at `out` of those in `folders`, or in buckets, whole or not at all.

    Raises `CohortError` where they do not go together, with what each differs in, or `out` is not empty.
    """
    choices = choices or MergeChoices()
    check_free(out)
    cohorts = [open_given(folder, progress) for folder in folders]
    plan = shared_plan(cohorts)
    if plan is None:
        progress.say("the cohorts were taken in by different plans: models of this one stage cohorts, not files")
    write_merged(merged(cohorts, choices, progress), out, choices.name or out.name, key_of(cohorts), plan)
    return open_cohort(out)


def write_merged(
    joined: JoinedCohort,
    out: Path,
    name: str,
    key: str | None,
    plan: Mapping[str, Json] | None,
    more: Path | None = None,
) -> None:
    """Writes a merged cohort to `out`, with the plan that new files are to be read by, and a folder `more` copied into
    it where there is one. Raises `CohortError` where it cannot be written."""
    with whole_or_absent(out) as work:
        if plan is not None:
            write_json(work / TAKEN_IN, plan)
        if more is not None and more.is_dir():
            shutil.copytree(more, work / more.name)
        write_joined(work, joined, name, key)


def merged(cohorts: Sequence[Cohort], choices: MergeChoices, progress: Progress = SILENT) -> JoinedCohort:
    """Several cohorts as one that is not yet written. Raises `CohortError` where they do not go together."""
    check_cohorts(cohorts, choices)
    check_people(cohorts, choices.same_patients)
    modalities = modalities_of(cohorts)
    images = without_days(joined_images(cohorts, [modality.name for modality in modalities]))
    joined = put_together(cohorts, modalities, met_patients(cohorts, choices.sites), images)
    pairs = twins_across(joined, progress)
    caveats = [*joined.caveats, *of_keys(cohorts), *of_near_ids(cohorts, progress)]
    patients = joined.patients
    if len(pairs) and choices.group_near_duplicates:
        patients = with_groups(patients, joined.images, pairs)
        caveats.append(f"{patients[GROUP].count()} patients share nearly the same pictures; splits keep them together")
    elif len(pairs) and choices.allow_duplicates:
        caveats.append(f"{len(pairs)} pairs of nearly the same picture lie under different patients' names")
    elif len(pairs):
        raise CohortError(said_of_pairs(joined, pairs))
    caveats += [one.warning() for one in check_confounding(patients, joined.images, joined.staging)]
    sources = dict.fromkeys(f"{cohort.name}: {cohort.source}" for cohort in cohorts)
    return replace(joined, patients=patients, caveats=tuple(dict.fromkeys(caveats)), source="; ".join(sources))


def without_days(images: pl.DataFrame) -> pl.DataFrame:
    """Forgets the days of pictures whose patient an earlier cohort has: each counts from its own first exam."""
    earlier = pl.col(CAME) > pl.col(CAME).min().over("patient_id")
    return images.with_columns(day=pl.when(earlier).then(None).otherwise(pl.col("day")))


def check_cohorts(cohorts: Sequence[Cohort], choices: MergeChoices) -> None:
    """Raises `CohortError` where there are fewer than two cohorts, one is named twice, they differ in stages, sizes or
    being simulated, or the sites are not one a cohort."""
    if len(cohorts) < 2:
        raise CohortError("merging needs two cohorts or more")
    for number, cohort in enumerate(cohorts):
        twin = next((other for other in cohorts[:number] if other.fingerprint == cohort.fingerprint), None)
        if twin is not None:
            raise CohortError(f"{cohort.path} is the same cohort as {twin.path} (fingerprint); name it once")
        for other in cohorts[:number]:
            check_alike(other, cohort, ())
    if choices.sites and len(choices.sites) != len(cohorts):
        raise CohortError(f"{len(choices.sites)} sites for {len(cohorts)} cohorts: give one a cohort, in their order")


def check_people(cohorts: Sequence[Cohort], same_patients: bool) -> None:
    """Raises `CohortError` where an id of two cohorts may be two people, or one patient has two stages."""
    met: dict[str, tuple[str | None, Cohort]] = {}
    doubtful: list[str] = []
    torn: list[str] = []
    for cohort in cohorts:
        for patient, stage in cohort.patients.select("patient_id", "stage").iter_rows():
            before, where = met.get(patient, (None, None))
            if where is not None and not (same_patients or one_key(where, cohort, patient)):
                doubtful.append(f"{patient} ({where.path}, {cohort.path})")
            if where is not None and before is not None and stage is not None and stage != before:
                torn.append(f"{patient} ({before} in {where.path}, {stage} in {cohort.path})")
            met[patient] = (stage if before is None else before, cohort if where is None else where)
    if doubtful:
        raise CohortError(
            f"{len(doubtful)} ids are in two cohorts and no key says that they are the same people: "
            f"{first_of(doubtful, LISTED)}; take the cohorts in with one --key, or, if they are the same "
            "people, go on with --same-patients"
        )
    if torn:
        raise CohortError(
            f"{len(torn)} patients have two stages: {first_of(torn, LISTED)}; mend their tables and take one "
            "cohort in again"
        )


def one_key(first: Cohort, second: Cohort, patient: str) -> bool:
    """Whether one key made an id in both cohorts. Cohorts from before keys were told apart are known by their ids:
    hashes of two keys do not agree by chance."""
    if first.key is None or second.key is None:
        return PSEUDONYM.fullmatch(patient) is not None
    return bool(first.key) and first.key == second.key


def key_of(cohorts: Sequence[Cohort]) -> str | None:
    """What tells the key of all cohorts; None where they have several or it is not known."""
    keys = {cohort.key for cohort in cohorts}
    return keys.pop() if len(keys) == 1 else None


def of_keys(cohorts: Sequence[Cohort]) -> list[str]:
    """What a reader must be told where ids were hashed with several keys."""
    keys = {cohort.key for cohort in cohorts}
    if len(keys) == 1 and None not in keys:
        return []
    return [
        "ids may not have been hashed with one key: a person who is in two of its cohorts may count as two patients"
    ]


def of_near_ids(cohorts: Sequence[Cohort], progress: Progress) -> list[str]:
    """What a reader must be told where ids of two cohorts are nearly one; they are named to who merges. A pseudonym
    tells nothing of its id."""
    met: dict[str, tuple[Cohort, str]] = {}
    near: list[str] = []
    for cohort in cohorts:
        for patient in cohort.patient_ids:
            where, other = met.setdefault(bare(patient), (cohort, patient))
            if where is not cohort and other != patient and not PSEUDONYM.fullmatch(patient):
                near.append(f"{other} ({where.path}) and {patient} ({cohort.path})")
    if not near:
        return []
    why = "differ only by zeros in front, case or spelling"
    progress.say(
        f"ids {why}: {first_of(near, LISTED)}; if they are the same people, write their ids alike and take one cohort "
        "in again"
    )
    return [f"{len(near)} ids of two of its cohorts {why}: one person may count as two patients"]


def modalities_of(cohorts: Sequence[Cohort]) -> tuple[Modality, ...]:
    """Every modality of any of the cohorts, those of the first first."""
    found: dict[str, Modality] = {}
    for cohort in cohorts:
        for modality in cohort.modalities:
            found.setdefault(modality.name, modality)
    return tuple(found.values())


def met_patients(cohorts: Sequence[Cohort], sites: Sequence[str] = ()) -> pl.DataFrame:
    """A row a patient: the stage that any cohort has, of everything else what the last that says it says. A column that
    is text in one cohort is text in all."""
    tables = []
    for number, cohort in enumerate(cohorts):
        table = cohort.patients
        if GROUP in table.columns:
            table = table.with_columns(
                pl.format("{}-{}", pl.lit(str(number)), pl.col(GROUP).cast(pl.String)).alias(GROUP)
            )
        if sites:
            before = pl.col(SITE).cast(pl.String) if SITE in table.columns else pl.lit(None, dtype=pl.String)
            table = table.with_columns(pl.coalesce(before, pl.lit(sites[number])).alias(SITE))
        tables.append(table)
    text = {name for table in tables for name, dtype in table.schema.items() if dtype == pl.String}
    tables = [
        table.with_columns(pl.col(name).cast(pl.String) for name in table.columns if name in text) for table in tables
    ]
    together = pl.concat(tables, how="diagonal_relaxed")
    latest = [pl.col(name).drop_nulls().last() for name in together.columns if name not in ("patient_id", "stage")]
    stage = pl.col("stage").drop_nulls().first()
    return together.group_by("patient_id", maintain_order=True).agg(stage, *latest)


def twins_across(joined: JoinedCohort, progress: Progress) -> NDArray[np.intp]:
    """Pairs of rows [P, 2] of the images: nearly the same picture of two patients, from two of the cohorts. What lies
    within one was judged when that was taken in."""
    found = [np.empty((0, 2), dtype=np.intp)]
    images = joined.images.with_row_index("_row")
    with progress.task("comparing pictures", len(images)) as advance:
        for name in joined.modality_names:
            own = images.filter(pl.col("modality") == name)
            pixels, prints = joined.pixels(name), []
            for row in range(len(own)):
                prints.append(fingerprint(pixels[row]))
                advance(1)
            if not prints:
                continue
            pairs = np.concatenate([near_twins(np.stack(prints)), same_pixels(own["sha256"].to_list())])
            patients, (came, _) = own["patient_id"].to_numpy(), joined.origin(name)
            first, second = pairs[:, 0], pairs[:, 1]
            across = (patients[first] != patients[second]) & (came[first] != came[second])
            rows = own["_row"].to_numpy().astype(np.intp)
            found.append(rows[np.unique(pairs[across], axis=0)])
    return np.concatenate(found)


def same_pixels(hashes: Sequence[str]) -> NDArray[np.intp]:
    """Pairs [P, 2] of places that hold one hash: each with the first that has it."""
    first: dict[str, int] = {}
    pairs = [(first[each], row) for row, each in enumerate(hashes) if first.setdefault(each, row) != row]
    return np.array(pairs, dtype=np.intp).reshape(-1, 2)


def said_of_pairs(joined: JoinedCohort, pairs: NDArray[np.intp]) -> str:
    """Names pictures that two patients share, and what can be done."""
    rows = joined.images.select("image_id", "patient_id").rows()
    lines = [f"{rows[a][0]} of {rows[a][1]} and {rows[b][0]} of {rows[b][1]}" for a, b in pairs.tolist()]
    return (
        f"{len(lines)} pictures are the same or nearly the same under two patients' ids: "
        f"{first_of(lines, LISTED)}; if they are one person, leave one of "
        "them out ('fibrostage cohort filter --without'); or go on with --allow-duplicates or "
        "--group-near-duplicates"
    )


def shared_plan(cohorts: Sequence[Cohort]) -> dict[str, Json] | None:
    """The plan that all cohorts were taken in by, but for their names and warnings; None where they differ."""
    plans = [taken_in_with(cohort) for cohort in cohorts]
    told = [None if plan is None else {name: part for name, part in plan.items() if name != "cohort"} for plan in plans]
    return plans[0] if all(each is not None and each == told[0] for each in told) else None
