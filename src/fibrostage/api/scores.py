"""Markers of patients, and scores beside each other; from a CSV, or from a table at hand."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import polars as pl

from fibrostage.analysis.compare_scores import Comparison, ScoreQuestion, compare_scores
from fibrostage.analysis.marker_table import MarkerTable
from fibrostage.analysis.marker_table import marker_table as table_of
from fibrostage.api.plans import PathGiven, read_plan
from fibrostage.ground.progress import SILENT
from fibrostage.ground.quantities import Modulus
from fibrostage.intake.build.read_tables import reading_of
from fibrostage.plan.commands import MARKERS
from fibrostage.plan.run_plan import Plan
from fibrostage.stats.ordinal import Penalty

if TYPE_CHECKING:
    from pandas import DataFrame

TableGiven: TypeAlias = "PathGiven | pl.DataFrame | DataFrame"


def marker_table(
    patients: TableGiven,
    classes: Sequence[str] = (),
    *,
    modulus: Modulus = "young",
    units: Mapping[str, str] | None = None,
    encoding: str | None = None,
    plan: PathGiven | None = None,
    confidence: float = 0.95,
) -> MarkerTable:
    """APRI, FIB-4, GPR, NFS, AAR and stiffness of every patient of a table, and how well each stages.

    `modulus` is "shear" where kPa columns hold ρc² and not Young's 3ρc²; `units` are those of columns that have
    another, and the [table] section of a `plan` says how the table is written. Raises `IntakeError` for a table that
    cannot be used, and `PlanError` for a unit that is unknown, or a plan that is none.

    >>> made = marker_table("P.csv")
    >>> round(float(made.values["apri"].values[0]), 2)
    0.47
    """
    reading = None
    if plan is not None:
        data, source = read_plan(plan, MARKERS, SILENT)
        reading = reading_of(Plan.parse({"modality": [{"name": "LUS"}], **data}, source=source), encoding)
    with as_csv(patients) as path:
        return table_of(path, classes, modulus, encoding or "utf-8", confidence, units, reading)


def compare(
    table: TableGiven,
    truth: str,
    scores: Sequence[str] = (),
    *,
    lower: Sequence[str] = (),
    positive: Sequence[str] = (),
    cluster: str | None = None,
    ordinal: bool = False,
    classes: Sequence[str] = (),
    penalty: Penalty = "linear",
    reference: str | None = None,
    encoding: str = "utf-8",
    confidence: float = 0.95,
) -> Comparison:
    """Compares scores against one truth: AUCs with intervals, paired differences, and what may be concluded.

    `scores` are high in disease, `lower` low; `cluster` names the column of the patient where a row is a picture; with
    `ordinal` the truth is stages. Raises `IntakeError` for a table or columns that cannot be used.

    >>> made = compare("S.csv", "y", ["A", "B"])
    >>> sorted(made.main.areas)
    ['A', 'B']
    """
    question = ScoreQuestion(
        truth, tuple(scores), tuple(lower), tuple(positive), cluster, ordinal, tuple(classes), penalty, confidence,
        reference,
    )  # fmt: skip
    with as_csv(table) as path:
        return compare_scores(path, question, encoding)


@contextmanager
def as_csv(table: TableGiven) -> Iterator[Path]:
    """A table's path; of one in memory, a CSV that lasts as long as the block."""
    if isinstance(table, str | Path):
        yield Path(table)
        return
    with tempfile.TemporaryDirectory(prefix="fibrostage-") as folder:
        path = Path(folder) / "table.csv"
        if isinstance(table, pl.DataFrame):
            table.write_csv(path)
        else:
            table.to_csv(path, index=False)
        yield path
