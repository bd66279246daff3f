"""Readers among themselves and beside a model: from a table of who said what of which patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fibrostage.csv_tables.reader import read_csv
from fibrostage.ground.errors import Problems, StatisticsError, nearest
from fibrostage.ground.files import Json
from fibrostage.ledger.events import NO_STAGE
from fibrostage.stats.agreement import confusion, kappa
from fibrostage.stats.estimate import Estimate, undefined
from fibrostage.stats.reader_study import ReaderStudy, model_against_readers
from fibrostage.stats.readers import UNREAD, gwet_ac2, krippendorff_alpha, with_interval

SCORE = "p_ge_"  # columns of a model's table: the chance of a cut or above
RESAMPLES = 1000


@dataclass(frozen=True)
class ReadersTable:
    """What readers said: stages' indices [items, readers], −1 where one did not read or could not tell; whose each item
    is; and by reader what was said of an item the first and the second time."""

    readers: tuple[str, ...]
    patients: tuple[str, ...]
    table: NDArray[np.int64]
    again: Mapping[str, NDArray[np.int64]]


@dataclass(frozen=True)
class AgreementFigure:
    """A figure of agreement and of how many items it is."""

    name: str
    n: int
    estimate: Estimate

    def as_dict(self) -> dict[str, Json]:
        return {"figure": self.name, "n": self.n, **self.estimate.as_dict()}


@dataclass(frozen=True)
class CutStudy:
    """A model against the readers at a cut, or why they cannot be compared."""

    cut: str
    study: ReaderStudy | None
    why: str = ""

    def as_dict(self) -> dict[str, Json]:
        if self.study is None:
            return {"cut": self.cut, "why": self.why}
        found = self.study
        return {
            "cut": self.cut,
            "difference": found.difference.as_dict(),
            "p": found.p,
            "degrees": found.degrees if np.isfinite(found.degrees) else None,
            "readers": found.readers,
            "n": found.n,
        }


def readings_of(said: Sequence[tuple[str, str, str, int]]) -> ReadersTable:
    """The table of rows of item, patient, reader and stage's index (−1 where none could be told), in their order."""
    items = list(dict.fromkeys(item for item, *_ in said))
    readers = sorted({reader for *_, reader, _ in said})
    at = {item: row for row, item in enumerate(items)}
    patients = {item: patient for item, patient, *_ in said}
    table = np.full((len(items), len(readers)), UNREAD, dtype=np.int64)
    seen: dict[tuple[str, str], list[int]] = {}
    for item, _, reader, stage in said:
        seen.setdefault((item, reader), []).append(stage)
    again: dict[str, list[tuple[int, int]]] = {reader: [] for reader in readers}
    for (item, reader), stages in seen.items():
        table[at[item], readers.index(reader)] = stages[0]
        if len(stages) > 1 and UNREAD not in stages[:2]:
            again[reader].append((stages[0], stages[1]))
    pairs = {reader: np.array(found, dtype=np.int64).reshape(-1, 2) for reader, found in again.items()}
    return ReadersTable(tuple(readers), tuple(patients[item] for item in items), table, pairs)


def agreement(readings: ReadersTable, classes: int, confidence: float = 0.95) -> list[AgreementFigure]:
    """Weighted kappa of each pair of readers and of each with oneself; alpha and AC2 of all; quadratic weights."""
    table, found = readings.table, []
    for first, second in combinations(range(len(readings.readers)), 2):
        both = table[(table[:, first] != UNREAD) & (table[:, second] != UNREAD)]
        name = f"weighted kappa: {readings.readers[first]} and {readings.readers[second]}"
        found.append(AgreementFigure(name, len(both), kappa_of(both[:, [first, second]], classes, confidence)))
    for reader, pairs in readings.again.items():
        if len(pairs):
            figure = kappa_of(pairs, classes, confidence)
            found.append(AgreementFigure(f"weighted kappa: {reader}, twice", len(pairs), figure))
    several = int(((table != UNREAD).sum(axis=1) > 1).sum())
    for name, figure_of in (("Krippendorff's alpha", krippendorff_alpha), ("Gwet's AC2", gwet_ac2)):
        value = with_interval(figure_of, table, readings.patients, classes, resamples=RESAMPLES, confidence=confidence)
        found.append(AgreementFigure(f"{name}: all readers", several, value))
    return found


def kappa_of(pairs: NDArray[np.int64], classes: int, confidence: float) -> Estimate:
    """Quadratically weighted kappa of pairs of stages [n, 2]."""
    if not len(pairs):
        return undefined("no item was read by both")
    return kappa(confusion(pairs[:, 0], pairs[:, 1], classes), confidence=confidence)


def read_readings(path: Path, classes: Sequence[str], encoding: str = "utf-8") -> ReadersTable:
    """The readings of a CSV with patient_id, reader, stage, and perhaps item.

    Raises `StatisticsError` for unknown stages and rows without a reader, and `IntakeError` where the file cannot be
    read.
    """
    problems = Problems()
    table = read_csv(path, ("patient_id", "reader", "stage"), problems, encoding)
    said = []
    for number, row in table.rows:
        stage = row["stage"]
        if stage not in classes and stage.lower() not in (*NO_STAGE, ""):
            allowed = ", ".join((*classes, *NO_STAGE))
            problems.add(path.name, f"stage {stage!r}{nearest(stage, classes)}; allowed are {allowed}", row=number)
            continue
        if not row["reader"] or not row["patient_id"]:
            problems.add(path.name, "names no reader or no patient", row=number)
            continue
        item = row.get("item") or row["patient_id"]
        said.append((item, row["patient_id"], row["reader"], classes.index(stage) if stage in classes else UNREAD))
    if len(problems):
        raise StatisticsError(f"{path} cannot be used:\n{problems.text()}")
    return readings_of(said)


def read_truth(path: Path, classes: Sequence[str], encoding: str = "utf-8") -> dict[str, int]:
    """Stages by patient of a CSV with patient_id and stage; blank ones are left out. Raises `StatisticsError`."""
    table = read_csv(path, ("patient_id", "stage"), Problems(), encoding)
    unknown = sorted({row["stage"] for _, row in table.rows if row["stage"] and row["stage"] not in classes})
    if unknown:
        raise StatisticsError(f"{path}: stages {', '.join(unknown)}; allowed are {', '.join(classes)}")
    return {row["patient_id"]: classes.index(row["stage"]) for _, row in table.rows if row["stage"]}


def read_scores(path: Path, encoding: str = "utf-8") -> dict[str, dict[str, float]]:
    """A model's chance of each cut or above, by cut and patient, of a CSV as 'predict' writes it.

    Raises `StatisticsError` where it has none, or one is no number.
    """
    table = read_csv(path, ("patient_id",), Problems(), encoding)
    cuts = [name.removeprefix(SCORE) for name in table.columns if name.startswith(SCORE)]
    if not cuts:
        raise StatisticsError(f"{path} has no column {SCORE}<cut>, as 'fibrostage predict' writes them")
    try:
        return {cut: {row["patient_id"]: float(row[SCORE + cut]) for _, row in table.rows} for cut in cuts}
    except ValueError as error:
        raise StatisticsError(f"{path}: {error}") from None


def against_model(
    readings: ReadersTable,
    truth: Mapping[str, int],
    scores: Mapping[str, Mapping[str, float]],
    classes: Sequence[str],
    confidence: float = 0.95,
) -> list[CutStudy]:
    """The model against the readers at each of its cuts, on items that every reader read and whose truth is known."""
    rows = [
        row
        for row, patient in enumerate(readings.patients)
        if patient in truth and (readings.table[row] != UNREAD).all()
    ]
    studies = []
    for cut, own in scores.items():
        kept = [row for row in rows if readings.patients[row] in own]
        if cut not in classes:
            studies.append(CutStudy(cut, None, f"no stage is called {cut}; there are {', '.join(classes)}"))
            continue
        names = [readings.patients[row] for row in kept]
        positive = np.array([truth[name] >= classes.index(cut) for name in names], dtype=bool)
        said = readings.table[kept].astype(np.float64)
        try:
            found = model_against_readers(positive, [own[name] for name in names], said, confidence)
            studies.append(CutStudy(cut, found))
        except StatisticsError as error:
            studies.append(CutStudy(cut, None, f"{len(kept)} items: {error}"))
    return studies
