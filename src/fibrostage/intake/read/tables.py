"""P.csv and I.csv: rows of text become patients and picture requests, with every problem noted by file and row."""

from __future__ import annotations

import math
import os
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import polars as pl

from fibrostage.csv_tables.reader import CsvTable
from fibrostage.csv_tables.way_forward import stage_line
from fibrostage.ground.errors import Problems, nearest
from fibrostage.ground.geometry import Rectangle
from fibrostage.ground.quantities import KPA, Quantity
from fibrostage.ground.stage import Staging
from fibrostage.ground.words import bare, oddity_of_id
from fibrostage.intake.read.numbers import parse_number
from fibrostage.markers import measured

Note = Callable[[str], None]

ROI_COLUMNS = ("roi_x", "roi_y", "roi_w", "roi_h")
EXCLUDED = "excluded"  # a patients column that says why somebody is not studied
NO_REASONS = ("0", "1", "no", "yes", "false", "true", "n", "y")
CLICK_COLUMNS = ("click_x", "click_y")

NO_MORE: Mapping[str, Quantity] = MappingProxyType({})
Click = tuple[int, int]  # x, y in pixels of the source picture


@dataclass(frozen=True)
class Request:
    """One row of I.csv: a picture to take in. `row` counts from the head, which is 1; 0 is a picture nobody listed."""

    row: int
    file: str
    patient_id: str
    modality: str
    frame: int | None = None
    kpa: float | None = None
    roi: Rectangle | None = None
    click: Click | None = None
    device: str | None = None


def parse_patients(
    table: CsvTable, staging: Staging, problems: Problems, left_out: Problems, own: Mapping[str, Quantity] = NO_MORE
) -> pl.DataFrame:
    """Makes the patients table, whose numbers are the measured columns and the user's `own` ones. A value that cannot
    be believed is noted and left empty; a row without an id, or with one that cannot be or was met before, or a stage
    that is unknown, is noted and left out.

    A patient whose `excluded` cell holds a reason is no problem: they go to `left_out` with it.
    """
    name, numbers = table.path.name, {**own, **measured()}
    first_seen: dict[str, int] = {}
    records: list[dict[str, object]] = []
    for row, cells in table.rows:
        patient = cells["patient_id"]
        reason = refuse_patient(patient, first_seen) or refuse_reason(patient, cells)
        stage, unknown = stage_of(table, patient, cells["stage"], staging)
        first_seen.setdefault(patient, row)
        if not reason and cells.get(EXCLUDED):
            left_out.add(name, cells[EXCLUDED], row=row, patient_id=patient)
            continue
        if reason or unknown:
            problems.add(name, reason or unknown, row=row, patient_id=patient or None)
            continue
        record: dict[str, object] = {"patient_id": patient, "stage": stage}
        for column in table.columns:
            if column in numbers:
                record[column] = parse_number(
                    name, row, patient, numbers[column], cells[column], problems, table.reading, table.record
                )
            elif column not in record and column != EXCLUDED:
                record[column] = cells[column] or None
        records.append(record)
    schema: dict[str, type[pl.DataType]] = {
        column: pl.Float64 if column in numbers else pl.String for column in table.columns if column != EXCLUDED
    }
    return pl.DataFrame(records, schema=schema)


def refuse_patient(patient: str, first_seen: Mapping[str, int]) -> str:
    """Why a row's id cannot be, or not once more; "" where it can."""
    if not patient:
        return "patient_id is empty"
    if patient in first_seen:
        return f"patient {patient!r} already stands in row {first_seen[patient]}"
    return oddity_of_id(patient) or ""


def refuse_reason(patient: str, cells: Mapping[str, str]) -> str:
    """Why an `excluded` cell says nothing; "" where it is blank or gives a reason."""
    if cells.get(EXCLUDED, "").lower() not in NO_REASONS:
        return ""
    return (
        f"patient {patient!r}: {EXCLUDED} = {cells[EXCLUDED]!r} is no reason; write why they are not studied, "
        "or leave it blank"
    )


def stage_of(table: CsvTable, patient: str, text: str, staging: Staging) -> tuple[str | None, str]:
    """The stage that a cell means, None for a blank one, and why it means none, "" where it does."""
    if text and text not in staging.classes:
        hint = nearest(text, staging.classes) if table.reading is None else stage_line(text, staging.classes)
        known = f"{staging.name} has {', '.join(staging.classes)} (blank = unlabelled)"
        about = f"patient {patient!r}: unknown stage {text!r}"
        return None, f"{about}{hint}; {known}" if table.reading is None else f"{about}; {known}{hint}"
    return text or None, ""


def parse_requests(
    table: CsvTable,
    folders: Sequence[Path],
    patients: set[str],
    modalities: tuple[str, ...],
    problems: Problems,
    left_out: frozenset[str] = frozenset(),
    clicked: frozenset[str] = frozenset(),
) -> list[Request]:
    """The pictures asked for; rows with a problem are noted and left out, those of patients `left_out` passed over.

    A click is of `clicked` modalities alone.
    """
    seen: dict[tuple[object, ...], int] = {}
    requests = []
    roots = [folder.resolve() for folder in folders]
    near = {bare(patient): patient for patient in patients}
    for row, cells in table.rows:
        before = len(problems)
        if cells["patient_id"] in left_out:
            continue

        def note(reason: str, row: int = row, cells: dict[str, str] = cells) -> None:
            problems.add(
                table.path.name,
                reason,
                row=row,
                patient_id=cells["patient_id"] or None,
                file=cells["file"] or None,
            )

        file, patient, modality = as_on_disk(cells["file"], roots), cells["patient_id"], cells["modality"]
        if not file:
            note("file is empty")
        else:
            refusals = [refuse_file(root, file) for root in roots]
            if None not in refusals:
                note(next((text for text in refusals if text and "outside" in text), refusals[0] or ""))
            elif refusals.count(None) > 1:
                note(f"{file!r} is in {refusals.count(None)} of the source folders; give a path that only one has")
        if odd := oddity_of_id(patient):
            note(odd)
        elif patient not in patients:
            note(f"unknown patient {patient!r}: not among the patients taken in{alike(patient, near)}")
        if modality not in modalities:
            note(f"unknown modality {modality!r}{nearest(modality, modalities)}; the plan has {', '.join(modalities)}")
        frame = parse_whole(cells.get("frame", ""), "frame", note)
        roi, click = parse_roi(cells, note), parse_click(cells, note) if modality in clicked else None
        key = (os.path.normpath(file), frame, modality, roi, click)
        if key in seen:
            note(f"repeats row {seen[key]}: {file!r} as {modality}")
        seen.setdefault(key, row)
        if len(problems) == before:  # a stiffness that cannot be believed is left out, its picture is not
            told = cells.get("kpa", "")
            kpa = parse_number(table.path.name, row, patient, KPA, told, problems, table.reading, table.record)
            device = cells.get("device") or None
            requests.append(Request(row, file, patient, modality, frame, kpa, roi, click, device))
    return requests


def alike(patient: str, near: Mapping[str, str]) -> str:
    """Which of the patients has an id that differs only by zeros in front or case, and what to do; "" for none."""
    other = near.get(bare(patient))
    if other is None:
        return ""
    if bare(patient).isdigit():
        most = max(len(patient), len(other))
        return (
            f"; they have {other!r}, which differs only by zeros in front: if it is the same, [table] id_digits = "
            f"{most} of the plan fills both"
        )
    return f"; they have {other!r}, which is nearly the same: write it alike in both"


def as_on_disk(file: str, roots: Sequence[Path]) -> str:
    """A file's name as the disk has it, where one name there differs from it only in how letters are spelled (NFC, NFD)
    or in the case of its suffix, or it was written with backslashes; else the name as it came."""
    if not file or any(refuse_file(root, file) is None for root in roots):
        return file
    if "\\" in file:
        return as_on_disk(file.replace("\\", "/"), roots)
    wanted = spelled(Path(file))
    for root in roots:
        try:
            folder = (root / file).parent
            alike = [path for path in folder.iterdir() if spelled(Path(path.name)).name == wanted.name]
        except (OSError, ValueError):
            continue
        if len(alike) == 1:
            return str(Path(file).with_name(alike[0].name))
    return file


def spelled(path: Path) -> Path:
    return path.with_name(unicodedata.normalize("NFC", path.stem) + path.suffix.casefold()) if path.name else path


def refuse_file(root: Path, file: str) -> str | None:
    """Returns why a path cannot be a picture under the source folder, or None."""
    try:
        if not (root / file).resolve().is_relative_to(root):
            return f"{file!r} lies outside the source folder"
        if not (root / file).is_file():
            return f"no file {file!r} under the source folder"
    except (OSError, ValueError) as error:
        return f"{file[:60]!r} is no path: {error}"
    return None


def parse_whole(text: str, column: str, note: Note) -> int | None:
    """Returns a whole number from 0, or None where the cell is empty or, with the reason noted, holds anything else."""
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0 and value == int(value)):
        note(f"{column} = {text!r} is not a whole number from 0")
        return None
    return int(value)


def parse_click(cells: dict[str, str], note: Note) -> Click | None:
    """Returns where the user clicked, in pixels of the source picture; without a click, the caller takes the region's
    centre."""
    given = [column for column in CLICK_COLUMNS if cells.get(column)]
    if len(given) == 1:
        note(f"the click has {given[0]} alone; give {' and '.join(CLICK_COLUMNS)}")
    x, y = (parse_whole(cells[column], column, note) for column in CLICK_COLUMNS) if len(given) == 2 else (None, None)
    return None if x is None or y is None else (x, y)


def parse_roi(cells: dict[str, str], note: Note) -> Rectangle | None:
    """Returns the region of a row in pixels of the source picture; None where there is none or, with the reason noted,
    it is incomplete or empty."""
    given = [column for column in ROI_COLUMNS if cells.get(column)]
    if not given:
        return None
    if len(given) < len(ROI_COLUMNS):
        missing = [column for column in ROI_COLUMNS if column not in given]
        note(f"the region has {', '.join(given)} but not {', '.join(missing)}")
        return None
    values = [parse_whole(cells[column], column, note) for column in ROI_COLUMNS]
    if any(value is None for value in values):
        return None
    x, y, width, height = (int(value) for value in values if value is not None)
    if width == 0 or height == 0:
        note(f"the region {width}×{height} is empty")
        return None
    return Rectangle(x, y, width, height)
