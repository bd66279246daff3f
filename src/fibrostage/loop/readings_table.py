"""Everything that readers said, as tables: a row a reading, a row a box that was drawn anew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from fibrostage.cohort.tables import CROP
from fibrostage.csv_tables.writer import csv_text
from fibrostage.ground.errors import RunError
from fibrostage.ground.files import Json, write_text
from fibrostage.ground.geometry import between, clipped
from fibrostage.ledger.events import ANSWERS
from fibrostage.ledger.ledger import read_events
from fibrostage.ledger.state import Reading
from fibrostage.loop.opened import Loop

READINGS = ("item", "patient_id", "reader", "stage", "comment", "at")
PICTURE = ("image_id", "patient_id", "modality", "source", "frame")
BOXES = (*PICTURE, "x", "y", "w", "h", "reader", "at", "crop", "roi_x", "roi_y", "roi_w", "roi_h")


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
    """Writes the latest box that was drawn on each picture, in its stored pixels and, as `roi_…`, in its source's, in
    the order in which they were drawn; returns how many.

    Raises `RunError` where the file exists or cannot be written.
    """
    pictures = {row["sha256"]: row for row in loop.setting.cohort.images.iter_rows(named=True)}
    latest: dict[str, tuple[Json, ...]] = {}
    for event in read_events(folder, ledger_url):
        for sha, box in (event.payload.get("boxes") or {}).items() if event.kind in ANSWERS else ():
            if sha in pictures:
                own = pictures[sha]
                named = tuple(own[name] for name in PICTURE)
                size = loop.setting.cohort.modality(own["modality"]).size
                latest.pop(sha, None)
                latest[sha] = (*named, *box, event.who, event.at, own["crop"], *in_source(own, box, size))
    return write_rows(target, BOXES, latest.values())


def in_source(picture: Mapping[str, Json], box: Sequence[int], size: int) -> tuple[int | None, ...]:
    """A box (x, y, w, h) in a picture's `size` stored pixels as (x, y, w, h) in its source's, as far as it lies there;
    four times None where a cohort does not say where the picture was cut, or the box lies beside its source."""
    nowhere = (None,) * 4
    cut = [picture.get(name) for name in CROP]
    width, height = picture["source_width"], picture["source_height"]
    if None in cut or width is None or height is None:
        return nowhere
    left, top, across, down = (int(str(each)) for each in cut)
    x, y, w, h = box
    roi = between(
        left + round(x * across / size), top + round(y * down / size),
        left + round((x + w) * across / size), top + round((y + h) * down / size),
    )  # fmt: skip
    inside = clipped(roi, int(str(width)), int(str(height)))
    return (inside.x, inside.y, inside.width, inside.height) if inside.width > 0 and inside.height > 0 else nowhere


def write_rows(target: Path, columns: Sequence[str], rows: Iterable[Sequence[Json]]) -> int:
    """Writes a CSV, whole or not at all; returns its rows. Raises `RunError` where it is there already."""
    if target.exists():
        raise RunError(f"{target} exists; choose another --out")
    made = list(rows)
    write_text(target, csv_text(columns, made))
    return len(made)
