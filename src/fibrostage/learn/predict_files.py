"""The exams just made, staged from their files: read exactly as the training pictures were, and nothing kept of them.

The files become a cohort in a temporary folder, by the same intake and the plan that the training cohort was taken in
with, and the folder goes away with the answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from fibrostage.cohort.store import Cohort
from fibrostage.csv_tables.reader import read_csv
from fibrostage.csv_tables.writer import csv_text
from fibrostage.ground.errors import IntakeError, Problems, RunError
from fibrostage.ground.files import read_json, write_text
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.intake.build.choices import Choices
from fibrostage.intake.build.find_files import Sources, survey
from fibrostage.intake.build.take_in import take_in
from fibrostage.intake.given_ids import files_from_link
from fibrostage.learn.model import open_model
from fibrostage.learn.predict_cohort import PredictedCohort, check_target, predict_cohort
from fibrostage.plan.calibration import DecisionPlan
from fibrostage.plan.run_plan import Plan
from fibrostage.results.run_folder import RunFolder


@dataclass(frozen=True)
class Exams:
    """Files and folders of exams: `images` is an I.csv for pictures that do not say whose they are, `key` what DICOM's
    ids are hashed with, `link` where what leads back to them is written."""

    sources: tuple[Path, ...]
    images: Path | None = None
    key: Path | None = None
    link: Path | None = None
    accept_unmasked: bool = False


@dataclass(frozen=True)
class TakenExams:
    """Exams as a cohort that lasts as long as they are looked at; `files` leads from what the cohort calls a source to
    the file itself."""

    cohort: Cohort
    files: Mapping[str, Path]


def predict_files(
    run: Path,
    exams: Exams,
    target: Path | None = None,
    progress: Progress = SILENT,
    given: Mapping[str, str] | None = None,
    asked: DecisionPlan | None = None,
    next_exam: bool = False,
) -> tuple[PredictedCohort, tuple[str, ...]]:
    """Stages exams from their files; returns what the model says, and the caveats of its intake.

    Raises `RunError` where the run does not say how its pictures were read, `IntakeError` where no picture of the files
    can be used, and what `predict_cohort` raises.
    """
    check_target(target)
    with taken_exams(run, exams, progress) as taken:
        return of_taken(run, taken, target, progress, given, asked, next_exam), taken.cohort.caveats


def of_taken(
    run: Path,
    taken: TakenExams,
    target: Path | None = None,
    progress: Progress = SILENT,
    given: Mapping[str, str] | None = None,
    asked: DecisionPlan | None = None,
    next_exam: bool = False,
) -> PredictedCohort:
    """What the model says of exams that were taken in, with what of them was not taken; raises what `predict_cohort`
    raises."""
    found = predict_cohort(run, taken.cohort, target, progress, given, keep=False, asked=asked, next_exam=next_exam)
    return replace(found, refused=refused(taken.cohort.exclusions))


@contextmanager
def taken_exams(run: Path, exams: Exams, progress: Progress = SILENT) -> Iterator[TakenExams]:
    """Takes exams in as the run's pictures were, in a temporary folder that goes away with the block.

    Raises `RunError` where the run does not say how its pictures were read, and `IntakeError` where no picture of the
    files can be used.
    """
    plan = reading_plan(run)
    open_model(run)  # before files are read: what is wrong with a model is said at once
    with TemporaryDirectory(prefix="fibrostage-") as folder:
        work = Path(folder)
        patients = None if exams.images is None else blank_patients(exams.images, work / "patients.csv")
        sources = Sources(exams.sources[0], patients, exams.images, more=exams.sources[1:])
        choices = Choices(
            skip_bad=True,
            key=exams.key,
            accept_unmasked=exams.accept_unmasked,
            allow_duplicates=True,
            accept_identity=False,
            link=exams.link or work / "link.csv",
        )
        cohort = take_in(sources, work / "exams", plan, progress=progress, choices=choices)
        yield TakenExams(cohort, files_of(sources, files_from_link(exams.link or work / "link.csv")))


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
            "kept; take the files in with 'fibrostage intake' and give the cohort"
        )
    return Plan.parse(read_json(folder.intake_file), source=str(folder.intake_file))


def blank_patients(images: Path, target: Path) -> Path:
    """Writes a table of the patients whom an I.csv names, without a stage, and returns where. Raises `IntakeError`
    where the CSV cannot be read."""
    problems = Problems()
    table = read_csv(images, ("file", "patient_id", "modality"), problems)
    if len(problems):
        raise IntakeError(f"{images} cannot be read:\n{problems.text()}", problems)
    ids = dict.fromkeys(row["patient_id"] for _, row in table.rows if row["patient_id"])
    write_text(target, csv_text(("patient_id", "stage"), [(patient, "") for patient in ids]))
    return target


def refused(exclusions: pl.DataFrame) -> tuple[tuple[str, str], ...]:
    """What was not taken of the files, each with why; what is said of a person has the person's id before it."""
    rows = exclusions.select("patient_id", "file", "reason").iter_rows()
    return tuple((str(file or patient or ""), str(reason)) for patient, file, reason in rows)
