"""From the journal to the cohort's files: what is left out, what is added up, what is written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fibrostage import SIMULATED
from fibrostage.cohort.confounding import check_confounding
from fibrostage.cohort.splits import GROUP
from fibrostage.cohort.store import Modality, new_array, write_tables
from fibrostage.cohort.tables import GOOD, IMAGES, PATIENT_KEY
from fibrostage.ground.errors import IntakeError, Problems, nearest
from fibrostage.ground.progress import Progress
from fibrostage.ground.words import parts_of, plain
from fibrostage.intake.build.assemble import (
    PICTURES,
    PLACE,
    Names,
    Reading,
    Readings,
    in_cohort_order,
    near_pairs,
    note_pairs,
    readings_of,
    with_days,
    with_groups,
    with_markers,
    with_readings,
    without_twins,
)
from fibrostage.intake.build.choices import Choices, Intake
from fibrostage.intake.build.contact_sheet import FOLDER, Tile, write_sheets
from fibrostage.intake.build.journal import Journal, Place
from fibrostage.intake.build.left_out import exclusions_of, is_simulated, names_of, write_link
from fibrostage.intake.privacy import identifies, identifying_columns
from fibrostage.plan.run_plan import Plan

CHUNK = 1024
LONG = 4  # letters of an id that other columns are searched for


@dataclass
class Gathered:
    """What was read, while it becomes a cohort. `pairs` [n, 2] are rows of near twins among `pictures`, whose `place`
    is the row of `places`; `words` are hashes of words that identify."""

    journal: Journal
    intake: Intake
    codes: list[str | None]
    work: Path
    name: str
    progress: Progress
    pictures: pl.DataFrame = field(default_factory=pl.DataFrame)
    places: list[Place] = field(default_factory=list)
    readings: Readings = field(default_factory=lambda: Readings({}, {}))
    words: frozenset[str] = frozenset()
    patients: pl.DataFrame = field(default_factory=pl.DataFrame)
    named: Names = field(default_factory=lambda: Names({}, {}))
    pairs: NDArray[np.intp] = field(default_factory=lambda: np.empty((0, 2), dtype=np.intp))
    caveats: list[str] = field(default_factory=list)

    @property
    def plan(self) -> Plan:
        return self.intake.plan

    @property
    def choices(self) -> Choices:
        return self.intake.choices

    @property
    def simulated(self) -> bool:
        return is_simulated(self.patients if self.intake.patients is None else self.intake.patients)


def finish(
    journal: Journal, codes: list[str | None], intake: Intake, work: Path, out: Path, progress: Progress
) -> None:
    """From the journal to the cohort's files in `work`, step by step; raises `IntakeError` where a step refuses."""
    gathered = Gathered(journal, intake, codes, work, intake.plan.cohort.name or out.name, progress)
    for step in STEPS:
        step(gathered)


def collect(of: Gathered) -> None:
    """Everything that was read, and the patients it is of."""
    of.pictures, of.places, of.readings, of.words = entries(of.journal, of.codes, of.intake)
    of.patients = people(of.intake, of.pictures, of.words, of.progress)
    of.named = names_of(of.intake)
    of.caveats = list(of.plan.cohort.caveats)


def order(of: Gathered) -> None:
    """Pictures of known patients, with their readings, in the order of the cohort; device names that name nobody."""
    own = with_plain_devices(of_known(of.pictures, of.patients, of.intake), of.words, of.intake)
    patients, modalities = of.patients["patient_id"].to_list(), [m.name for m in of.plan.modality]
    of.pictures = in_cohort_order(with_readings(own, of.readings), patients, modalities)


def drop_copies(of: Gathered) -> None:
    """The same picture once, and none that is bad where the plan says so."""
    allowed = of.choices.allow_duplicates or of.choices.group_near_duplicates
    of.pictures = without_twins(of.pictures, of.intake.problems, of.intake.notes, allowed, of.named)
    of.pictures = without_bad(of.pictures, of.intake, of.named)


def find_near_twins(of: Gathered) -> None:
    """Near twins under different patients' names: kept together, allowed, or a problem each."""
    of.pairs = near_pairs(of.pictures, lambda place: of.journal.print(of.places[place]))
    if not len(of.pairs):
        return
    if of.choices.group_near_duplicates:
        of.patients = with_groups(of.patients, of.pictures, of.pairs)
        together = of.patients[GROUP].count()
        of.caveats.append(f"{together} patients share nearly the same pictures; splits keep them together")
    elif of.choices.allow_duplicates:
        of.caveats.append(f"{len(of.pairs)} pairs of nearly the same picture lie under different patients' names")
    else:
        note_pairs(of.pictures, of.pairs, of.intake.problems, of.named)


def refuse(of: Gathered) -> None:
    """Raises `IntakeError` where there are problems that nobody allowed, or nothing is left."""
    if len(of.intake.problems) and not of.choices.skip_bad:
        raise refusal(of.intake.problems)
    if len(of.pairs) and not (of.choices.group_near_duplicates or of.choices.allow_duplicates):
        later = np.isin(np.arange(len(of.pictures)), of.pairs.max(axis=1))
        of.pictures = of.pictures.filter(~pl.Series(later))
    if not len(of.pictures):
        raise refusal(of.intake.problems, "no picture could be taken in")


def confirm(of: Gathered) -> None:
    """Asks whether the rules took the files for the right thing; raises `IntakeError` where they did not."""
    if of.choices.confirm is not None and not of.choices.confirm(counts(of.pictures)):
        raise IntakeError("not confirmed; nothing was written, and what was read is kept for the next call")


def measure(of: Gathered) -> None:
    """Markers from stiffness, and a warning where what should not tell the stage does."""
    of.patients = with_markers(of.patients, of.pictures, of.readings, of.plan)
    found = check_confounding(of.patients, of.pictures, of.plan.staging.whole())
    of.caveats += [one.warning() for one in found]


def write_pictures(of: Gathered) -> None:
    """Pixels, and the contact sheet where there is one."""
    (of.work / "pixels").mkdir()
    store_pixels(of.journal, of.pictures, of.places, of.plan, of.work / "pixels", of.progress)
    if of.intake.setting.sheet:
        title = f"{SIMULATED}: what was kept" if of.simulated else "what was kept"
        write_sheets(of.work / FOLDER, tiles(of.journal, of.pictures, of.places, of.intake), title)


def write_rows(of: Gathered) -> None:
    """The tables, and the user's own link back to ids where it was asked for."""
    studied = set(of.named.patients.values()) | set(of.patients["patient_id"])
    write_tables(
        of.work,
        name=of.name,
        staging=of.plan.staging.whole(),
        modalities=[Modality(m.name, m.kind, m.size, m.stored_channels, m.fit) for m in of.plan.modality],
        patients=of.patients,
        images=images_of(of.pictures),
        exclusions=exclusions_of(of.intake, studied, of.words),
        simulated=of.simulated,
        caveats=of.caveats,
        source=", ".join(f"{count} {kind}" for kind, count in formats(of.pictures)),
    )
    if of.choices.link is not None:
        write_link(of.choices.link, of.intake)


STEPS = (collect, order, drop_copies, find_near_twins, refuse, confirm, measure, write_pictures, write_rows)


def entries(
    journal: Journal, codes: list[str | None], intake: Intake
) -> tuple[pl.DataFrame, list[Place], Readings, frozenset[str]]:
    """Everything that was read, in the order of the jobs; problems are noted."""
    frames: list[pl.DataFrame] = []
    records: list[dict[str, Any]] = []
    places: list[Place] = []
    measured: list[Reading] = []
    words: set[str] = set()
    for job, code in zip(intake.jobs, codes, strict=True):
        if code is None:
            continue
        entry = journal.entry(code)
        for reason, row, value in entry.refused:
            intake.note(job, row, reason, value)
        for record, place in zip(entry.records, entry.places, strict=True):
            records.append({**record, PLACE: len(places)})
            places.append(place)
        measured += entry.measured
        words |= entry.words
        if len(records) >= CHUNK:
            frames.append(pl.DataFrame(records, schema=PICTURES))
            records = []
    frames.append(pl.DataFrame(records, schema=PICTURES))
    pictures = pl.concat(frames)
    nobody = intake.privacy.source("")
    readings, homeless = readings_of(measured, set(pictures["instance"].drop_nulls()), nobody)
    for patient in homeless:
        reason = "a report's stiffness is of a picture that was not taken in"
        intake.notes.add("reports", reason, patient_id=patient, file="reports", kind="value")
    return pictures, places, readings, frozenset(words)


def people(intake: Intake, pictures: pl.DataFrame, words: frozenset[str], progress: Progress) -> pl.DataFrame:
    """The patients table as it is written: of P.csv, or of whoever the files name."""
    privacy = intake.privacy
    if intake.patients is None:
        rows = [{"patient_id": patient, "stage": None} for patient in sorted(set(pictures["patient_id"]))]
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
    dropped = identifying_columns(patients, words, privacy, intake.plan.privacy.keep)
    for column, reason in dropped.items():
        progress.say(f"column {column!r} of {intake.sources.patients} is left out: {reason} (privacy.keep keeps it)")
    patients = patients.drop(list(dropped))
    if not privacy.hides:
        return patients
    hidden = [privacy.patient(patient) for patient in patients["patient_id"]]
    return patients.with_columns(patient_id=pl.Series(hidden, dtype=pl.String)).sort("patient_id")


def with_plain_devices(pictures: pl.DataFrame, words: frozenset[str], intake: Intake) -> pl.DataFrame:
    """Devices without those that somebody named after a person."""
    if not intake.privacy.hides:
        return pictures
    named = [device for device in pictures["device"].unique().drop_nulls() if identifies(device, words, intake.privacy)]
    return pictures.with_columns(device=pl.when(pl.col("device").is_in(named)).then(None).otherwise(pl.col("device")))


def of_known(pictures: pl.DataFrame, patients: pl.DataFrame, intake: Intake) -> pl.DataFrame:
    """Leaves out pictures of people that P.csv does not have; of those it excludes quietly."""
    known = set(patients["patient_id"])
    if all(patient in known for patient in pictures["patient_id"].unique()):
        return pictures
    excluded = {intake.privacy.patient(problem.patient_id or "") for problem in intake.notes}
    named = names_of(intake)
    strangers: dict[str, int] = {}
    for row, patient in enumerate(pictures["patient_id"]):
        if patient not in known and patient not in excluded:
            strangers.setdefault(patient, row)
    for patient, row in strangers.items():
        count = int((pictures["patient_id"] == patient).sum())
        named.note(
            intake.problems, pictures, row,
            f"is of {patient}, who is not among the patients ({count} picture{'s' if count > 1 else ''})",
        )  # fmt: skip
    return pictures.filter(pl.col("patient_id").is_in(list(known)))


def without_bad(pictures: pl.DataFrame, intake: Intake, named: Names) -> pl.DataFrame:
    """Leaves out what its quality condemns, where the plan says so."""
    if not intake.plan.quality.exclude:
        return pictures
    bad = pictures["quality"].is_not_null() & (pictures["quality"] != GOOD)
    for row in np.flatnonzero(bad.to_numpy()):
        named.note(intake.notes, pictures, int(row), f"its quality is {pictures['quality'][int(row)]}")
    return pictures.filter(~bad)


def counts(pictures: pl.DataFrame) -> pl.DataFrame:
    """Pictures, files and patients by modality."""
    return pictures.group_by("modality", maintain_order=True).agg(
        pictures=pl.len(), files=pl.col("source").n_unique(), patients=pl.col("patient_id").n_unique()
    )


def formats(pictures: pl.DataFrame) -> list[tuple[str, int]]:
    table = pictures.group_by("source_format", maintain_order=True).agg(pl.col("source").n_unique())
    return [(str(kind), int(count)) for kind, count in table.iter_rows()]


def images_of(pictures: pl.DataFrame) -> pl.DataFrame:
    """The images table; an id says where a picture's pixels are."""
    numbered = with_days(pictures).with_columns(
        image_id=pl.format("{}-{}", "modality", pl.int_range(pl.len()).over("modality"))
    )
    return numbered.select(*IMAGES)


def store_pixels(
    journal: Journal, pictures: pl.DataFrame, places: list[Place], plan: Plan, folder: Path, progress: Progress
) -> None:
    """pixels/<modality>.npy, copied from the journal one picture at a time."""
    with progress.task("writing pictures", len(pictures)) as advance:
        for modality in plan.modality:
            own = pictures.filter(pl.col("modality") == modality.name)[PLACE].to_list()
            square = (modality.size, modality.size, modality.stored_channels)
            target = folder / f"{modality.name}.npy"
            if not own:
                np.save(target, np.empty((0, *square), dtype=np.uint8))
                continue
            pixels = new_array(target, (len(own), *square), np.uint8)
            for row, place in enumerate(own):
                pixels[row] = journal.pixels(places[place], square)
                advance(1)
            del pixels


def tiles(journal: Journal, pictures: pl.DataFrame, places: list[Place], intake: Intake) -> Iterable[Tile]:
    """A tile a picture that was cut from a screen, and one for each file that was kept out."""
    columns = "modality", "patient_id", "source", "frame", "kpa", "box_confidence", PLACE
    for modality, patient, source, frame, kpa, confidence, place in pictures.select(columns).iter_rows():
        thumb = journal.thumb(places[place])
        if not thumb:
            continue
        about = [modality, source, "" if frame is None else f"#{frame}"]
        found = ["" if kpa is None else f"{kpa:.1f} kPa", "" if confidence is None else f"box {confidence:.2f}"]
        yield Tile(thumb, (" ".join(filter(None, about)), " ".join(filter(None, [patient, *found]))))
    for problem in intake.problems:
        written = intake.privacy.problem(problem)
        if problem.kind == "picture" and written.file is not None:
            yield Tile(b"", (written.file, written.reason), kept_out=True)


def refusal(problems: Problems, why: str = "nothing was written") -> IntakeError:
    count = len(problems)
    return IntakeError(
        f"{count} problem{'s' if count != 1 else ''}, {why}:\n{problems.text()}\n"
        "Mend them, or go on without what is bad with --skip-bad.",
        problems,
    )
