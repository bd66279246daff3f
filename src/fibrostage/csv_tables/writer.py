"""A table as the text of a CSV, as every one that people take away from here is written.

A spreadsheet takes a text that begins with one of = + - @ for a formula and runs it, whoever wrote it. Such a text gets
an apostrophe in front, by which spreadsheets know text; the reader of this room takes it away again. Numbers stay
numbers.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import polars as pl

NUMBER = r"^[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?( ?%)?$"
FORMULA = r"^'*\s*[=+\-@\t\r＝＋－＠]"  # with apostrophes in front too, so that one more can be told from one's own
KEPT_AS_TEXT = re.compile(r"'+\s*[=+\-@\t\r＝＋－＠]")


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """The header and the rows, each as long as the header, as a CSV with commas and a line feed after each line; texts
    that a spreadsheet would run have an apostrophe in front."""
    buffer = io.StringIO()
    safe = ([as_text(cell) for cell in row] for row in (columns, *rows))
    csv.writer(buffer, lineterminator="\n").writerows(safe)
    return buffer.getvalue()


def as_text(cell: object) -> object:
    """A cell as it is written: a text that a spreadsheet would run with an apostrophe in front, all else as it is."""
    if isinstance(cell, str) and re.match(FORMULA, cell) and not re.match(NUMBER, cell):
        return f"'{cell}"
    return cell


def as_meant(text: str) -> str:
    """A cell of a CSV without the apostrophe that `as_text` put in front."""
    return text[1:] if KEPT_AS_TEXT.match(text) else text


def write_csv(table: pl.DataFrame, path: Path) -> None:
    """Writes a frame as such a CSV. Raises `OSError` where it cannot be written."""
    texts = [name for name, kind in table.schema.items() if kind in (pl.String, pl.Categorical)]
    runs = [(pl.col(name).cast(pl.String), name) for name in texts]
    safe = table.with_columns(
        pl.when(cell.str.contains(FORMULA) & ~cell.str.contains(NUMBER))
        .then(pl.concat_str(pl.lit("'"), cell))
        .otherwise(cell)
        .alias(name)
        for cell, name in runs
    )
    safe.rename({name: str(as_text(name)) for name in safe.columns}).write_csv(path)
