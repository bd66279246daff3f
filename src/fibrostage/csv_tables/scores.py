"""Tables of scores as people have them: CSV in, numbers out, missing cells counted, nothing repaired."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fibrostage import SIMULATED
from fibrostage.csv_tables.reader import CsvTable, read_csv
from fibrostage.csv_tables.reading import TableReading
from fibrostage.ground.errors import IntakeError, Problems

MISSING = frozenset({"", "na", "n/a", "nan", "null"})  # how spreadsheets and R write "no value"


def read_table(path: Path, needed: tuple[str, ...], encoding: str, reading: TableReading | None = None) -> CsvTable:
    """Reads a table with every row whole, by a `reading` where there is one; raises `IntakeError` with all that is
    wrong."""
    problems = Problems()
    table = read_csv(path, needed, problems, encoding, reading)
    if len(problems):
        raise IntakeError(f"{path} cannot be read:\n{problems.text()}", problems)
    return table


def is_missing(text: str) -> bool:
    """Says whether a cell holds no value, as spreadsheets and R write it."""
    return text.lower() in MISSING


def texts(table: CsvTable, column: str) -> NDArray[np.object_]:
    """Returns a column's cells [rows] as text, None where missing."""
    return np.array([None if is_missing(cells[column]) else cells[column] for _, cells in table.rows], dtype=object)


def numbers(table: CsvTable, column: str) -> NDArray[np.float64]:
    """Returns a column [rows] as numbers, NaN where missing; raises `IntakeError` naming rows with anything else."""
    problems = Problems()
    values = np.full(len(table.rows), np.nan)
    for index, (row, cells) in enumerate(table.rows):
        if is_missing(cells[column]):
            continue
        try:
            value = float(cells[column])
        except ValueError:
            problems.add(table.path.name, f"{column} = {cells[column]!r} is not a number", row=row)
            continue
        if not np.isfinite(value):
            problems.add(table.path.name, f"{column} = {cells[column]!r} is not finite", row=row)
            continue
        values[index] = value
    if len(problems):
        raise IntakeError(
            f"column {column!r} must hold numbers (blank or NA = missing):\n{problems.text(10)}", problems
        )
    return values


def is_simulated(table: CsvTable) -> bool:
    """Whether the table says of any row that it comes from the simulated cohort."""
    return any(cells.get("origin") == SIMULATED for _, cells in table.rows)
