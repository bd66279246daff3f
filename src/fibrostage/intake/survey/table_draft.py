"""From a hospital's table to the [table] and [staging] that would read it, each line with the count it rests on.

What a line would change that only its owner can know (a unit, what "<5" stands for) is drafted behind a #, to be
confirmed by taking it away.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fibrostage.csv_tables.headers import KEYS, meant_by
from fibrostage.csv_tables.reader import read_bytes, rows_of
from fibrostage.csv_tables.reading import BOUND, TableReading
from fibrostage.csv_tables.way_forward import COMMA, ENCODINGS, NOTHING, class_like, quoted
from fibrostage.csv_tables.workbook import full_sheets, is_workbook, sheets_of
from fibrostage.ground.errors import IntakeError
from fibrostage.ground.stage import ISHAK, KNOWN, METAVIR, Staging
from fibrostage.ground.units import suspicions
from fibrostage.ground.words import tidy
from fibrostage.intake.read.numbers import number_of
from fibrostage.markers import measured

UNSURE = "UNSURE: "
NAMES = ("patient_id", "stage", "file", "modality", "site", "sex", "kpa", "device", "frame")


@dataclass
class Drafted:
    """What a table's draft holds: live lines of [table] by key with their comment, lines behind a #, what is unsure,
    the columns by our names, and the staging system with its comment."""

    columns: dict[str, str] = field(default_factory=dict)
    lines: list[tuple[str, str]] = field(default_factory=list)
    asleep: list[tuple[str, str]] = field(default_factory=list)
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    staging: Staging | None = None
    staging_comment: str = ""
    decimal: str = "."
    missing: tuple[str, ...] = ()

    def column(self, name: str) -> list[str]:
        """The cells of a column by our name; none where the table lacks it."""
        meant = [self.columns.get(one, one) for one in self.header]
        at = meant.index(name) if name in meant else None
        return [] if at is None else [row[at] for row in self.rows]

    def all_lines(self, other: Drafted | None) -> list[tuple[str, str]]:
        """The live lines, with the columns of both tables where there is an `other`, which one line of a plan names."""
        columns = {**(other.columns if other else {}), **self.columns}
        pairs = ", ".join(f"{quoted(column)} = {quoted(meant)}" for column, meant in columns.items())
        first = [(f"columns = {{ {pairs} }}", f"by their names; {len(self.rows)} rows")] if columns else []
        sheet = [line for line in (other.lines if other else []) if line[0].startswith("images_sheet")]
        return [*first, *sheet, *self.lines]

    @property
    def known(self) -> list[str]:
        """The columns by our names."""
        return [self.columns.get(one, one) for one in self.header]


def table_draft(path: Path, needed: Sequence[str], encoding: str | None = None, key: str = "sheet") -> Drafted:
    """Drafts how a table is written that has to have the `needed` columns; `key` is what a plan calls its sheet.

    Raises `IntakeError` where it cannot be read at all, or is empty.
    """
    made = Drafted()
    data = read_bytes(path)
    told = encoding or "utf-8"
    if encoding is None and not is_workbook(data):
        told = encoding_of(data)
        if told != "utf-8":
            made.lines.append((f"encoding = {quoted(told)}", f"{UNSURE}no UTF-8; look whether its letters are right"))
    wanted = [alias for name in needed for alias in (name, *KEYS.get(name, ()))]
    sheet = likely_sheet(path, needed) if is_workbook(data) else None
    if sheet is not None:
        made.lines.append((f"{key} = {quoted(sheet)}", "the sheet whose header looks most like it"))
    table = [
        tuple(tidy(cell) for cell in cells)
        for _, cells in rows_of(path, wanted, TableReading(encoding=told, sheet=sheet), asked=False)
        if any(cell.strip() for cell in cells)
    ]
    if len(table) < 2:
        raise IntakeError(f"{path} has no rows to draft from; it needs the columns {', '.join(needed)}")
    made.header = table[0]
    made.rows = tuple(row for row in table[1:] if len(row) == len(made.header))
    draft_columns(made)
    draft_missing(made)
    draft_numbers(made)
    if "stage" in needed:
        draft_staging(made)
    return made


def likely_sheet(path: Path, needed: Sequence[str]) -> str | None:
    """The sheet of several whose first row has most of the `needed` columns, by whatever name; None where only one
    holds something. Raises `IntakeError` where the workbook cannot be read."""
    sheets = sheets_of(path)
    full = full_sheets(sheets)
    if len(full) < 2:
        return None

    def fits(name: str) -> int:
        first = next(row for row in sheets[name] if any(cell != "" for cell in row))
        header = [tidy(str(cell)) for cell in first]
        return sum(any(one == key or meant_by(one, [key]) for one in header) for key in needed)

    return max(full, key=fits)


def encoding_of(data: bytes) -> str:
    """UTF-8 or UTF-16 where the bytes are that, or the first of the usual encodings in which they can be read."""
    for name in ("utf-8", *ENCODINGS):
        try:
            data.decode(name)
        except UnicodeDecodeError:
            if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
                return "utf-8"  # the mark tells it
            continue
        return name
    return "utf-8"


def draft_columns(made: Drafted) -> None:
    """Says which columns seem to be ours under another name; the first where several may be one."""
    known = [*NAMES, *measured()]
    for column in made.header:
        meant = None if column in known else meant_by(column, known)
        if meant is not None and meant not in made.header and meant not in made.columns.values():
            made.columns[column] = meant


def draft_missing(made: Drafted) -> None:
    """Says which cells of columns that are read seem to hold no value."""
    numbers = set(measured())
    found: Counter[str] = Counter()
    for name in made.known:
        if name == "stage" or name in numbers:
            cells = made.column(name)
            found.update(cell for cell in cells if cell and (cell.casefold() in NOTHING or not re.search(r"\w", cell)))
    if found:
        made.missing = tuple(found)
        counts = ", ".join(f"{text} {count}×" for text, count in found.most_common())
        made.lines.append((f"missing = [{', '.join(map(quoted, found))}]", counts))


def draft_numbers(made: Drafted) -> None:
    """Says how numbers are written, and what is odd about them: bounds, and units that are not the usual ones."""
    numbers = {name: one for name, one in measured().items() if name in made.known}
    cells = {name: [cell for cell in made.column(name) if cell and cell not in made.missing] for name in numbers}
    every = [cell for own in cells.values() for cell in own]
    commas = sum(bool(COMMA.fullmatch(cell)) for cell in every)
    if commas:
        made.decimal = ","
        points = sum(bool(re.fullmatch(r"[+-]?\d+\.\d+", cell)) for cell in every)
        doubt = f"; {UNSURE}{points} have a point, which will be refused" if points else ""
        made.lines.append(('decimal = ","', f"{commas} of {len(every)} numbers have a comma{doubt}"))
    bounds = Counter(cell for cell in every if BOUND.fullmatch(cell))
    if bounds:
        shown = ", ".join(f"{text} {count}×" for text, count in bounds.most_common(4))
        told = f'{UNSURE}{shown}; "bound" takes the bound for the value, "missing" leaves it out'
        made.asleep.append(('censored = "bound"', told))
    values = {name: [number_of(cell, made.decimal) for cell in own] for name, own in cells.items()}
    arrays = {name: np.array([v for v in own if v is not None], dtype=np.float64) for name, own in values.items()}
    units = {name: (odd.other, str(odd)) for name, odd in suspicions(numbers, arrays, {}).items()}
    for name, own in arrays.items():
        refused = own[[numbers[name].refusal(value) is not None for value in own.tolist()]] if len(own) else own
        fits = [
            unit.unit for unit in numbers[name].others.values()
            if len(refused) and all(numbers[name].refusal(unit.convert(value)) is None for value in refused.tolist())
        ]  # fmt: skip
        if fits and name not in units:
            told = f"{len(refused)} of {len(own)} values of {name} cannot be {numbers[name].unit}"
            units[name] = fits[0], told
    if units:
        pairs = ", ".join(f"{name} = {quoted(unit)}" for name, (unit, _) in units.items())
        made.asleep.append((f"units = {{ {pairs} }}", UNSURE + "; ".join(why for _, why in units.values())))


def draft_staging(made: Drafted) -> None:
    """Says which system the stages are of, and which stage each value means that is written otherwise."""
    values = Counter(cell for cell in made.column("stage") if cell and cell not in made.missing)
    counts = ", ".join(f"{text} {count}×" for text, count in sorted(values.items())[:12])
    if not values:
        made.staging_comment = "nobody has a stage"
        return
    named = [one for one in KNOWN.values() if any(cell.strip().upper() in one.classes for cell in values)]
    digits = [int(text) for text in re.findall(r"\d+", " ".join(values))]
    system = named[0] if named else ISHAK if max(digits, default=0) > 4 else METAVIR
    meant = {text: class_like(text, system.classes) for text in values}
    if not any(meant.values()):
        made.staging_comment = f"{UNSURE}{counts}: of no known system ({', '.join(KNOWN)}); give your own classes"
        return
    made.staging = system
    doubt = "" if named else f"{UNSURE}numbers alone may be of any system ({', '.join(KNOWN)}); "
    made.staging_comment = doubt + counts
    others = {text: stage for text, stage in meant.items() if stage is not None and stage != text}
    if others:
        pairs = ", ".join(f"{quoted(text)} = {quoted(stage)}" for text, stage in sorted(others.items()))
        made.lines.append((f"stages = {{ {pairs} }}", doubt + f"{sum(values[text] for text in others)} patients"))
    unknown = [text for text, stage in meant.items() if stage is None]
    if unknown:
        pairs = ", ".join(f"{quoted(text)} = {quoted(system.classes[0])}" for text in unknown)
        made.asleep.append((f"stages = {{ {pairs} }}", f"{UNSURE}which stage of {system.name} is each?"))
