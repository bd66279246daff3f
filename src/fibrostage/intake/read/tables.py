"""P.csv and I.csv: rows of text become patients and picture requests, with every problem noted by file and row."""

from __future__ import annotations

import math
import os
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from fibrostage.csv_tables.reader import CsvTable
from fibrostage.ground.errors import Problems, nearest
from fibrostage.ground.geometry import Rectangle
from fibrostage.ground.quantities import KPA, Quantity
from fibrostage.ground.stage import Staging
from fibrostage.markers import measured

Note = Callable[[str], None]

ROI_COLUMNS = ("roi_x", "roi_y", "roi_w", "roi_h")
EXCLUDED = "excluded"  # a patients column that says why somebody is not studied
NO_REASONS = ("0", "1", "no", "yes", "false", "true", "n", "y")
CLICK_COLUMNS = ("click_x", "click_y")


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


def parse_patients(table: CsvTable, staging: Staging, problems: Problems, left_out: Problems) -> pl.DataFrame:
    """Makes the patients table. A value that cannot be believed is noted and left empty; a row without an id, or with
    one that was met before or a stage that is unknown, is noted and left out.

    A patient whose `excluded` cell holds a reason is no problem: they go to `left_out` with it.
    """
    name, numbers = table.path.name, measured()
    first_seen: dict[str, int] = {}
    records: list[dict[str, object]] = []
    for row, cells in table.rows:
        patient = cells["patient_id"]
        if not patient:
            problems.add(name, "patient_id is empty", row=row)
            continue
        if patient in first_seen:
            problems.add(
                name,
                f"patient {patient!r} already stands in row {first_seen[patient]}",
                row=row,
                patient_id=patient,
            )
            continue
        first_seen[patient] = row
        if cells.get(EXCLUDED, "").lower() in NO_REASONS:
            problems.add(
                name,
                f"patient {patient!r}: {EXCLUDED} = {cells[EXCLUDED]!r} is no reason; write why they are not studied, "
                "or leave it blank",
                row=row,
                patient_id=patient,
            )
            continue
        if cells.get(EXCLUDED):
            left_out.add(name, cells[EXCLUDED], row=row, patient_id=patient)
            continue
        stage = cells["stage"] or None
        if stage is not None and stage not in staging.classes:
            problems.add(
                name,
                f"patient {patient!r}: unknown stage {stage!r}{nearest(stage, staging.classes)}; "
                f"{staging.name} has {', '.join(staging.classes)} (blank = unlabelled)",
                row=row,
                patient_id=patient,
            )
            continue
        record: dict[str, object] = {"patient_id": patient, "stage": stage}
        for column in table.columns:
            if column in numbers:
                record[column] = parse_number(name, row, patient, numbers[column], cells[column], problems)
            elif column not in record and column != EXCLUDED:
                record[column] = cells[column] or None
        records.append(record)
    schema: dict[str, type[pl.DataType]] = {
        column: pl.Float64 if column in numbers else pl.String for column in table.columns if column != EXCLUDED
    }
    return pl.DataFrame(records, schema=schema)


def parse_number(name: str, row: int, patient: str, quantity: Quantity, text: str, problems: Problems) -> float | None:
    """Returns a measured value, or None with the reason noted; it is never converted and never repaired."""
    if not text:
        return None
    where = f"patient {patient!r}"
    try:
        value = float(text)
    except ValueError:
        hint = " (write a decimal point)" if re.fullmatch(r"-?\d+,\d+", text) else ""
        problems.add(name, f"{where}: {quantity.column} = {text!r} is not a number{hint}", row=row, patient_id=patient)
        return None
    refusal = quantity.refusal(value)
    if refusal:
        problems.add(name, f"{where}: {refusal}", row=row, patient_id=patient)
        return None
    return value


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
        if patient not in patients:
            note(f"unknown patient {patient!r}: not among the patients taken in")
        if modality not in modalities:
            note(f"unknown modality {modality!r}{nearest(modality, modalities)}; the plan has {', '.join(modalities)}")
        frame = parse_whole(cells.get("frame", ""), "frame", note)
        roi, click = parse_roi(cells, note), parse_click(cells, note) if modality in clicked else None
        key = (os.path.normpath(file), frame, modality, roi, click)
        if key in seen:
            note(f"repeats row {seen[key]}: {file!r} as {modality}")
        seen.setdefault(key, row)
        if len(problems) == before:  # a stiffness that cannot be believed is left out, its picture is not
            kpa = parse_number(table.path.name, row, patient, KPA, cells.get("kpa", ""), problems)
            device = cells.get("device") or None
            requests.append(Request(row, file, patient, modality, frame, kpa, roi, click, device))
    return requests


def as_on_disk(file: str, roots: Sequence[Path]) -> str:
    """A file's name as the disk has it, where one name there differs from it only in how letters are spelled (NFC, NFD)
    or in the case of its suffix; else the name as it came."""
    if not file or any(refuse_file(root, file) is None for root in roots):
        return file
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
