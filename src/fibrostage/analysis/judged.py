"""What networks and markers say of test patients at each cut, and of training patients who were not seen.

The ground that a report's operating points, subgroups and reclassification stand on. `held` are training patients with
what was said of them by fits that had not seen them, by fold: the only patients on whom a threshold may be chosen. A
marker has seen nobody, so its training patients are all those who do not test in the fold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fibrostage.analysis.few_patients import LEAST
from fibrostage.analysis.networks_and_markers import MARKER, NETWORK, SCORES, measured_columns
from fibrostage.ground.stage import Staging
from fibrostage.ground.units import suspicions
from fibrostage.markers import MARKERS, measured
from fibrostage.markers.spec import Marker, values_of
from fibrostage.results.participants import TESTS, TRAINS
from fibrostage.results.predictions import TEST, TRAINING, scores_of
from fibrostage.stats.calling import Calling

NOTHING_KEPT = (
    "the folder keeps nothing that was said of training patients by a model which had not seen them; runs that ask, "
    "and runs from before that was kept, do not"
)
NO_FITS = (
    "nothing was fitted inside the training patients: that takes 30 of them, and calibration.map other than “none” "
    "(“auto” does it for frozen features alone)"
)
NO_TRAINING = "what training patients have of it was not kept"
Held = tuple[NDArray[np.bool_], NDArray[np.float64]]  # who is at or above the cut [m], and the score [m]


@dataclass(frozen=True)
class KeptRun:
    """What one run's folder keeps of its patients; `task` is the cut it learned, None where it tells every stage.
    `strategy` is what it asked by; a run whose model is `carried` over from elsewhere judges everybody by its
    `callings`."""

    method: str
    seed: int
    task: str | None
    predictions: pl.DataFrame
    callings: Mapping[str, Calling] = field(default_factory=dict)
    participants: pl.DataFrame | None = None
    strategy: str | None = None
    carried: bool = False

    def tells(self, staging: Staging) -> Staging:
        """The stages it tells apart."""
        return staging if self.task is None else staging.at(self.task)


@dataclass(frozen=True)
class Judged:
    """A method's score at a cut of test patients [n]. `folds` are those that each tests in; `held` the training
    patients of each fold, empty where there are none, and `why` then says why."""

    method: str
    kind: str
    cut: str
    patients: NDArray[np.str_]
    positive: NDArray[np.bool_]
    score: NDArray[np.float64]
    folds: tuple[tuple[str, ...], ...]
    held: Mapping[str, Held]
    why: str = ""

    def __len__(self) -> int:
        return len(self.score)

    @property
    def positives(self) -> int:
        return int(self.positive.sum())


def judged_networks(runs: Iterable[KeptRun], staging: Staging) -> list[Judged]:
    """What each run says at each cut that it tells of; nothing of a run without test patients."""
    found = []
    for run in runs:
        own = run.tells(staging)
        scores = scores_of(run.predictions, own)
        if not len(scores):
            continue
        folds = (tuple(run.callings),) * len(scores) if run.carried else folds_of(run.predictions, scores.patients)
        for cut in staging.cuts if run.task is None else (run.task,):
            there = cut if run.task is None else own.cuts[0]
            positive, score = scores.at_cut(own, there)
            held, why = held_of(run.callings, own.threshold(there) - 1)
            made = Judged(run.method, NETWORK, cut, scores.patients, positive, score, folds, held, why)
            found.append(made)
    return found


def folds_of(predictions: pl.DataFrame, patients: NDArray[np.str_]) -> tuple[tuple[str, ...], ...]:
    """The folds that each of `patients` [n] tests in."""
    if "fold" not in predictions.columns:
        return ((),) * len(patients)
    own = predictions.filter(pl.col("split") == TEST).group_by("patient_id").agg(pl.col("fold").unique().sort())
    known = dict(own.iter_rows())
    return tuple(tuple(known[patient]) for patient in patients.tolist())


def held_of(callings: Mapping[str, Calling], at: int) -> tuple[dict[str, Held], str]:
    """By fold, the training patients with what was said of them at the `at`-th cut; why there are none."""
    found = {}
    for fold, calling in callings.items():
        if len(calling.cuts) > at:
            below, above = calling.cuts[at].below, calling.cuts[at].at
            found[fold] = (np.repeat([False, True], [len(below), len(above)]), np.array([*below, *above]))
    return found, "" if found else NO_FITS if callings else NOTHING_KEPT


def judged_markers(participants: pl.DataFrame, folds: Mapping[str, Sequence[str]], staging: Staging) -> list[Judged]:
    """The markers of a run's patients, from what it kept of them; `folds` are those that each test patient tests in.

    A marker is left out that rests on a column whose values look like another unit's, that has no published threshold
    for the staging system, or that no test patient has.
    """
    found = []
    for marker in MARKERS:
        if any(cutoff.system == staging.name for cutoff in marker.cutoffs):
            found += of_marker(marker.title, marker_table(marker, participants), folds, staging)
    return found


def scores_beside(networks: Sequence[Judged], participants: pl.DataFrame, staging: Staging, seed: int) -> pl.DataFrame:
    """A table of scores as a study has it (`SCORES`), of runs' `networks`: of the test patients, at each cut, theirs
    and those of each marker that `LEAST` of the first network's have; empty where there is no such marker."""
    stages = participants.select("patient_id", "stage").drop_nulls()
    tests = pl.DataFrame({"patient_id": networks[0].patients.tolist() if networks else []}, {"patient_id": pl.String})
    known = {marker.title: marker_table(marker, participants).select("patient_id", "score") for marker in MARKERS}
    named = {title: own for title, table in known.items() if len(own := tests.join(table, "patient_id")) >= LEAST}
    parts = []
    for cut in staging.cuts if named else ():
        told = {
            one.method: pl.DataFrame({"patient_id": one.patients.tolist(), "score": one.score})
            for one in networks
            if one.cut == cut
        }
        for kind, tables in ((NETWORK, told), (MARKER, named if told else {})):
            for method, table in tables.items():
                keys = {"seed": seed, "cut": cut, "split": TEST, "method": method, "kind": kind}
                parts.append(table.join(stages, "patient_id").with_columns(pl.lit(v).alias(k) for k, v in keys.items()))
    return pl.concat(parts).select(list(SCORES)) if parts else pl.DataFrame(schema=SCORES)


def marker_table(marker: Marker, participants: pl.DataFrame) -> pl.DataFrame:
    """A row a participant who has the marker, with `score`; none where a column's values look like another unit's."""
    columns, refused = measured_columns(participants)
    odd = suspicions(measured(), columns, {})
    values = values_of(marker, columns, len(participants), refused=refused).values
    table = participants.select("patient_id", "stage", "cohort").with_columns(score=pl.Series(values))
    sound = not any(quantity.column in odd for quantity in marker.quantities)
    return table.filter(pl.col("score").is_not_nan() & sound)


def markers_of_scores(scores: pl.DataFrame, staging: Staging, participants: pl.DataFrame | None = None) -> list[Judged]:
    """The markers of a study's table of scores, of one seed. Training patients whom the table does not have are taken
    from the run's `participants`, where what they say of the test patients is what the table says: it may have been
    converted from another unit."""
    found = []
    for (method,), own in scores.filter(pl.col("kind") == MARKER).group_by("method", maintain_order=True):
        named = {TEST: TESTS, TRAINING: TRAINS}
        table = own.select("patient_id", "stage", "score", cohort=pl.col("split").replace(named)).unique()
        tests = table.filter(pl.col("cohort") == TESTS)
        marker = next((marker for marker in MARKERS if marker.title == method), None)
        if participants is not None and marker is not None and len(tests) == len(table):
            table = pl.concat([tests, training_beside(tests, marker_table(marker, participants))])
        found += of_marker(str(method), table, dict.fromkeys(tests["patient_id"], ("",)), staging)
    return found


def training_beside(tests: pl.DataFrame, kept: pl.DataFrame) -> pl.DataFrame:
    """The training patients of a marker that a run kept; none where its test patients have other values."""
    both = tests.join(kept.select("patient_id", other="score"), "patient_id")
    alike = len(both) == len(tests) and bool(np.allclose(both["score"].to_numpy(), both["other"].to_numpy()))
    return kept.filter((pl.col("cohort") != TESTS) & alike).select(tests.columns)


def of_marker(title: str, table: pl.DataFrame, folds: Mapping[str, Sequence[str]], staging: Staging) -> list[Judged]:
    """A marker at each cut: a row of the `table` a patient who has it, with `stage`, `cohort` and `score`."""
    table = table.drop_nulls("stage").sort("patient_id")
    test = table.filter(pl.col("cohort") != TRAINS, pl.col("patient_id").is_in(list(folds)))
    if not len(test):
        return []
    own = tuple(tuple(folds[patient]) for patient in test["patient_id"])
    found = []
    for cut in staging.cuts:
        held: dict[str, Held] = {}
        for fold in dict.fromkeys(name for each in own for name in each):
            away = [patient for patient, names in zip(test["patient_id"], own, strict=True) if fold in names]
            trains = table.filter(pl.col("cohort") != TESTS, ~pl.col("patient_id").is_in(away))
            if len(trains):
                held[fold] = at_or_above(trains, staging, cut)
        positive, score = at_or_above(test, staging, cut)
        patients = test["patient_id"].to_numpy().astype(str)
        found.append(Judged(title, MARKER, cut, patients, positive, score, own, held, "" if held else NO_TRAINING))
    return found


def at_or_above(table: pl.DataFrame, staging: Staging, cut: str) -> Held:
    """Who of a table is at or above a cut [n], and the scores [n]."""
    stages = np.array([staging.index(stage) for stage in table["stage"]], dtype=np.int64)
    return staging.at_or_above(stages, cut), table["score"].to_numpy().astype(np.float64)
