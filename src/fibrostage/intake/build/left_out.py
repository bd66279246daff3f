"""Who and what was left out, and the user's own link back from pseudonyms: nothing in them names anybody else."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import polars as pl

from fibrostage import SIMULATED
from fibrostage.cohort.tables import EXCLUSIONS
from fibrostage.csv_tables.writer import csv_text
from fibrostage.dicom.file import patient_of
from fibrostage.ground.errors import Problem
from fibrostage.ground.words import dates_in, plain
from fibrostage.intake.build.assemble import Names
from fibrostage.intake.build.choices import Intake
from fibrostage.intake.privacy import Privacy, identifies

SIMULATED_COLUMN = "origin"  # a patients column whose value SIMULATED marks a simulated cohort

LINK_COLUMNS = ("what", "written", "given")


def names_of(intake: Intake) -> Names:
    privacy = intake.privacy
    ids = [] if intake.patients is None else intake.patients["patient_id"].to_list()
    csv_name = intake.sources.images.name if intake.sources.images is not None else None
    return Names(
        {privacy.source(job.name): job.name for job in intake.jobs},
        {privacy.patient(patient): patient for patient in ids},
        csv_name,
    )


def is_simulated(patients: pl.DataFrame) -> bool:
    return SIMULATED_COLUMN in patients.columns and bool((patients[SIMULATED_COLUMN] == SIMULATED).any())


def exclusions_of(intake: Intake, studied: set[str], words: frozenset[str]) -> pl.DataFrame:
    """What was left out: a patient, a picture, or a value of either; without anything identifying."""
    patients_csv = intake.sources.patients.name if intake.sources.patients else ""

    def kind(problem: Problem) -> str:
        if problem.kind is not None:
            return problem.kind
        if problem.file is not None:
            return "picture"
        return "patient" if problem.where == patients_csv and problem.patient_id not in studied else "value"

    left_out = {problem.patient_id for problem in [*intake.notes, *intake.problems] if problem.patient_id}
    ids = {plain(patient) for patient in studied | left_out}
    rows = []
    for problem in [*intake.notes, *intake.problems]:
        written = intake.privacy.problem(replace(problem, kind=kind(problem)))
        if intake.privacy.hides and written.kind == "patient" and tells(written.reason, words, ids, intake.privacy):
            written = replace(written, reason="excluded")  # free text that names or dates somebody
        rows.append((written.kind, written))
    return pl.DataFrame(
        [
            {"kind": k, "patient_id": p.patient_id, "file": p.file or p.where, "row": p.row, "reason": p.reason}
            for k, p in rows
        ],
        schema=EXCLUSIONS,
    )


def tells(text: str, words: frozenset[str], ids: set[str], privacy: Privacy) -> bool:
    """Whether a user's own text names or dates somebody."""
    return bool(dates_in(text)) or identifies(text, words, privacy) or any(known in plain(text) for known in ids)


def write_link(path: Path, intake: Intake) -> None:
    """The user's own way back: which id a pseudonym is, which file a hash."""
    named = names_of(intake)
    people = named.patients or patients_in(intake)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    rows = [("patient", written, given) for written, given in people.items()]
    rows += [("file", written, given) for written, given in named.files.items()]
    with os.fdopen(handle, "w", newline="", encoding="utf-8") as file:
        file.write(csv_text(LINK_COLUMNS, rows))


def patients_in(intake: Intake) -> dict[str, str]:
    """Who the files name, where no P.csv does."""
    found = {}
    for job in intake.jobs:
        patient = patient_of(job.path)
        if patient:
            found[intake.privacy.patient(patient)] = patient
    return found
