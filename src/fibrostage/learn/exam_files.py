"""Exams from their files: read exactly as the training pictures were, into a cohort that lasts as long as its folder.

Nothing of PyTorch is needed for that, so that processes which only read exams begin at once and stay small.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from fibrostage.cohort.store import Cohort
from fibrostage.csv_tables.reader import read_csv
from fibrostage.csv_tables.writer import csv_text
from fibrostage.ground.errors import IntakeError, Problems, RunError
from fibrostage.ground.files import read_json, write_text
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.ground.shards import RayShards
from fibrostage.intake.build.choices import Choices
from fibrostage.intake.build.find_files import Sources, survey
from fibrostage.intake.build.read_tables import reading_of
from fibrostage.intake.build.take_in import KEPT, take_in
from fibrostage.intake.build.write_cohort import MEND
from fibrostage.intake.given_ids import files_from_link, ids_from_link
from fibrostage.plan.run_plan import Plan
from fibrostage.results.run_folder import RunFolder


@dataclass(frozen=True)
class Exams:
    """Files and folders of exams: `images` is an I.csv for pictures that do not say whose they are, `patients` a P.csv
    of what was measured of them, `key` what DICOM's ids are hashed with, `link` where what leads back to them is
    written."""

    sources: tuple[Path, ...]
    images: Path | None = None
    key: Path | None = None
    link: Path | None = None
    accept_unmasked: bool = False
    patients: Path | None = None


@dataclass(frozen=True)
class TakenExams:
    """Exams as a cohort that lasts as long as they are looked at; `files` leads from what the cohort calls a source to
    the file itself, `given` from a patient to the id that the files give."""

    cohort: Cohort
    files: Mapping[str, Path]
    given: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def taken_exams(
    plan: Plan, exams: Exams, progress: Progress = SILENT, engine: RayShards | None = None
) -> Iterator[TakenExams]:
    """Takes exams in by a plan (`reading_plan`), in a temporary folder that goes away with the block; the nodes of
    `engine` read the files, where there is one.

    Raises `IntakeError` where no picture of the files can be used.
    """
    with TemporaryDirectory(prefix="fibrostage-") as folder:
        yield take_exams(plan, exams, Path(folder), progress, engine=engine)


def take_exams(
    plan: Plan,
    exams: Exams,
    work: Path,
    progress: Progress = SILENT,
    workers: int | None = None,
    engine: RayShards | None = None,
) -> TakenExams:
    """Takes exams in by a plan, in an empty folder of the caller's that is to go away once they were looked at.

    Raises `IntakeError` where no picture of the files can be used.
    """
    patients = without_stages(exams, plan, work / "patients.csv")
    sources = Sources(
        exams.sources[0], patients, exams.images, "utf-8", exams.sources[1:], plan.table.encoding or "utf-8"
    )
    link = exams.link or work / "link.csv"
    choices = Choices(
        skip_bad=True,
        key=exams.key,
        accept_unmasked=exams.accept_unmasked,
        allow_duplicates=True,
        accept_identity=False,
        link=link,
        workers=workers,
        engine=engine,
        other_tables=True,
    )
    try:
        cohort = take_in(sources, work / "exams", plan, progress=progress, choices=choices)
    except IntakeError as error:  # what it kept for another try goes away too, and what is bad was left out
        words = str(error).partition(f" {KEPT}")[0].removesuffix(MEND).rstrip()
        raise IntakeError(words, error.problems) from None
    return TakenExams(cohort, files_of(sources, files_from_link(link)), ids_from_link(link))


def files_of(sources: Sources, given: Mapping[str, str]) -> dict[str, Path]:
    """The path of every source by what the cohort calls it; `given` is by the same the name it had."""
    if sources.images is not None:
        return {written: sources.path_of(name) for written, name in given.items()}
    paths = {job.name: job.path for job in survey(sources, Problems())}
    return {written: paths[name] for written, name in given.items() if name in paths}


def reading_plan(run: Path) -> Plan:
    """The plan that a run's pictures were read with; raises `RunError` where the run does not say it."""
    folder = RunFolder(run)
    if not folder.intake_file.is_file():
        raise RunError(
            f"{run} does not say how its pictures were read: it is no run, or its cohort was taken in before that was "
            "kept, or merged of cohorts that were read by different plans; take the files in with "
            "'fibrostage intake' and give the cohort"
        )
    return Plan.parse(read_json(folder.intake_file), source=str(folder.intake_file))


def without_stages(exams: Exams, plan: Plan, target: Path) -> Path | None:
    """Writes a table of the patients whom an I.csv or a P.csv names, both read as the plan says that tables are
    written, with what was measured and without a stage, and returns where; None where neither is given. Raises
    `IntakeError` where a table cannot be read."""
    if exams.images is None and exams.patients is None:
        return None
    problems = Problems()
    known: dict[str, Mapping[str, str]] = {}
    columns: list[str] = []
    if exams.patients is not None:
        table = read_csv(exams.patients, ("patient_id",), problems, reading=reading_of(plan))
        columns = [name for name in table.columns if name not in ("patient_id", "stage")]
        known = {row["patient_id"]: row for _, row in table.rows if row["patient_id"]}
    if exams.images is not None:
        written = reading_of(plan, pictures=True)
        pictures = read_csv(exams.images, ("file", "patient_id", "modality"), problems, reading=written)
        known = {**{row["patient_id"]: {} for _, row in pictures.rows if row["patient_id"]}, **known}
    if len(problems):
        raise IntakeError(f"{exams.images or exams.patients} cannot be read:\n{problems.text()}", problems)
    rows = [(patient, "", *(row.get(name, "") for name in columns)) for patient, row in known.items()]
    announced = "sep=,\n"  # whatever the plan says of the user's own tables
    write_text(target, announced + csv_text(("patient_id", "stage", *columns), rows))
    return target


def refused(exclusions: pl.DataFrame) -> tuple[tuple[str, str], ...]:
    """What was not taken of the files, each with why; what is said of a person has the person's id before it."""
    rows = exclusions.select("patient_id", "file", "reason").iter_rows()
    return tuple((str(file or patient or ""), str(reason)) for patient, file, reason in rows)
