"""Boxes that readers drew anew on a cohort's pictures, as `loop export --boxes` writes them: of which picture, and
where in its source. An intake of the same files then cuts those pictures around them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from fibrostage.csv_tables.reader import CsvTable
from fibrostage.ground.errors import Problems
from fibrostage.ground.geometry import Rectangle
from fibrostage.intake.read.tables import ROI_COLUMNS, parse_roi, parse_whole

PANEL = "crop"  # which of several pictures of one frame, as the images table says it
COLUMNS = ("source", "modality", "frame", PANEL, *ROI_COLUMNS)


@dataclass(frozen=True)
class PictureKey:
    """A picture by where it comes from: its source as the cohort names it, its modality, the frame of a loop, and which
    of two panels; frame and panel are None where there is one."""

    source: str
    modality: str
    frame: int | None
    panel: int | None

    def __str__(self) -> str:
        frame = "" if self.frame is None else f", frame {self.frame}"
        return f"{self.modality} of the source {self.source!r}{frame}"


def parse_drawn(table: CsvTable, clicked: Collection[str], problems: Problems) -> dict[PictureKey, Rectangle]:
    """Reads a table of COLUMNS: the box of each picture in pixels of its source, the last one where it has several.

    The crops of a `clicked` modality are one picture. Rows with a problem are noted and left out.
    """
    boxes: dict[PictureKey, Rectangle] = {}
    for row, cells in table.rows:
        before = len(problems)

        def note(reason: str, row: int = row) -> None:
            problems.add(table.path.name, reason, row=row)

        frame, panel = (parse_whole(cells[column], column, note) for column in ("frame", PANEL))
        roi = parse_roi(cells, note)
        if roi is None and len(problems) == before:
            note(
                f"has no {', '.join(ROI_COLUMNS)}: the cohort was taken in before it was kept where crops lie in their "
                "source; take the files in again, join that cohort to the loop, and draw the box there"
            )
        if roi is not None:
            modality = cells["modality"]
            boxes[PictureKey(cells["source"], modality, frame, None if modality in clicked else panel)] = roi
    return boxes
