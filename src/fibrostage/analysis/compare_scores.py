"""Several scores against one truth: areas, paired differences, and one sentence on what may be concluded.

A score is used on every row that has it; two scores are compared on the rows that have both. Rows of one
patient are told apart from patients: give the cluster column, or be told that one seems to be there.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fibrostage.csv_tables.reader import CsvTable
from fibrostage.csv_tables.scores import is_simulated, numbers, read_table, texts
from fibrostage.ground.errors import IntakeError, StatisticsError, nearest
from fibrostage.ground.files import Json
from fibrostage.ground.stage import Staging, staging_of
from fibrostage.stats.auc import delong
from fibrostage.stats.concordance import Concordance, Difference
from fibrostage.stats.estimate import Estimate, quantile, undefined
from fibrostage.stats.multiplicity import holm
from fibrostage.stats.ordinal import Penalty, obuchowski, penalties

PATIENT_NAMES = ("patient_id", "patient", "subject", "subject_id", "case_id")
TRUE, FALSE = ("1", "true", "yes"), ("0", "false", "no")


@dataclass(frozen=True)
class ScoreQuestion:
    """What is compared: columns of a CSV. `lower` are scores whose low values speak for disease."""

    truth: str
    scores: tuple[str, ...]
    lower: tuple[str, ...] = ()
    positive: tuple[str, ...] = ()
    cluster: str | None = None
    ordinal: bool = False
    classes: tuple[str, ...] = ()
    penalty: Penalty = "linear"
    confidence: float = 0.95
    reference: str | None = None  # the score that every other is compared with, instead of each with each

    @property
    def every(self) -> tuple[str, ...]:
        return (*self.scores, *self.lower)


@dataclass(frozen=True)
class Area:
    """The figure of one score on the rows that have it."""

    figure: Estimate
    n: int
    positives: int | None
    chance: float = 0.5

    def as_dict(self) -> dict[str, Json]:
        """Returns what JSON holds: the figure with its standard error and the number of rows behind it.

        The number of positive rows stands beside it where the truth is binary, otherwise the figure of a chance score.
        """
        found = {**self.figure.as_dict(), "se": self.figure.se, "n": self.n}
        return {**found, "chance": self.chance} if self.positives is None else {**found, "positives": self.positives}


@dataclass(frozen=True)
class Pair:
    """Two scores on the rows that have both."""

    a: str
    b: str
    difference: Difference
    n: int
    p_holm: float | None = None

    def as_dict(self) -> dict[str, Json]:
        """Returns what JSON holds: the difference, a minus b, with its test; `why` only where it is not defined."""
        d = self.difference
        found: dict[str, Json] = {
            "a": self.a,
            "b": self.b,
            "difference": d.value,
            "lo": d.lo,
            "hi": d.hi,
            "z": d.z,
            "p": d.p,
        }
        found |= {"p_holm": self.p_holm, "se": d.se, "n": self.n}
        return {**found, "why": d.why} if d.why else found


@dataclass(frozen=True)
class Panel:
    """Scores against one truth: a binary label, a cut, or all stages at once."""

    name: str
    areas: dict[str, Area]
    pairs: tuple[Pair, ...]


@dataclass(frozen=True)
class Data:
    """The rows that have a truth: scores [k, n] with NaN where missing, higher meaning more disease."""

    truth: NDArray[np.int64]
    scores: NDArray[np.float64]
    clusters: NDArray[np.object_] | None
    staging: Staging | None  # of an ordinal truth

    def clusters_of(self, rows: NDArray[np.bool_]) -> NDArray[np.str_] | None:
        """Returns the patients [m], as text, of the m rows that `rows` [n] selects; None without a cluster column."""
        return None if self.clusters is None else self.clusters[rows].astype(str)


@dataclass(frozen=True)
class Comparison:
    """The whole answer; `main` is the AUC of a binary truth, or Obuchowski's index of an ordinal one."""

    question: ScoreQuestion
    n: int
    clusters: int | None
    positives: int | None
    counts: dict[str, int]
    without_truth: int
    missing: dict[str, int]
    main: Panel
    cuts: tuple[Panel, ...]
    caveats: tuple[str, ...]
    simulated: bool
    data: Data


def compare_scores(path: Path, question: ScoreQuestion, encoding: str = "utf-8") -> Comparison:
    """Reads the table and answers; raises `FibrostageError` for columns or values that cannot be used."""
    check_question(question)
    cluster = () if question.cluster is None else (question.cluster,)
    table = read_table(path, tuple(dict.fromkeys((question.truth, *question.every, *cluster))), encoding)
    data = read_data(table, question)
    missing = np.isnan(data.scores).sum(axis=1)
    main = panel(data, question)
    cuts: tuple[Panel, ...] = ()
    counts: dict[str, int] = {}
    if data.staging is not None:
        cuts = tuple(cut_panel(data, question, data.staging, cut) for cut in data.staging.classes[1:])
        counts = {name: int((data.truth == k).sum()) for k, name in enumerate(data.staging.classes)}
    return Comparison(
        question,
        n=len(data.truth),
        clusters=None if data.clusters is None else len(set(data.clusters)),
        positives=None if data.staging else int(data.truth.sum()),
        counts=counts,
        without_truth=len(table.rows) - len(data.truth),
        missing={name: int(count) for name, count in zip(question.every, missing, strict=True) if count},
        main=main,
        cuts=cuts,
        caveats=caveats_of(table, question, data, main),
        simulated=is_simulated(table),
        data=data,
    )


def check_question(question: ScoreQuestion) -> None:
    """Checks that a question makes sense, whatever the table holds.

    Raises `IntakeError` where there is no score, a score is given twice or is the truth or cluster column too, the
    reference is no score, or an option is for the other kind of truth, and `StatisticsError` for an unknown penalty or
    a confidence outside 0–1.
    """
    if not question.every:
        raise IntakeError("compare needs at least one --score (or --lower) column")
    for role, column in (("--truth", question.truth), ("--cluster", question.cluster)):
        if column in question.every:
            raise IntakeError(f"{column!r} is both {role} and a score")
    if question.reference is not None and question.reference not in question.every:
        raise IntakeError(
            f"--reference {question.reference!r}{nearest(question.reference, question.every)} is no score of this "
            f"comparison; there are {', '.join(question.every)}"
        )
    repeated = sorted({name for name in question.every if question.every.count(name) > 1})
    if repeated:
        raise IntakeError(f"the score {repeated[0]!r} is given twice")
    penalties(question.penalty, 2)
    quantile(question.confidence)
    if question.ordinal and question.positive:
        raise IntakeError("--positive names the labels of a binary truth; with --ordinal every stage counts")
    if question.classes and not question.ordinal:
        raise IntakeError("--classes orders the stages of --ordinal; for a binary truth name its --positive labels")


def read_data(table: CsvTable, question: ScoreQuestion) -> Data:
    """Reads the rows that have a truth, as numbers; the `lower` scores change their sign, so that high means disease.

    Raises `IntakeError` where no row has a truth, a score is no number, a row with a truth has no cluster, or a binary
    truth has values that it may not; `PlanError` where the labels of an ordinal truth are of no one system.
    """
    labels = texts(table, question.truth)
    kept = np.array([label is not None for label in labels])
    if not kept.any():
        raise IntakeError(f"column {question.truth!r} of {table.path} is empty: there is nothing to compare with")
    scores = np.stack([numbers(table, name)[kept] for name in question.every])
    scores[len(question.scores) :] *= -1
    clusters = None
    if question.cluster is not None:
        clusters = texts(table, question.cluster)[kept]
        empty = sum(name is None for name in clusters)
        if empty:
            raise IntakeError(f"the cluster column {question.cluster!r} is empty in {empty} rows with a truth")
    if question.ordinal:
        staging = staging_of(labels[kept], question.classes)
        truth = np.array([staging.index(label) for label in labels[kept]], dtype=np.int64)
        return Data(truth, scores, clusters, staging)
    return Data(binary_truth(labels[kept], question), scores, clusters, None)


def binary_truth(labels: NDArray[np.object_], question: ScoreQuestion) -> NDArray[np.int64]:
    """Returns 1 where a label [n] is positive and 0 elsewhere, [n].

    Unless the question names its positive labels, 1, true and yes are, and 0, false and no are not. Raises
    `IntakeError` where a named one does not occur, or where none is named and a label is none of those.
    """
    found = sorted(set(labels))
    if question.positive:
        for name in question.positive:
            if name not in found:
                raise IntakeError(
                    f"--positive {name!r} does not occur in {question.truth!r}{nearest(name, found)}; "
                    f"it has {', '.join(found[:12])}"
                )
        return np.isin(labels, question.positive).astype(np.int64)
    values = {label: as_binary(label) for label in found}
    if any(value is None for value in values.values()):
        raise IntakeError(
            f"the truth {question.truth!r} has the values {', '.join(found[:12])}; a binary truth is 1 and 0 "
            "(true/false, yes/no). Name the labels that are positive with --positive, or use --ordinal for stages"
        )
    return np.array([values[label] for label in labels], dtype=np.int64)


def as_binary(label: str) -> int | None:
    """Returns 1 or 0 for a label that says true or false in words or as a number, and None for any other."""
    text = label.lower()
    if text in TRUE or text in FALSE:
        return int(text in TRUE)
    try:
        return {1.0: 1, 0.0: 0}.get(float(label))
    except ValueError:
        return None


def panel(data: Data, question: ScoreQuestion) -> Panel:
    """Computes the main figures: AUCs of a binary truth, Obuchowski's indices of an ordinal one.

    A figure that is not defined holds the reason in its place.
    """

    def measure(rows: NDArray[np.bool_], scores: NDArray[np.float64]) -> Concordance:
        clusters = data.clusters_of(rows)
        if data.staging is None:
            return delong(data.truth[rows] == 1, scores, clusters)
        names = data.staging.classes
        return obuchowski(data.truth[rows], scores, len(names), question.penalty, clusters=clusters, names=names)

    name = question.truth if data.staging is None else f"Obuchowski index, {question.penalty} penalty"
    return measured(name, data, question, measure, None if data.staging else data.truth == 1)


def cut_panel(data: Data, question: ScoreQuestion, staging: Staging, cut: str) -> Panel:
    """Computes the AUCs of one cut of an ordinal truth: who is at or above it against who is below."""
    positive = staging.at_or_above(data.truth, cut)

    def measure(rows: NDArray[np.bool_], scores: NDArray[np.float64]) -> Concordance:
        clusters = data.clusters_of(rows)
        return delong(positive[rows], scores, clusters)

    return measured(cut, data, question, measure, positive)


Measure = Callable[[NDArray[np.bool_], NDArray[np.float64]], Concordance]


def measured(
    name: str, data: Data, question: ScoreQuestion, measure: Measure, positive: NDArray[np.bool_] | None
) -> Panel:
    """Computes each score on the rows that have it, each pair on the rows that have both, and Holm's p over the pairs.

    `measure` takes rows [n] and the scores [m] of the m rows that are true, or the two scores [2, m] of a pair.
    `positive` [n] is counted beside each score, or None. A figure that is not defined holds the reason in its place.
    """
    present = ~np.isnan(data.scores)
    areas = {}
    for k, score in enumerate(question.every):
        rows = present[k]
        count = None if positive is None else int(positive[rows].sum())
        try:
            found = measure(rows, data.scores[k, rows])
            areas[score] = Area(found.interval(0, question.confidence), int(rows.sum()), count, found.chance)
        except StatisticsError as error:
            areas[score] = Area(undefined(str(error)), int(rows.sum()), count)
    pairs = []
    for a, b in pairs_of(question):
        rows = present[a] & present[b]
        try:
            difference = measure(rows, data.scores[np.ix_([a, b], rows)]).difference(0, 1, question.confidence)
        except StatisticsError as error:
            difference = Difference(None, None, None, None, None, None, why=str(error))
        pairs.append(Pair(question.every[a], question.every[b], difference, int(rows.sum())))
    return Panel(name, areas, adjusted(pairs))


def pairs_of(question: ScoreQuestion) -> list[tuple[int, int]]:
    """Positions of the scores that are compared: each with each, or the reference with the others."""
    every = range(len(question.every))
    if question.reference is None:
        return list(itertools.combinations(every, 2))
    first = question.every.index(question.reference)
    return [(first, other) for other in every if other != first]


def adjusted(pairs: list[Pair]) -> tuple[Pair, ...]:
    """The pairs with Holm's p beside each p there is."""
    found = {index: pair.difference.p for index, pair in enumerate(pairs) if pair.difference.p is not None}
    stepped = dict(zip(found, holm(list(found.values())).tolist(), strict=True))
    return tuple(replace(pair, p_holm=stepped.get(index)) for index, pair in enumerate(pairs))


def caveats_of(table: CsvTable, question: ScoreQuestion, data: Data, main: Panel) -> tuple[str, ...]:
    """What a reader must know before believing the intervals."""
    caveats = []
    if question.cluster is None:
        for column in table.columns:
            if column.lower() not in PATIENT_NAMES:
                continue
            both = zip(texts(table, question.truth), texts(table, column), strict=True)
            names = [name for label, name in both if label is not None and name is not None]
            if len(set(names)) < len(names):
                caveats.append(
                    f"{len(names)} rows are of {len(set(names))} patients ({column!r}) and were taken as independent; "
                    f"the intervals are too narrow: give --cluster {column}"
                )
    for name, area in main.areas.items():
        hi = area.figure.hi
        if hi is None or hi >= area.chance:
            continue
        if name in question.lower:
            caveats.append(f"{name!r} is higher in disease; if that is meant, give --score {name} instead of --lower")
        else:
            caveats.append(f"{name!r} is lower in disease; if that is meant, give --lower {name} instead of --score")
    if data.staging is not None:
        stages = {frozenset(data.truth[~np.isnan(scores)].tolist()) for scores in data.scores}
        if len(stages) > 1:
            caveats.append("scores are missing for whole stages: their indices weigh other pairs and compare badly")
    return tuple(caveats)
