"""The exams just made, staged from their files: read exactly as the training pictures were, and nothing kept of them.

The files become a cohort in a temporary folder, by the same intake and the plan that the training cohort was taken in
with, and the folder goes away with the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from fibrostage.csv_tables.reader import read_csv
from fibrostage.csv_tables.writer import csv_text
from fibrostage.ground.errors import IntakeError, Problems, RunError
from fibrostage.ground.files import read_json, write_text
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.intake.build.choices import Choices
from fibrostage.intake.build.find_files import Sources
from fibrostage.intake.build.take_in import take_in
from fibrostage.learn.model import open_model
from fibrostage.learn.predict_cohort import PredictedCohort, check_target, predict_cohort
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


def predict_files(
    run: Path,
    exams: Exams,
    target: Path | None = None,
    progress: Progress = SILENT,
    given: Mapping[str, str] | None = None,
) -> tuple[PredictedCohort, tuple[str, ...]]:
    """Stages exams from their files; returns what the model says, and the caveats of its intake.

    Raises `RunError` where the run does not say how its pictures were read, `IntakeError` where no picture of the files
    can be used, and what `predict_cohort` raises.
    """
    check_target(target)
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
            link=exams.link,
        )
        cohort = take_in(sources, work / "exams", plan, progress=progress, choices=choices)
        found = predict_cohort(run, cohort, target, progress, given, keep=False)
        return replace(found, refused=refused(cohort.exclusions)), cohort.caveats


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
