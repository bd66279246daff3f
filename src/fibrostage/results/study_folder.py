"""A study's folder: study.json, its tables as parquet and CSV, and runs/, a folder a run.

The only place that knows how a study's files are called.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from pydantic import ConfigDict, ValidationError

from fibrostage.csv_tables.writer import write_csv
from fibrostage.ground.errors import RunError
from fibrostage.ground.files import read_json, replace_file, write_json
from fibrostage.results.metrics import ParticipantFlow, Record, told
from fibrostage.results.run_folder import RunFolder, read_parquet, write_parquet

RESULTS, CURVES, EFFICIENCY, PUBLISHED, COUNTED = "results", "curves", "efficiency", "published", "counted"
COMMON, BUDGETS = "common", "budgets"
SCORES, COMPARISON, PICTURES, CUTOFFS = "scores", "comparison", "pictures", "cutoffs"
BESIDE = {True: (COMPARISON, PICTURES, CUTOFFS), False: (EFFICIENCY,)}  # by whether the study is supervised


class Compared(Record):
    """The study file's [compare], as study.json keeps it."""

    reference: str | None = None


class StudyRecord(Record):
    """study.json: the study's file, and what became of its runs; its other keys are the file's own."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str
    runs: tuple[str, ...]
    methods: dict[str, str]
    failures: dict[str, str]
    supervised: bool = False
    compare: Compared = Compared()
    flow: ParticipantFlow | None = None
    paper: str = ""
    published: tuple[dict[str, str | float | None], ...] = ()
    counted: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class StudyFolder:
    """The files of one study."""

    path: Path

    @property
    def record_file(self) -> Path:
        return self.path / "study.json"

    @property
    def runs_folder(self) -> Path:
        return self.path / "runs"

    @property
    def finished(self) -> bool:
        return self.table_file(RESULTS).is_file()

    def table_file(self, name: str) -> Path:
        """Returns where a table of the study is as parquet; its CSV stands beside it."""
        return self.path / f"{name}.parquet"

    def source_folder(self, name: str) -> Path:
        """The run that networks of the study take their first weights from."""
        return self.path.resolve() / "sources" / name

    def run(self, name: str) -> RunFolder:
        """Returns the folder of the run of a name, whether it is there or not."""
        return RunFolder(self.runs_folder / name)

    def runs(self, record: StudyRecord) -> Iterator[RunFolder]:
        """Yields the folders of the runs that a study's record names, in its order."""
        return (self.run(name) for name in record.runs)

    def read(self) -> StudyRecord:
        """Reads study.json; raises `RunError` when it is missing or damaged."""
        try:
            return StudyRecord.model_validate(read_json(self.record_file))
        except ValidationError as error:
            raise RunError(f"{self.record_file} is damaged: {told(error)} is missing or not what it must be") from None

    def write(self, record: StudyRecord) -> None:
        """Writes study.json, whole or not at all; raises `RunError`."""
        content = record.model_dump(mode="json", exclude_none=True)
        write_json(self.record_file, content)

    def read_table(self, name: str) -> pl.DataFrame:
        """Reads a table of the study by name; raises `RunError` when it is missing or damaged."""
        return read_parquet(self.table_file(name))

    def write_table(self, name: str, table: pl.DataFrame) -> None:
        """Writes a table as parquet and as CSV; raises `RunError`."""
        path = self.table_file(name)
        write_parquet(path, table)
        replace_file(path.with_suffix(".csv"), lambda temporary: write_csv(table, temporary))

    def remove_table(self, name: str) -> None:
        """Removes a table, in both forms, where there is one."""
        for path in (self.table_file(name), self.table_file(name).with_suffix(".csv")):
            path.unlink(missing_ok=True)

    def beside(self, record: StudyRecord) -> dict[str, pl.DataFrame]:
        """What stands beside the results, and a program would read: by name."""
        names = [*BESIDE[record.supervised], *([PUBLISHED] if record.published else [])]
        names += [COUNTED] if record.counted else []
        names += [name for name in (COMMON, BUDGETS) if self.table_file(name).is_file()]
        return {name: self.read_table(name) for name in names}
