"""Losses and figures as a table, told as Accelerate tells its trackers: for whoever wants no other program."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

from accelerate.tracking import GeneralTracker

from fibrostage.ground.files import Json, write_json

COLUMNS = ("name", "step", "value")


class CsvTracker(GeneralTracker):  # type: ignore[misc]
    """values.csv, a row a value as soon as it is known, and about.json with what the run is of."""

    name = "csv"
    requires_logging_directory = True

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    @property
    def tracker(self) -> Path:
        """The table."""
        return self.folder / "values.csv"

    def start(self) -> None:
        """Makes the table, or goes on with the one that is there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.tracker.exists():
            self._add([COLUMNS])

    def store_init_configuration(self, values: Mapping[str, Json]) -> None:
        """Writes what the run is of."""
        write_json(self.folder / "about.json", values)

    def log(self, values: Mapping[str, float], step: int | None = None, **_: object) -> None:
        """Adds a row a value."""
        self._add([(name, step, f"{value:.9g}") for name, value in values.items()])

    def _add(self, rows: Iterable[tuple[object, ...]]) -> None:
        with self.tracker.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
