"""A sheet of a workbook (.xlsx, .xls, .xlsb, .ods) as rows of text, as a CSV would have them.

Cells keep what they hold, not how they are shown: a 7 that a format shows as 007 is 7. Which sheet is meant is never
guessed where several hold something.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from pathlib import Path

from fibrostage.ground.errors import IntakeError, nearest

WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # the first bytes of zipped and of old ones
Cell = object


def is_workbook(start: bytes) -> bool:
    """Whether a file that begins so may be a workbook."""
    return start.startswith(WORKBOOKS)


def sheets_of(path: Path) -> dict[str, list[list[Cell]]]:
    """The rows of each sheet of a workbook that is not hidden. Raises `IntakeError` where it cannot be read."""
    try:
        from python_calamine import CalamineError, CalamineWorkbook, SheetVisibleEnum
    except ImportError:
        raise IntakeError(
            f"{path} is a workbook, which needs the extra 'tables' (pip install \".[tables]\"); or save it as CSV"
        ) from None
    try:
        book = CalamineWorkbook.from_path(path)
        shown = [one.name for one in book.sheets_metadata if one.visible == SheetVisibleEnum.Visible]
        return {name: book.get_sheet_by_name(name).to_python(skip_empty_area=False) for name in shown}
    except CalamineError as error:
        raise IntakeError(f"{path} cannot be read as a workbook: {error}") from None


def full_sheets(sheets: Mapping[str, list[list[Cell]]]) -> list[str]:
    """The names of the sheets with something in them."""
    return [name for name, rows in sheets.items() if any(cell != "" for row in rows for cell in row)]


def workbook_rows(path: Path, sheet: str | None, decimal: str) -> Iterator[tuple[int, list[str]]]:
    """Yields (row number from 1, cells) of a workbook's only sheet with something in it, or of the one that is named;
    numbers are written with `decimal`. Columns that are empty throughout are left out.

    Raises `IntakeError` where it cannot be read, several sheets hold something and none is named, or there is no such
    sheet.
    """
    rows = sheets_of(path)
    full = full_sheets(rows)
    if sheet is not None and sheet not in rows:
        raise IntakeError(f"{path} has no sheet {sheet!r}{nearest(sheet, rows)}; it has {', '.join(rows)}")
    if sheet is None and len(full) > 1:
        raise IntakeError(
            f"{path} has {len(full)} sheets with something in them: {', '.join(full)}; say which is meant in the plan: "
            f'[table] sheet = "{full[0]}" (images_sheet for the pictures), or save it as CSV'
        )
    if not full:
        return
    chosen = rows[sheet if sheet is not None else full[0]]
    used = [column for column in range(max(map(len, chosen), default=0)) if any(has(row, column) for row in chosen)]
    for number, row in enumerate(chosen, start=1):
        yield number, [text_of(row[column], decimal) if column < len(row) else "" for column in used]


def has(row: list[Cell], column: int) -> bool:
    """Whether a row holds something in a column."""
    return column < len(row) and row[column] != ""


def text_of(cell: Cell, decimal: str) -> str:
    """A cell as text: whole numbers without a point, days as YYYY-MM-DD."""
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 2**53 else repr(cell).replace(".", decimal)
    if isinstance(cell, datetime.datetime) and cell.time() == datetime.time():
        return cell.date().isoformat()
    return str(cell)
