"""Everything that readers said, as tables: a row a reading, a row a box that was drawn anew."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from fibrostage.csv_tables.writer import csv_text
from fibrostage.ground.errors import RunError
from fibrostage.ground.files import Json, write_text
from fibrostage.ledger.events import ANSWERS
from fibrostage.ledger.ledger import read_events
from fibrostage.ledger.state import Reading
from fibrostage.loop.opened import Loop

READINGS = ("item", "patient_id", "reader", "stage", "comment", "at")
BOXES = ("image_id", "patient_id", "modality", "source", "frame", "x", "y", "w", "h", "reader", "at")


def readings_said(loop: Loop) -> list[tuple[str, str, str, int]]:
    """Every reading that was not taken back, in the order of time: item, patient, reader, and the stage's index, −1
    where none could be told."""
    return [(loop.text(item), loop.patient_id(item), each.who, each.stage) for item, each in in_time(loop)]


def in_time(loop: Loop) -> list[tuple[int, Reading]]:
    """Every item's readings in the order of time."""
    own = [(item, each) for item, readings in loop.state.readings.items() for each in readings]
    return sorted(own, key=lambda pair: pair[1].seq)


def write_readings(loop: Loop, target: Path) -> int:
    """Writes every reading; returns how many. Raises `RunError` where the file exists or cannot be written."""
    rows = [
        (
            loop.text(item), loop.patient_id(item), each.who,
            loop.classes[each.stage] if each.stage >= 0 else each.reason, each.comment, each.at,
        )
        for item, each in in_time(loop)
    ]  # fmt: skip
    return write_rows(target, READINGS, rows)


def write_boxes(loop: Loop, folder: Path, target: Path, ledger_url: str | None = None) -> int:
    """Writes the latest box that was drawn on each picture, in its stored pixels; returns how many.

    Raises `RunError` where the file exists or cannot be written.
    """
    pictures = {row["sha256"]: row for row in loop.setting.cohort.images.iter_rows(named=True)}
    latest: dict[str, tuple[Json, ...]] = {}
    for event in read_events(folder, ledger_url):
        for sha, box in (event.payload.get("boxes") or {}).items() if event.kind in ANSWERS else ():
            if sha in pictures:
                own = pictures[sha]
                named = tuple(own[name] for name in BOXES[:5])
                latest[sha] = (*named, *box, event.who, event.at)
    return write_rows(target, BOXES, latest.values())


def write_rows(target: Path, columns: Sequence[str], rows: Iterable[Sequence[Json]]) -> int:
    """Writes a CSV, whole or not at all; returns its rows. Raises `RunError` where it is there already."""
    if target.exists():
        raise RunError(f"{target} exists; choose another --out")
    made = list(rows)
    write_text(target, csv_text(columns, made))
    return len(made)
