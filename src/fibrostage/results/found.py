"""What runs and studies lie under a folder, with their figures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from fibrostage.ground.errors import RunError
from fibrostage.ground.files import Json
from fibrostage.results.estimate_columns import estimate_in
from fibrostage.results.run_folder import RunFolder
from fibrostage.results.study_folder import RESULTS, StudyFolder
from fibrostage.stats.estimate import Estimate

DEEPEST = 6  # folders within folders that are looked into


@dataclass(frozen=True)
class FoundResult:
    """A run, or a method of a study: test patients `n` and its figures. `state` is "finished", "stopped", "loop", or
    why it cannot be read."""

    path: Path
    kind: str
    state: str
    method: str = ""
    strategy: str = ""
    n: int | None = None
    accuracy: Estimate | None = None
    auc_macro: Estimate | None = None
    simulated: bool = False

    def as_dict(self) -> dict[str, Json]:
        """What JSON holds."""
        figures = {"accuracy": self.accuracy, "auc_macro": self.auc_macro}
        return {
            "path": str(self.path), "kind": self.kind, "state": self.state, "method": self.method,
            "strategy": self.strategy, "n": self.n,
            **{name: None if one is None else one.as_dict() for name, one in figures.items()},
            "simulated": self.simulated,
        }  # fmt: skip


def results_under(folder: Path) -> list[FoundResult]:
    """Every run and study under a folder, by path; the runs of a study stand in its own rows.

    Raises `RunError` where there is no such folder.
    """
    if not folder.is_dir():
        raise RunError(f"no folder {folder}")
    return list(found_in(folder, DEEPEST))


def found_in(folder: Path, deep: int) -> Iterator[FoundResult]:
    """What a folder is, or else what lies in the folders in it, `deep` of them at most within each other."""
    run, study = RunFolder(folder), StudyFolder(folder)
    if study.record_file.is_file():
        yield from study_rows(study)
    elif run.finished or run.begun or run.loop_file.is_file():
        yield run_row(run)
    elif deep:
        try:
            below = sorted(one for one in folder.iterdir() if one.is_dir() and not one.name.startswith("."))
        except OSError:  # somebody else's
            return
        for one in below:
            if not one.is_symlink():
                yield from found_in(one, deep - 1)


def run_row(run: RunFolder) -> FoundResult:
    """One run: its figures where it is finished."""
    if not run.finished:
        return FoundResult(run.path, "run", "loop" if run.loop_file.is_file() else "stopped")
    try:
        made = run.read_metrics()
    except RunError as error:
        return FoundResult(run.path, "run", str(error))
    return FoundResult(
        run.path, "run", "finished", made.method, made.strategy or "", made.n_patients, made.accuracy, made.auc_macro,
        made.simulated,
    )  # fmt: skip


def study_rows(study: StudyFolder) -> Iterator[FoundResult]:
    """A row a method and strategy of a study, as its results table has them."""
    if not study.finished:
        yield FoundResult(study.path, "study", "stopped")
        return
    try:
        table = study.read_table(RESULTS)
    except RunError as error:
        yield FoundResult(study.path, "study", str(error))
        return
    for row in table.iter_rows(named=True):
        patients = row.get("n_patients")
        yield FoundResult(
            study.path,
            "study",
            "finished",
            str(row["method"]),
            str(row.get("strategy") or ""),
            patients if isinstance(patients, int) else None,
            estimate_in(row, "accuracy"),
            estimate_in(row, "auc_macro"),
            bool(row.get("simulated")),
        )


def results_table(found: list[FoundResult]) -> pl.DataFrame:
    """A row a run or a study's method, each figure as value, lo and hi."""
    rows = []
    for one in found:
        row: dict[str, object] = {
            "path": str(one.path), "kind": one.kind, "state": one.state, "method": one.method,
            "strategy": one.strategy, "n": one.n,
        }  # fmt: skip
        for name, figure in (("accuracy", one.accuracy), ("auc_macro", one.auc_macro)):
            value, lo, hi = (None, None, None) if figure is None else (figure.value, figure.lo, figure.hi)
            row |= {name: value, f"{name}_lo": lo, f"{name}_hi": hi}
        rows.append(row | {"simulated": one.simulated})
    texts, figures = ("path", "kind", "state", "method", "strategy"), ("accuracy", "auc_macro")
    kinds: dict[str, type[pl.DataType]] = {**dict.fromkeys(texts, pl.String), "n": pl.Int64}
    kinds |= {f"{name}{end}": pl.Float64 for name in figures for end in ("", "_lo", "_hi")}
    return pl.DataFrame(rows, schema={**kinds, "simulated": pl.Boolean})
