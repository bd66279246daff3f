"""Reading P.csv and I.csv as people really save them: with a BOM, with semicolons, in another encoding.

Values are kept as text until their column says what they are; nothing is guessed but the delimiter, and that
only among comma, semicolon and tab, by which of them splits the header into the columns we need.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fibrostage.ground.errors import IntakeError, Problems, nearest
from fibrostage.ground.words import tidy

DELIMITERS = (",", ";", "\t")
SEPARATOR = re.compile(r"sep=(.)", re.IGNORECASE)


@dataclass(frozen=True)
class CsvTable:
    """A CSV's header and rows; `rows` holds (line number in the file, column → stripped text)."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[tuple[int, dict[str, str]], ...]


def read_csv(path: Path, needed: Sequence[str], problems: Problems, encoding: str = "utf-8") -> CsvTable:
    """Reads a CSV that has the `needed` columns, and notes rows of another length than the header's as problems.

    Raises `IntakeError` where the file cannot be read or decoded, is empty, lacks a column, repeats one, or has no
    rows.
    """
    text = read_text(path, encoding).replace("\r\n", "\n").replace("\r", "\n")
    first, _, rest = text.partition("\n")
    announced = SEPARATOR.fullmatch(first.strip().strip('"'))
    if announced:  # a line that spreadsheets write and read
        text = "\n" + rest
    lines = text.splitlines()
    if not any(line.strip() for line in lines):
        raise IntakeError(f"{path} is empty; it needs the columns {', '.join(needed)}")
    header = next(line for line in lines if line.strip())
    delimiter = (
        announced[1] if announced else max(DELIMITERS, key=lambda mark: len(set(needed) & set(names_in(header, mark))))
    )
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    columns: tuple[str, ...] = ()
    rows = []
    for cells in tolerant(reader, path):
        if not any(cell.strip() for cell in cells):
            continue
        if not columns:
            columns = tuple(tidy(cell) for cell in cells)
            check_header(path, columns, needed)
            continue
        if len(cells) != len(columns):
            problems.add(path.name, f"has {len(cells)} values, the header has {len(columns)}", row=reader.line_num)
            continue
        values = (tidy(cell) for cell in cells)
        rows.append((reader.line_num, dict(zip(columns, values, strict=True))))
    if not rows and not len(problems):
        raise IntakeError(f"{path} has a header and no rows")
    return CsvTable(path, columns, tuple(rows))


def tolerant(reader: Iterator[list[str]], path: Path) -> Iterator[list[str]]:
    """Yields the reader's rows; raises `IntakeError` where the csv module cannot read one."""
    try:
        yield from reader
    except csv.Error as error:
        raise IntakeError(f"{path} cannot be read as a CSV: {error}") from None


def names_in(header: str, delimiter: str) -> list[str]:
    """The column names that a delimiter would make of a header; none where it makes a monster of it."""
    try:
        return [tidy(cell) for cell in next(csv.reader([header], delimiter=delimiter))]
    except csv.Error:
        return []


def read_text(path: Path, encoding: str) -> str:
    """Returns the text of a file, without its byte-order mark where it is UTF-8.

    Raises `IntakeError` where there is no such file, it cannot be read, or the encoding is unknown or does not fit it.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise IntakeError(f"no file {path}") from None
    except OSError as error:
        raise IntakeError(f"cannot read {path}: {error.strerror}") from None
    try:
        return data.decode("utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding)
    except LookupError:
        raise IntakeError(f"--encoding {encoding!r} is not an encoding Python knows") from None
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise IntakeError(
            f"{path} line {line} is not {encoding} text; save it as UTF-8, or name its encoding with "
            "--encoding (gb18030, cp1252, …)"
        ) from None


def check_header(path: Path, columns: Sequence[str], needed: Sequence[str]) -> None:
    """Raises `IntakeError` where a header repeats a column or lacks one that is needed."""
    repeated = sorted({column for column in columns if columns.count(column) > 1})
    if repeated:
        raise IntakeError(f"{path}: the header repeats {', '.join(map(repr, repeated))}")
    for column in needed:
        if column not in columns:
            raise IntakeError(
                f"{path}: column {column!r} is missing{nearest(column, columns)}; the header has {', '.join(columns)}"
            )
