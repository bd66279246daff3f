"""Reading P.csv and I.csv as people really save them: with a BOM, with semicolons, in another encoding, as a workbook.

Values are kept as text until their column says what they are; nothing is guessed but the delimiter, and that only among
comma, semicolon, tab and bar, by which of them splits the header into the columns we need. All else is a
`TableReading`, which the owner of a table writes.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fibrostage.csv_tables.reading import TableReading, TableRecord
from fibrostage.csv_tables.way_forward import columns_line, encoding_line
from fibrostage.csv_tables.workbook import is_workbook, workbook_rows
from fibrostage.csv_tables.writer import as_meant
from fibrostage.ground.errors import IntakeError, Problems, nearest
from fibrostage.ground.files import read_whole
from fibrostage.ground.words import tidy

DELIMITERS = (",", ";", "\t", "|")
SEPARATOR = re.compile(r"sep=(.)", re.IGNORECASE)
MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}  # first bytes that tell an encoding
ID, STAGE = "patient_id", "stage"


@dataclass(frozen=True)
class CsvTable:
    """A table's header and rows; `rows` holds (line number in the file, column → stripped text). `reading` is what its
    owner said of it, None where nobody was asked, and `record` how often that was used."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[tuple[int, dict[str, str]], ...]
    reading: TableReading | None = None
    record: TableRecord = field(default_factory=TableRecord)


def read_csv(
    path: Path,
    needed: Sequence[str],
    problems: Problems,
    encoding: str = "utf-8",
    reading: TableReading | None = None,
) -> CsvTable:
    """Reads a CSV, or a sheet of a workbook, that has the `needed` columns, and notes rows of another length than the
    header's as problems. With a `reading` it is read by that, which has an encoding of its own.

    Raises `IntakeError` where the file cannot be read or decoded, is empty, lacks a column, repeats one, or has no
    rows.
    """
    rules, record = reading or TableReading(encoding=encoding), TableRecord()
    columns: tuple[str, ...] = ()
    rows = []
    for number, cells in rows_of(path, needed, rules, reading is not None):
        if not any(cell.strip() for cell in cells):
            continue
        if not columns:
            columns = renamed([as_meant(tidy(cell)) for cell in cells], rules)
            check_header(path, columns, needed, reading is not None)
            continue
        if len(cells) != len(columns):
            at = columns.index(ID) if ID in columns else len(cells)
            patient = rules.filled(as_meant(tidy(cells[at]))) if at < len(cells) else None
            reason = f"has {len(cells)} values, the header has {len(columns)}"
            problems.add(path.name, reason, row=number, patient_id=patient or None)
            continue
        rows.append((number, dict(zip(columns, read_cells(cells, columns, rules, record), strict=True))))
    if not columns:
        raise IntakeError(f"{path} is empty; it needs the columns {', '.join(needed)}")
    if not rows and not len(problems):
        raise IntakeError(f"{path} has a header and no rows")
    return CsvTable(path, columns, tuple(rows), reading, record)


def read_cells(cells: Sequence[str], columns: Sequence[str], rules: TableReading, record: TableRecord) -> Iterator[str]:
    """Yields a row's cells as they were meant: nothing where they hold what was said to be no value, the stage that was
    said to be meant, ids with their zeros. What was done is counted in `record`."""
    for column, cell in zip(columns, cells, strict=True):
        text = as_meant(tidy(cell))
        if text and rules.is_missing(text):
            record.missing[column] += 1
            text = ""
        if column == STAGE and text in rules.stages:
            record.stages[text, rules.stages[text]] += 1
            text = rules.stages[text]
        if column == ID and (filled := rules.filled(text)) != text and text:
            record.filled += 1
            text = filled
        yield text


def renamed(header: Sequence[str], rules: TableReading) -> tuple[str, ...]:
    """The header by our names, where the owner said which of their own are meant."""
    return tuple(rules.columns.get(name, name) for name in header)


def rows_of(path: Path, needed: Sequence[str], rules: TableReading, asked: bool) -> Iterator[tuple[int, list[str]]]:
    """Yields (row or line number, cells) of a table of either kind; raises `IntakeError` where it cannot be read."""
    data = read_bytes(path)
    if is_workbook(data):
        yield from workbook_rows(path, rules.sheet, rules.decimal)
        return
    text = decoded(path, data, rules.encoding, asked).replace("\r\n", "\n").replace("\r", "\n")
    first, _, rest = text.partition("\n")
    announced = SEPARATOR.fullmatch(first.strip().strip('"'))
    if announced:  # a line that spreadsheets write and read
        text = "\n" + rest
    header = next((line for line in text.splitlines() if line.strip()), "")
    wanted = {*needed, *(name for name, meant in rules.columns.items() if meant in needed)}
    delimiter = announced[1] if announced else rules.delimiter or delimiter_of(header, wanted)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    for cells in tolerant(reader, path):
        yield reader.line_num, cells


def delimiter_of(header: str, wanted: set[str]) -> str:
    """The sign that splits a header into most of the columns that are wanted, and then into most columns."""
    split = {mark: names_in(header, mark) for mark in DELIMITERS}
    return max(DELIMITERS, key=lambda mark: (len(wanted & set(split[mark])), len(split[mark])))


def tolerant(reader: Iterator[list[str]], path: Path) -> Iterator[list[str]]:
    """Yields the reader's rows; raises `IntakeError` where the csv module cannot read one."""
    try:
        yield from reader
    except csv.Error as error:
        raise IntakeError(f"{path} cannot be read as a CSV: {error}") from None


def names_in(header: str, delimiter: str) -> list[str]:
    """The column names that a delimiter would make of a header; none where it makes a monster of it."""
    try:
        return [as_meant(tidy(cell)) for cell in next(csv.reader([header], delimiter=delimiter))]
    except csv.Error:
        return []


def read_bytes(path: Path) -> bytes:
    """A file's bytes; raises `IntakeError` where there is no such file, or it cannot be read."""
    try:
        return read_whole(path)
    except FileNotFoundError:
        raise IntakeError(f"no file {path}") from None
    except OSError as error:
        raise IntakeError(f"cannot read {path}: {error.strerror}") from None


def decoded(path: Path, data: bytes, encoding: str, asked: bool) -> str:
    """The text in a file's bytes, without a byte-order mark. A mark that tells an encoding is believed where none was
    named but UTF-8. `asked` says that there is a plan, whose line would name another.

    Raises `IntakeError` where the encoding is unknown or does not fit, or the text holds NUL signs.
    """
    usual = encoding.lower() in ("utf-8", "utf8")
    told = next((name for mark, name in MARKS.items() if usual and data.startswith(mark)), encoding)
    try:
        text = data.decode("utf-8-sig" if told.lower() in ("utf-8", "utf8") else told)
    except LookupError:
        raise IntakeError(f"--encoding {encoding!r} is not an encoding Python knows") from None
    except UnicodeDecodeError as error:
        check_no_nul(path, data.decode("latin-1"))
        line = data[: error.start].count(b"\n") + 1
        raise IntakeError(
            f"{path} line {line} is not {told} text; save it as UTF-8, or name its encoding with "
            f"--encoding (gb18030, cp1252, …){encoding_line(data) if asked else ''}"
        ) from None
    check_no_nul(path, text)
    return text


def check_no_nul(path: Path, text: str) -> None:
    """Raises `IntakeError` where a text holds signs of the value 0, as UTF-16 does that was taken for another encoding,
    and damaged files do."""
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise IntakeError(
            f"{path} line {line} holds signs of the value 0, which no text has: save it as UTF-8, or where it is "
            "UTF-16 without a mark name that with --encoding (utf-16-le, utf-16-be)"
        )


def check_header(path: Path, columns: Sequence[str], needed: Sequence[str], asked: bool = False) -> None:
    """Raises `IntakeError` where a header repeats a column or lacks one that is needed; `asked` says that there is a
    plan, whose line would say which column is meant."""
    repeated = sorted({column for column in columns if columns.count(column) > 1})
    if repeated:
        raise IntakeError(f"{path}: the header repeats {', '.join(map(repr, repeated))}")
    missing = [column for column in needed if column not in columns]
    if missing:
        line = columns_line(missing, columns, needed) if asked else ""
        raise IntakeError(
            f"{path}: column {missing[0]!r} is missing{nearest(missing[0], columns)}; the header has "
            f"{', '.join(columns)}{line}"
        )
