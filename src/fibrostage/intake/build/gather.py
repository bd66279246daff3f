"""From the journal to what a cohort would be: who is in it, which pictures, and every problem there is with them.

A dry run does just this, so that it finds what the real one finds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fibrostage.cohort.tables import GOOD, PATIENT_KEY
from fibrostage.csv_tables.headers import notes_on
from fibrostage.ground.errors import IntakeError, nearest
from fibrostage.ground.lists import and_
from fibrostage.ground.progress import Progress
from fibrostage.ground.words import bare, parts_of, plain
from fibrostage.intake.build.assemble import (
    PICTURES,
    PLACE,
    Names,
    Reading,
    Readings,
    beyond_groups,
    given_groups,
    in_cohort_order,
    near_pairs,
    note_pairs,
    readings_of,
    with_groups,
    with_readings,
    without_twins,
)
from fibrostage.intake.build.choices import Choices, Intake
from fibrostage.intake.build.identities import coincidences, contradictions
from fibrostage.intake.build.journal import Journal, Place
from fibrostage.intake.build.left_out import is_simulated, names_of
from fibrostage.intake.person import HashedPerson
from fibrostage.intake.privacy import identifies, identifying_columns
from fibrostage.intake.read.drawn import PictureKey
from fibrostage.markers import measured
from fibrostage.plan.run_plan import Plan

CHUNK = 1024
LONGEST_NUMBER = 16  # signs of an id of digits that is looked for with more or fewer zeros in front
LONG = 4  # letters of an id that other columns are searched for


@dataclass
class Gathered:
    """What was read, while it becomes a cohort. `pairs` [n, 2] are rows of near twins among `pictures`, whose `place`
    is the row of `places`; `words` are hashes of words that identify, `people` whose files each patient's are (person,
    file), `kept_out` mosaics of refused files by name."""

    journal: Journal
    intake: Intake
    codes: list[str | None]
    progress: Progress
    pictures: pl.DataFrame = field(default_factory=pl.DataFrame)
    places: list[Place] = field(default_factory=list)
    readings: Readings = field(default_factory=lambda: Readings({}, {}))
    words: frozenset[str] = frozenset()
    people: dict[str, list[tuple[HashedPerson, str]]] = field(default_factory=dict)
    kept_out: dict[str, bytes] = field(default_factory=dict)
    patients: pl.DataFrame = field(default_factory=pl.DataFrame)
    named: Names = field(default_factory=lambda: Names({}, {}))
    pairs: NDArray[np.intp] = field(default_factory=lambda: np.empty((0, 2), dtype=np.intp))
    marked: bool = False  # some of its pictures say themselves that they are simulated
    caveats: list[str] = field(default_factory=list)

    @property
    def plan(self) -> Plan:
        return self.intake.plan

    @property
    def choices(self) -> Choices:
        return self.intake.choices

    @property
    def simulated(self) -> bool:
        return self.marked or is_simulated(self.patients if self.intake.patients is None else self.intake.patients)


def gather(journal: Journal, codes: list[str | None], intake: Intake, progress: Progress) -> Gathered:
    """What was read, put together; whatever is wrong is among the problems of `intake`. Raises `IntakeError` where
    plan and tables cannot go together."""
    gathered = Gathered(journal, intake, codes, progress)
    for step in GATHERING:
        step(gathered)
    return gathered


def collect(of: Gathered) -> None:
    """Everything that was read, and the patients it is of."""
    read_entries(of)
    of.patients = patients_of(of)
    of.named = names_of(of.intake)
    of.caveats = [*of.plan.cohort.caveats, *of.intake.caveats]


def order(of: Gathered) -> None:
    """Pictures of known patients, with their readings, in the order of the cohort; device names that name nobody."""
    own = with_plain_devices(of_known(of.pictures, of.patients, of.intake), of.words, of.intake)
    patients, modalities = of.patients["patient_id"].to_list(), [m.name for m in of.plan.modality]
    of.pictures = in_cohort_order(with_readings(own, of.readings), patients, modalities)


def tell_people_apart(of: Gathered) -> None:
    """Patients whose files are of different people, and people who come as two patients: a problem each."""
    if of.choices.accept_identity:
        return
    odd: set[str] = set()
    advice = "mend it, or go on with --accept-identity"
    for patient, first, second, what in contradictions(of.people):
        odd.add(patient)
        reason = f"{patient}: {first!r} and {second!r} differ in {what}, and may be two people under one id; {advice}"
        of.intake.problems.add("patients", reason, patient_id=of.named.patients.get(patient), kind="patient")
    for patients, why in coincidences(of.people, {**of.named.patients, **alike_before(of)}):
        odd.update(patients)
        reason = f"{and_(patients)} may be one person: {why}; {advice}"
        of.intake.problems.add("patients", reason, patient_id=of.named.patients.get(patients[-1]), kind="patient")
    of.pictures = of.pictures.filter(~pl.col("patient_id").is_in(list(odd)))
    of.patients = of.patients.filter(~pl.col("patient_id").is_in(list(odd)))


def alike_before(of: Gathered) -> dict[str, str]:
    """Those of the cohort that is to be joined whose ids are nearly those of patients that it has not, as ids by
    patient; hashes are like nobody's."""
    before = frozenset() if of.choices.before is None else of.choices.before.patients
    new = {bare(given) for patient, given in of.named.patients.items() if patient not in before}
    return {patient: patient for patient in before if bare(patient) in new}


def drop_copies(of: Gathered) -> None:
    """The same picture once, and none that is bad where the plan says so."""
    allowed = of.choices.allow_duplicates or of.choices.group_near_duplicates
    given = given_groups(of.patients)
    of.pictures = without_twins(of.pictures, of.intake.problems, of.intake.notes, allowed, of.named, given)
    of.pictures = without_bad(of.pictures, of.intake, of.named)


def find_near_twins(of: Gathered) -> None:
    """Near twins under different patients' names: kept together, allowed, or a problem each."""
    found = near_pairs(of.pictures, lambda place: of.journal.print(of.places[place]))
    of.pairs = beyond_groups(of.patients, of.pictures, found)
    if not len(of.pairs):
        return
    if of.choices.group_near_duplicates:
        of.patients = with_groups(of.patients, of.pictures, of.pairs)
        together = len(set(of.pictures["patient_id"].gather(of.pairs.ravel())))
        of.caveats.append(f"{together} patients share nearly the same pictures; splits keep them together")
    elif of.choices.allow_duplicates:
        of.caveats.append(f"{len(of.pairs)} pairs of nearly the same picture lie under different patients' names")
    else:
        note_pairs(of.pictures, of.pairs, of.intake.problems, of.named)


def find_drawn(of: Gathered) -> None:
    """A problem for each box that a reader drew on a picture that was not read."""
    sources, setting = of.intake.sources, of.intake.setting
    if sources.boxes is None:
        return
    clicked = {name for name, modality in setting.modalities.items() if modality.fit == "click"}
    read = {
        PictureKey(source, modality, frame, None if modality in clicked else crop)
        for source, modality, frame, crop in of.pictures.select("source", "modality", "frame", "crop").iter_rows()
    }
    for key in setting.drawn:
        if key not in read:
            of.intake.problems.add(
                sources.boxes.name,
                f"no picture is {key}: its file is not among those that were read, or another key named it",
            )


GATHERING = (collect, find_drawn, order, tell_people_apart, drop_copies, find_near_twins)


def read_entries(of: Gathered) -> None:
    """Everything that the journal has, in the order of the jobs; problems are noted."""
    intake = of.intake
    frames: list[pl.DataFrame] = []
    records: list[dict[str, Any]] = []
    measured: list[Reading] = []
    words: set[str] = set()
    for job, code in zip(intake.jobs, of.codes, strict=True):
        if code is None:
            continue
        entry = of.journal.entry(code)
        for reason, row, value, thumb in entry.refused:
            intake.note(job, row, reason, value)
            of.kept_out.setdefault(job.name, thumb)
        for record, place in zip(entry.records, entry.places, strict=True):
            records.append({**record, PLACE: len(of.places)})
            of.places.append(place)
        measured += entry.measured
        words |= entry.words
        of.marked |= entry.simulated and bool(entry.records)
        owners = {record["patient_id"] for record in entry.records} | {patient for patient, *_ in entry.measured}
        for patient in owners if entry.person.known else ():
            of.people.setdefault(patient, []).append((entry.person, job.name))
        if len(records) >= CHUNK:
            frames.append(pl.DataFrame(records, schema=PICTURES))
            records = []
    frames.append(pl.DataFrame(records, schema=PICTURES))
    of.pictures, of.words = pl.concat(frames), frozenset(words)
    nobody = intake.privacy.source("")
    of.readings, homeless = readings_of(measured, set(of.pictures["instance"].drop_nulls()), nobody)
    for patient in homeless:
        reason = "a report's stiffness is of a picture that was not taken in"
        intake.notes.add("reports", reason, patient_id=patient, file="reports", kind="value")


def patients_of(of: Gathered) -> pl.DataFrame:
    """The patients table as it is written: of P.csv, or of whoever the files name."""
    intake, privacy, words = of.intake, of.intake.privacy, of.words
    if intake.patients is None:
        rows = [{"patient_id": patient, "stage": None} for patient in sorted(set(of.pictures["patient_id"]))]
        return pl.DataFrame(rows, schema=PATIENT_KEY)
    patients = intake.patients
    for column in intake.plan.privacy.keep:
        if column not in patients.columns:
            known = ", ".join(patients.columns)
            raise IntakeError(
                f"privacy.keep names {column!r}{nearest(column, patients.columns)}; the patients have {known}"
            )
    if privacy.hides:  # a column that repeats the ids would undo the hashing
        ids = {plain(patient) for patient in patients["patient_id"] if len(patient) >= LONG}
        words = words | {privacy.word(" ".join(parts_of(patient))) for patient in ids}
    for note in notes_on(patients.columns, measured()):
        of.progress.say(f"{intake.sources.patients}: {note}")
    dropped = identifying_columns(patients, words, privacy, intake.plan.privacy.keep)
    for column, reason in dropped.items():
        of.progress.say(f"column {column!r} of {intake.sources.patients} is left out: {reason} (privacy.keep keeps it)")
    patients = patients.drop(list(dropped))
    if not privacy.hides:
        return patients
    hidden = [privacy.patient(patient) for patient in patients["patient_id"]]
    return with_known(patients.with_columns(patient_id=pl.Series(hidden, dtype=pl.String)), of).sort("patient_id")


def with_known(patients: pl.DataFrame, of: Gathered) -> pl.DataFrame:
    """Adds those who have pictures and whom P.csv leaves out, but the cohort that is to be joined has."""
    if of.choices.before is None:
        return patients
    told = {of.intake.privacy.patient(p.patient_id) for p in (*of.intake.notes, *of.intake.problems) if p.patient_id}
    met = set(of.pictures["patient_id"]) & of.choices.before.patients
    rows = [{"patient_id": patient} for patient in sorted(met - told - set(patients["patient_id"]))]
    return pl.concat([patients, pl.DataFrame(rows, schema={"patient_id": pl.String})], how="diagonal")


def with_plain_devices(pictures: pl.DataFrame, words: frozenset[str], intake: Intake) -> pl.DataFrame:
    """Devices without those that somebody named after a person."""
    if not intake.privacy.hides:
        return pictures
    named = [device for device in pictures["device"].unique().drop_nulls() if identifies(device, words, intake.privacy)]
    return pictures.with_columns(device=pl.when(pl.col("device").is_in(named)).then(None).otherwise(pl.col("device")))


def of_known(pictures: pl.DataFrame, patients: pl.DataFrame, intake: Intake) -> pl.DataFrame:
    """Leaves out pictures of people that P.csv does not have; of those it excludes or refuses quietly."""
    known = set(patients["patient_id"])
    if all(patient in known for patient in pictures["patient_id"].unique()):
        return pictures
    told = (problem.patient_id or "" for problem in (*intake.notes, *intake.problems))  # of a refused one, once
    excluded = {intake.privacy.patient(patient) for patient in told}
    named = names_of(intake)
    near = other_spellings(intake)
    strangers: dict[str, int] = {}
    for row, patient in enumerate(pictures["patient_id"]):
        if patient not in known and patient not in excluded:
            strangers.setdefault(patient, row)
    for patient, row in strangers.items():
        count = int((pictures["patient_id"] == patient).sum())
        spelled = near.get(patient)
        hint = ""
        if spelled is not None:
            hint = (
                f"; the table has {spelled[0]!r} and the pictures {spelled[1]!r}: if they are the same, write the id "
                "alike in both (id_digits of the plan's [table] fills ids with zeros)"
            )
        named.note(
            intake.problems, pictures, row,
            f"is of {patient}, who is not among the patients ({count} picture{'s' if count > 1 else ''}){hint}",
        )  # fmt: skip
    return pictures.filter(pl.col("patient_id").is_in(list(known)))


def other_spellings(intake: Intake) -> dict[str, tuple[str, str]]:
    """By what a patient of P.csv would be called with other zeros in front or another case: the id there, and that
    spelling. A pseudonym tells nothing of its id, so that every spelling is tried."""
    found: dict[str, tuple[str, str]] = {}
    for patient in [] if intake.patients is None else intake.patients["patient_id"]:
        digits = patient.lstrip("0") or "0"
        spellings = {digits.zfill(length) for length in range(1, LONGEST_NUMBER)} if patient.isdigit() else set()
        for spelling in {*spellings, patient.upper(), patient.lower()} - {patient}:
            found.setdefault(intake.privacy.patient(spelling), (patient, spelling))
    return found


def without_bad(pictures: pl.DataFrame, intake: Intake, named: Names) -> pl.DataFrame:
    """Leaves out what its quality condemns, where the plan says so."""
    if not intake.plan.quality.exclude:
        return pictures
    bad = pictures["quality"].is_not_null() & (pictures["quality"] != GOOD)
    for row in np.flatnonzero(bad.to_numpy()):
        named.note(intake.notes, pictures, int(row), f"its quality is {pictures['quality'][int(row)]}")
    return pictures.filter(~bad)
