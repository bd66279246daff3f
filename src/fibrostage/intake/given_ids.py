"""From pseudonyms back to the ids that people know, for whoever holds the link or the key."""

from __future__ import annotations

from pathlib import Path

from fibrostage.csv_tables.reader import read_csv
from fibrostage.ground.errors import IntakeError, Problems
from fibrostage.intake.build.left_out import LINK_COLUMNS
from fibrostage.intake.privacy import Privacy, read_key


def ids_from_link(link: Path) -> dict[str, str]:
    """By pseudonym the id that was given, from the file that 'intake --link' wrote.

    Raises `IntakeError` where it cannot be read, or lacks one of its columns.
    """
    return written_for(link, "patient")


def files_from_link(link: Path) -> dict[str, str]:
    """By what the cohort calls a source the name that the file had, from the same file.

    Raises `IntakeError` where it cannot be read, or lacks one of its columns.
    """
    return written_for(link, "file")


def written_for(link: Path, what: str) -> dict[str, str]:
    """By what is written what was given, of patients or of files."""
    table = read_csv(link, LINK_COLUMNS, Problems())
    return {row["written"]: row["given"] for _, row in table.rows if row["what"] == what}


def ids_from_key(key: Path, patients: Path) -> dict[str, str]:
    """By pseudonym the id in a patients CSV, hashed anew with the key of intake.

    Raises `IntakeError` where either cannot be read.
    """
    privacy = Privacy(read_key(key, make=False))
    problems = Problems()
    table = read_csv(patients, ("patient_id",), problems)
    if len(problems):
        raise IntakeError(f"{patients} cannot be read:\n{problems.text()}", problems)
    return {privacy.patient(row["patient_id"]): row["patient_id"] for _, row in table.rows}
