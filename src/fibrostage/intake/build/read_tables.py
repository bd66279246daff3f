"""P.csv and I.csv as the plan says they are written: who there is, which pictures are asked for, and what was done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import polars as pl

from fibrostage.cohort.measurements import SEX
from fibrostage.csv_tables.reader import CsvTable, read_csv
from fibrostage.csv_tables.reading import TableReading, TableRecord
from fibrostage.ground.errors import IntakeError, Problems, nearest
from fibrostage.ground.files import Json
from fibrostage.ground.quantities import KPA, Quantity
from fibrostage.ground.units import check_stated
from fibrostage.intake.build.find_files import Sources
from fibrostage.intake.read.tables import NO_MORE, Request, parse_patients, parse_requests
from fibrostage.markers import MARKERS, measured
from fibrostage.plan.run_plan import Plan

PATIENTS = ("patient_id", "stage")
PICTURES = ("file", "patient_id", "modality")
LARGEST = 1e12  # of a value that only the user knows


@dataclass(frozen=True)
class TablesRead:
    """What the tables say: `patients` is None without P.csv, and `requests` without I.csv. `counted` is how often each
    rule of the plan was used, by table; `caveats` are what a reader of the cohort must know of it."""

    patients: pl.DataFrame | None = None
    requests: list[Request] | None = None
    counted: dict[str, Json] = field(default_factory=dict)
    caveats: tuple[str, ...] = ()


def reading_of(plan: Plan, encoding: str | None = None, pictures: bool = False) -> TableReading:
    """How the plan says that the table of patients is written, or that of the pictures; an `encoding` that was named on
    the command line goes before the plan's."""
    said = plan.table
    return TableReading(
        columns=said.columns,
        missing=frozenset(text.casefold() for text in said.missing),
        decimal=said.decimal,
        delimiter=said.delimiter,
        encoding=encoding or said.encoding or "utf-8",
        sheet=said.images_sheet if pictures else said.sheet,
        stages=said.stages,
        units=plan.stated_units,
        censored=said.censored,
        id_digits=said.id_digits,
    )


def read_tables(
    sources: Sources,
    plan: Plan,
    problems: Problems,
    notes: Problems,
    other_tables: bool = False,
    own: Mapping[str, Quantity] = NO_MORE,
) -> TablesRead:
    """Reads the tables that there are; rows that are bad go to `problems`, and who is excluded to `notes`.
    `other_tables` says that the plan was written for others, whose columns these need not have; `own` are columns that
    are numbers, beside the measured ones.

    Raises `IntakeError` where one cannot be read, I.csv comes without P.csv, or the plan speaks of a column that
    neither has; `PlanError` for a unit or a measured column that is unknown.
    """
    check_stated({**measured(), KPA.column: KPA}, plan.stated_units)
    if sources.patients is None:
        if sources.images is not None:
            raise IntakeError("images.csv names patients: give their table too, with --patients")
        return TablesRead()
    table = read_csv(sources.patients, PATIENTS, problems, reading=reading_of(plan, sources.encoding))
    patients = parse_patients(table, plan.staging.whole(), problems, notes, own)
    tables, requests = [table], None
    if sources.images is not None:
        encoding = sources.images_encoding or sources.encoding
        rows = read_csv(sources.images, PICTURES, problems, reading=reading_of(plan, encoding, pictures=True))
        tables.append(rows)
        studied = set(patients["patient_id"])
        told = (problem.patient_id or "" for problem in (*notes, *problems))  # of a refused patient one line is enough
        excluded = frozenset(patient for patient in told if patient not in studied)
        names = tuple(modality.name for modality in plan.modality)
        clicked = frozenset(modality.name for modality in plan.modality if modality.fit == "click")
        requests = parse_requests(rows, sources.folders, studied, names, problems, excluded, clicked)
    if not other_tables:
        check_columns(plan, tables)
    counted: dict[str, Json] = {one.path.name: one.record.as_dict() for one in tables if one.record.as_dict()}
    return TablesRead(patients, requests, counted, tuple(caveats_of(table.record, plan.table.censored)))


def own_columns(plan: Plan) -> dict[str, Quantity]:
    """The columns of the plan's tables that nobody else knows: numbers without a unit, of any size."""
    known = {*measured(), *MARKERS.names(), SEX}
    names = (name for table in plan.tables for name in table.columns if name not in known)
    return {name: Quantity(name, "in size", -LARGEST, LARGEST) for name in names}


def check_columns(plan: Plan, tables: Iterable[CsvTable]) -> None:
    """Raises `IntakeError` where the plan says of a column what it is, and no table has it."""
    known = [column for table in tables for column in table.columns]
    for written, meant in plan.table.columns.items():
        if meant not in known:
            raise IntakeError(
                f"table.columns says that {written!r} is {meant!r}, and no table has a column {written!r}"
                f"{nearest(written, known)}"
            )


def caveats_of(record: TableRecord, rule: str) -> list[str]:
    """What must be known of values that were not measured as they stand: a sentence for each column."""
    columns = dict.fromkeys(column for column, _ in record.censored)
    found = []
    for column in columns:
        texts = {text: count for (name, text), count in record.censored.items() if name == column}
        total, shown = sum(texts.values()), ", ".join(list(texts)[:4]) + (", …" if len(texts) > 4 else "")
        done = "which stands for it" if rule == "bound" else "and it counts as missing"
        found.append(f"of {total} value{'s' if total > 1 else ''} of {column} only a bound is known ({shown}), {done}")
    return found
