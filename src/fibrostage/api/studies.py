"""Studies: a grid of runs and its tables; and the page of a run or a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from fibrostage.api.plans import PathGiven
from fibrostage.api.progress import default_progress
from fibrostage.ground.errors import RunError
from fibrostage.ground.progress import Progress
from fibrostage.report.forms import write_report as write_page
from fibrostage.results.study_folder import RESULTS, StudyFolder, StudyRecord
from fibrostage.study.engines import engine_named
from fibrostage.study.run_study import run_study as run_grid
from fibrostage.views.notebook import html_of
from fibrostage.views.table import TableView
from fibrostage.views.whole_study import study_tables


@dataclass(frozen=True)
class FinishedStudy:
    """A study in its folder; a notebook shows its tables."""

    path: Path

    @cached_property
    def record(self) -> StudyRecord:
        """What study.json says: the runs by name, and the reasons of those that failed."""
        return StudyFolder(self.path).read()

    @cached_property
    def results(self) -> pl.DataFrame:
        """A row a method and strategy, with figures and their intervals."""
        return StudyFolder(self.path).read_table(RESULTS)

    @cached_property
    def beside(self) -> dict[str, pl.DataFrame]:
        """The tables beside the results, by name: what labels bought, comparisons, what a paper published."""
        return StudyFolder(self.path).beside(self.record)

    def tables(self) -> list[TableView]:
        """The study's tables as people read them."""
        return study_tables(StudyFolder(self.path), self.record, self.results, self.beside)

    def _repr_html_(self) -> str:
        return html_of(*self.tables())


def open_study(folder: PathGiven) -> FinishedStudy:
    """Opens a study's folder. Raises `RunError` where it holds none that has results, or it is damaged.

    >>> open_study("STUDY").results["strategy"].to_list()
    ['random', 'esd']
    """
    path = Path(folder)
    if not StudyFolder(path).finished:
        raise RunError(f"{path} holds no study with results")
    return FinishedStudy(path)


def run_study(
    file: PathGiven,
    out: PathGiven,
    *,
    recipe: str | None = None,
    cohorts: Mapping[str, PathGiven] | None = None,
    overrides: Sequence[str] = (),
    engine: str = "local",
    address: str | None = None,
    gpus: float = 0.0,
    progress: Progress | None = None,
) -> FinishedStudy:
    """Runs what is missing of a study's grid and writes its tables; another call goes on, and tries failed runs again.

    `file` is the study's, or with a study's `recipe` the cohort; `cohorts` are those that a study leaves to be given,
    by name. `engine` is "local" or "ray", with its `address` and `gpus`. Raises `RunError` where `out` holds something
    else, `PlanError` for a study that cannot be followed, and `FibrostageError` where every run failed.

    >>> study = run_study("study.toml", "STUDY")
    >>> study.results.select("method", "strategy", "n_patients").rows()[0]
    ('LSTE+LUS', 'random', 4)
    """
    given = {name: str(Path(folder).resolve()) for name, folder in (cohorts or {}).items()}
    chosen = engine_named(engine, address, gpus)
    run_grid(Path(file), Path(out), list(overrides), default_progress(progress), chosen, recipe, given)
    return FinishedStudy(Path(out))


def write_report(folder: PathGiven, out: PathGiven | None = None, figures: bool = False) -> Path:
    """Writes one self-contained HTML page of a run or a study, and returns its path; DIR/report unless `out` is given.

    With `figures` every figure is written as PDF and PNG too. Raises `RunError` where the folder holds neither.

    >>> write_report("RUN").as_posix()
    'RUN/report/index.html'
    """
    return write_page(Path(folder), None if out is None else Path(out), figures)
