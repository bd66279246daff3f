"""P.csv in, markers out: a table with a column a marker, what is missing and why, and how well each stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fibrostage import RESEARCH_USE
from fibrostage.csv_tables.headers import notes_on
from fibrostage.csv_tables.reader import CsvTable
from fibrostage.csv_tables.reading import TableReading
from fibrostage.csv_tables.scores import is_missing, is_simulated, read_table, texts
from fibrostage.csv_tables.writer import csv_text
from fibrostage.ground.errors import IntakeError, PlanError, Problems
from fibrostage.ground.files import Json, write_text
from fibrostage.ground.quantities import Modulus
from fibrostage.ground.stage import Staging, staging_of
from fibrostage.ground.units import check_stated, suspicions
from fibrostage.intake.read.numbers import parse_number
from fibrostage.markers import MARKERS, measured
from fibrostage.markers.spec import Cutoff, Marker, Values, values_of
from fibrostage.stats.auc import auc_or_why
from fibrostage.stats.estimate import Estimate
from fibrostage.stats.operating import OperatingPoint, operating_point

RATES = ("sensitivity", "specificity", "ppv", "npv", "lr_positive", "lr_negative")


@dataclass(frozen=True)
class RefusedCell:
    """A cell that cannot be believed; its markers are missing for that patient."""

    row: int
    patient_id: str
    column: str
    value: str
    reason: str


@dataclass(frozen=True)
class MarkerTable:
    """Markers of every patient of a table."""

    source: CsvTable
    values: dict[str, Values]
    refusals: tuple[RefusedCell, ...]
    simulated: bool
    modulus: Modulus
    staging: Staging | None = None
    stages: NDArray[np.int64] | None = None  # −1 = unlabelled
    caveats: tuple[str, ...] = ()
    confidence: float = 0.95
    at_cut: dict[str, dict[str, Estimate]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.source.rows)


def marker_table(
    path: Path,
    classes: Sequence[str] = (),
    modulus: Modulus = "young",
    encoding: str = "utf-8",
    confidence: float = 0.95,
    units: Mapping[str, str] | None = None,
    reading: TableReading | None = None,
) -> MarkerTable:
    """Every marker of every patient of P.csv; with a stage column, the AUC at each cut.

    `units` state the unit of measured columns; a column that seems to be in another one and is not stated counts as
    refused, with a caveat; a `reading` says how the table is written, and may state units too. Raises `PlanError` for a
    unit or a column that is unknown.
    """
    known, stated = measured(), {**(reading.units if reading else {}), **(units or {})}
    check_stated(known, stated)
    table = read_table(path, ("patient_id",), encoding, reading)
    check_ids(table)
    columns, refusals = read_quantities(table, stated)
    barred = refused_cells(table, refusals)
    if modulus == "shear":
        stated = {name: one.unit for name, one in known.items() if one.unit == "kPa"} | stated
    odd = suspicions(known, columns, stated)
    for name in odd:
        barred[name] = ~np.isnan(columns[name]) | barred.get(name, np.zeros(len(table.rows), dtype=bool))
        columns[name] = np.full(len(table.rows), np.nan)
    values = {marker.name: values_of(marker, columns, len(table.rows), modulus, barred) for marker in MARKERS}
    staging, stages, caveats = read_stages(table, classes)
    caveats += tuple(notes_on(table.columns, known))
    caveats += tuple(
        f"{one}; its markers are refused until the unit is stated, as --unit {name}={known[name].unit!r} or the other"
        for name, one in odd.items()
    )
    at_cut = {}
    if staging is not None and stages is not None:
        at_cut = {name: aucs(of.values, stages, staging, confidence) for name, of in values.items()}
    return MarkerTable(
        table, values, tuple(refusals), is_simulated(table), modulus, staging, stages, caveats, confidence, at_cut
    )


def check_ids(table: CsvTable) -> None:
    """Checks that each row of a table is another patient's.

    Raises `IntakeError`, naming the rows, where a patient_id is empty or occurs a second time.
    """
    problems = Problems()
    first: dict[str, int] = {}
    for row, cells in table.rows:
        patient = cells["patient_id"]
        if is_missing(patient):
            problems.add(table.path.name, "patient_id is empty", row=row)
        elif patient in first:
            problems.add(table.path.name, f"patient {patient!r} already stands in row {first[patient]}", row=row)
        first.setdefault(patient, row)
    if len(problems):
        raise IntakeError(f"{table.path} must have one row a patient:\n{problems.text()}", problems)


def read_quantities(
    table: CsvTable, stated: Mapping[str, str]
) -> tuple[dict[str, NDArray[np.float64]], list[RefusedCell]]:
    """Reads the measured columns that markers need, by name a value for each row [n], and lists the refused cells.

    A value is NaN where the cell is empty, is no number or lies outside the quantity's plausible range; it is converted
    where another unit is `stated`.
    """
    columns, refusals, known = {}, [], measured()
    asked = replace(table.reading or TableReading(), units=stated)
    hints = table.reading is not None
    for column in table.columns:
        if column not in known:
            continue
        values = np.full(len(table.rows), np.nan)
        for index, (row, cells) in enumerate(table.rows):
            text, patient = cells[column], cells["patient_id"]
            if is_missing(text):
                continue
            problems = Problems()
            value = parse_number(
                table.path.name, row, patient, known[column], text, problems, asked, table.record, hints=hints
            )
            if value is not None:
                values[index] = value
            refusals += [RefusedCell(row, patient, column, text, problem.reason) for problem in problems]
        columns[column] = values
    return columns, refusals


def refused_cells(table: CsvTable, refusals: Sequence[RefusedCell]) -> dict[str, NDArray[np.bool_]]:
    """Says by column which rows [n] had their cell refused; a column without a refusal is left out."""
    position = {row: index for index, (row, _) in enumerate(table.rows)}
    barred: dict[str, NDArray[np.bool_]] = {}
    for refusal in refusals:
        barred.setdefault(refusal.column, np.zeros(len(table.rows), dtype=bool))[position[refusal.row]] = True
    return barred


def read_stages(
    table: CsvTable, classes: Sequence[str]
) -> tuple[Staging | None, NDArray[np.int64] | None, tuple[str, ...]]:
    """Finds the staging system and each row's stage index [n], −1 where the cell is empty; the texts are caveats.

    System and stages are None without a usable stage column. Raises `PlanError` where `classes` are given and a label
    is none of them, or they are no staging system.
    """
    if "stage" not in table.columns:
        return None, None, ()
    labels = texts(table, "stage")
    known = [label for label in labels if label is not None]
    if not known:
        return None, None, ("the stage column is empty: no AUC",)
    try:
        staging = staging_of(known, classes)
    except PlanError as error:
        if classes:
            raise
        return None, None, (f"no AUC: {error}",)
    stages = np.array([-1 if label is None else staging.index(label) for label in labels], dtype=np.int64)
    assumed = f"the stages were read as {staging.name}'s; if they are of another system, give --classes in order"
    return staging, stages, () if classes else (assumed,)


def aucs(
    values: NDArray[np.float64], stages: NDArray[np.int64], staging: Staging, confidence: float
) -> dict[str, Estimate]:
    """Computes the AUC at each cut over the patients who have both the marker, `values` [n], and a stage.

    A patient without the marker has NaN, one without a stage has −1 in `stages` [n]. An AUC that is not defined holds
    the reason.
    """
    usable = ~np.isnan(values) & (stages >= 0)
    return {
        cut: auc_or_why(staging.at_or_above(stages[usable], cut), values[usable], confidence) for cut in staging.cuts
    }


def write_markers(made: MarkerTable, target: Path) -> None:
    """Writes M.csv: every column of P.csv, then one for each marker; kPa markers end in _kpa and hold Young's modulus.

    Raises `IntakeError` where P.csv already has a column of such a name, and `RunError` where the file cannot be
    written.
    """
    names = {marker.name: column_of(marker) for marker in MARKERS}
    taken = sorted(set(names.values()) & set(made.source.columns))
    if taken:
        raise IntakeError(
            f"{made.source.path} already has {', '.join(map(repr, taken))}; rename "
            f"{'it' if len(taken) == 1 else 'them'}, so that nothing is overwritten"
        )

    rows = []
    for index, (_, cells) in enumerate(made.source.rows):
        found = (made.values[name].values[index] for name in names)
        rows.append([*cells.values(), *("" if np.isnan(value) else f"{value:.6g}" for value in found)])
    write_text(target, csv_text([*made.source.columns, *names.values()], rows))


def column_of(marker: Marker) -> str:
    """Returns the name of a marker's column in M.csv: that of the marker, with _kpa where it is in kPa."""
    return f"{marker.name}_kpa" if marker.unit == "kPa" else marker.name


@dataclass(frozen=True)
class AtCutoff:
    """What a published cut-off does on the patients who have the marker and a stage."""

    cutoff: Cutoff
    point: OperatingPoint

    def as_dict(self) -> dict[str, Json]:
        """What JSON holds: the cut-off, counts and rates."""
        point = self.point
        counts = {name: getattr(point, name) for name in ("n", "tp", "fp", "tn", "fn")}
        return {**vars(self.cutoff), **counts, **{rate: getattr(point, rate).as_dict() for rate in RATES}}


@dataclass(frozen=True)
class AucAtCut:
    """How well a marker tells who is at or above a cut: on `n` patients, `positives` of whom are."""

    figure: Estimate
    n: int
    positives: int


@dataclass(frozen=True)
class MarkerSummary:
    """One marker over a table of patients: `n` have it, `missing` do not; `quartiles` are q1, median, q3 of those who
    do.

    `lacking`, `refused` and `assumed` count patients by column. `auc_at_cut` and `at_cutoffs` are None where the table
    has no stages.
    """

    marker: Marker
    n: int
    missing: int
    lacking: dict[str, int]
    refused: dict[str, int]
    assumed: dict[str, int]
    quartiles: tuple[float, float, float] | None
    auc_at_cut: dict[str, AucAtCut] | None
    at_cutoffs: tuple[AtCutoff, ...] | None

    def as_dict(self) -> dict[str, Json]:
        """What JSON holds."""
        result: dict[str, Json] = {
            "title": self.marker.title,
            "unit": self.marker.unit,
            "column": column_of(self.marker),
            **{name: getattr(self, name) for name in ("n", "missing", "lacking", "refused", "assumed")},
        }
        if self.quartiles is not None:
            q1, median, q3 = self.quartiles
            result |= {"median": median, "q1": q1, "q3": q3}
        if self.auc_at_cut is not None and self.at_cutoffs is not None:
            result["auc_at_cut"] = {
                cut: {**found.figure.as_dict(), "n": found.n, "positives": found.positives}
                for cut, found in self.auc_at_cut.items()
            }
            result["at_cutoffs"] = [one.as_dict() for one in self.at_cutoffs]
        return result


def as_dict(made: MarkerTable) -> dict[str, Json]:
    """What --json prints."""
    result: dict[str, Json] = {"n": len(made), "simulated": made.simulated, "modulus": made.modulus}
    if made.staging is not None:
        result |= {"staging": made.staging.name, "classes": list(made.staging.classes), "confidence": made.confidence}
    result["markers"] = {marker.name: summary(made, marker).as_dict() for marker in MARKERS}
    result["refused"] = [vars(refusal) for refusal in made.refusals]
    result["caveats"] = list(made.caveats)
    result["notice"] = RESEARCH_USE
    return result


def catalogue() -> dict[str, Json]:
    """Every marker as the registry has it: columns with units and plausible range, formula, source, cut-offs."""
    return {
        marker.name: {
            "title": marker.title,
            "unit": marker.unit,
            "column": column_of(marker),
            "needs": [
                {
                    **{k: v for k, v in vars(need.quantity).items() if k not in ("habit", "units")},
                    "units": [other.said(need.quantity.unit) for other in need.quantity.units],
                    "default": need.default,
                }
                for need in marker.needs
            ],
            "instead": None if marker.speed is None else marker.speed.column,
            "formula": marker.formula,
            "source": marker.source,
            "example": {"inputs": dict(marker.example.inputs), "value": marker.example.value},
            "cutoffs": [vars(cutoff) for cutoff in marker.cutoffs],
        }
        for marker in MARKERS
    }


def summary(made: MarkerTable, marker: Marker) -> MarkerSummary:
    """One marker: how many have it, what the others lack, its spread, and how well it stages."""
    found = made.values[marker.name]
    present = found.values[~np.isnan(found.values)]
    quartiles = None
    if len(present):
        q1, median, q3 = (float(value) for value in np.quantile(present, [0.25, 0.5, 0.75]))
        quartiles = q1, median, q3
    at_cut, at = None, None
    if made.staging is not None and made.stages is not None:
        usable = ~np.isnan(found.values) & (made.stages >= 0)
        n, stages = int(usable.sum()), made.stages[usable]
        at_cut = {
            cut: AucAtCut(figure, n, int(made.staging.at_or_above(stages, cut).sum()))
            for cut, figure in made.at_cut[marker.name].items()
        }
        at = at_cutoffs(made, marker, usable)
    return MarkerSummary(
        marker,
        len(present),
        len(made) - len(present),
        found.lacking,
        found.refused,
        found.assumed,
        quartiles,
        at_cut,
        at,
    )


def at_cutoffs(made: MarkerTable, marker: Marker, usable: NDArray[np.bool_]) -> tuple[AtCutoff, ...]:
    """What published cut-offs of the same staging system do on the patients [n] that are `usable`."""
    found: list[AtCutoff] = []
    for cutoff in marker.cutoffs:
        if made.staging is None or made.stages is None or cutoff.system != made.staging.name or not usable.any():
            continue
        positive = made.staging.at_or_above(made.stages[usable], cutoff.cut)
        values = made.values[marker.name].values[usable]
        found.append(AtCutoff(cutoff, operating_point(positive, values, cutoff.value, made.confidence)))
    return tuple(found)
