"""Networks and markers against the same truth: every cut, in the test cohort and in the training cohort.

Everything is made from one long table of scores, a row a patient: the reference network is compared with each other
method and each marker on the patients who have both, DeLong's p adjusted after Holm. Thresholds come from the
literature or from training patients, and are judged on test patients.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fibrostage.analysis.compare_scores import Data, Pair, Panel, ScoreQuestion, cut_panel
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import PlanError, StatisticsError, nearest
from fibrostage.ground.stage import Staging
from fibrostage.ground.units import in_own_units, suspicions
from fibrostage.markers import MARKERS, measured
from fibrostage.markers.spec import values_of
from fibrostage.results.estimate_columns import TableRow, estimate_cells
from fibrostage.results.predictions import TEST, TRAINING, scores_of
from fibrostage.stats.auc import delong
from fibrostage.stats.estimate import Estimate, undefined
from fibrostage.stats.operating import operating_point
from fibrostage.stats.roc import youden_threshold

NETWORK, MARKER = "network", "marker"
COHORTS = {TEST: "test cohort", TRAINING: "training cohort"}
SCORES = {
    "seed": pl.Int64, "cut": pl.String, "split": pl.String, "method": pl.String, "kind": pl.String,
    "patient_id": pl.String, "stage": pl.String, "score": pl.Float64,
}  # fmt: skip


@dataclass(frozen=True)
class RunPredictions:
    """What one run predicted: `task` is the cut it learned, or None where it tells every stage."""

    method: str
    seed: int
    task: str | None
    predictions: pl.DataFrame

    def tells(self, staging: Staging) -> Staging:
        """The stages it tells apart."""
        return staging if self.task is None else staging.at(self.task)


def scores_table(
    runs: Sequence[RunPredictions], cohort: Cohort, markers: Sequence[str], units: Mapping[str, str] | None = None
) -> pl.DataFrame:
    """One row a seed, cut, cohort, method and patient; a marker that a patient lacks has no row."""
    staging, stage_of = cohort.staging, dict(cohort.patients.select("patient_id", "stage").iter_rows())
    columns = marker_columns(cohort, markers, units)
    parts = []
    for seed in dict.fromkeys(run.seed for run in runs):
        own = [run for run in runs if run.seed == seed]
        for cut in staging.cuts:
            for split in COHORTS:
                found = [
                    (r.method, NETWORK, dict(at_cut(r, staging, cut, split))) for r in own if r.task in (None, cut)
                ]
                who = dict.fromkeys(patient for _, _, scores in found for patient in scores)
                named = [(name, MARKER, {p: values[p] for p in who if p in values}) for name, values in columns.items()]
                for method, kind, scores in [*found, *named]:
                    rows = {
                        "patient_id": list(scores),
                        "score": list(scores.values()),
                        "stage": [stage_of[patient] for patient in scores],
                    }
                    keys = {"seed": seed, "cut": cut, "split": split, "method": method, "kind": kind}
                    part = pl.DataFrame(rows, schema_overrides={k: SCORES[k] for k in rows})
                    parts.append(part.with_columns(**{k: pl.lit(v, dtype=SCORES[k]) for k, v in keys.items()}))
    return pl.concat(parts).select(list(SCORES)) if parts else pl.DataFrame(schema=SCORES)


def at_cut(run: RunPredictions, staging: Staging, cut: str, split: str) -> Iterator[tuple[str, float]]:
    """Each patient's probability of being at or above a cut."""
    own = run.tells(staging)
    found = scores_of(run.predictions, own, split)
    _, score = found.at_cut(own, cut if run.task is None else own.cuts[0])
    return zip(found.patients.tolist(), score.tolist(), strict=True)


def marker_columns(
    cohort: Cohort, names: Sequence[str], units: Mapping[str, str] | None = None
) -> dict[str, dict[str, float]]:
    """By marker's title, the patients who have it. Raises `PlanError` for an unknown marker, one nobody has, or one
    that rests on a column which seems to be in another unit and whose unit `units` does not state."""
    table = cohort.patients
    columns, refused = measured_columns(table)
    columns = in_own_units(measured(), columns, units or {})
    odd = suspicions(measured(), columns, units or {})
    known = [marker.name for marker in MARKERS]
    result = {}
    for name in names:
        if name not in known:
            raise PlanError(f"compare.markers: {name!r}{nearest(name, known)} is no marker; known: {', '.join(known)}")
        marker = MARKERS[name]
        for quantity in marker.quantities:
            if quantity.column in odd:
                raise PlanError(
                    f"compare.markers: {name} rests on a column that may be in another unit. {odd[quantity.column]}. "
                    f'State it in the study: [compare.units] {quantity.column} = "{quantity.unit}", or the other'
                )
        values = values_of(marker, columns, len(table), refused=refused)
        found = values.values
        if np.isnan(found).all():
            lacks = ", ".join(f"{count} lack {column}" for column, count in values.lacking.items())
            raise PlanError(
                f"compare.markers: no patient of cohort {cohort.name!r} has {name}: of {len(table)} patients, {lacks}"
            )
        pairs = zip(cohort.patient_ids, found.tolist(), strict=True)
        result[marker.title] = {patient: value for patient, value in pairs if not np.isnan(value)}
    return result


def measured_columns(table: pl.DataFrame) -> tuple[dict[str, NDArray[np.float64]], dict[str, NDArray[np.bool_]]]:
    """A patients table's measured columns [n], NaN where empty, and which of their cells are not to be believed.

    Cohorts of before hold a few of them as the text that came.
    """
    columns, refused = {}, {}
    for name, quantity in measured().items():
        if name in table.columns:
            values = table[name].cast(pl.Float64, strict=False).to_numpy().astype(np.float64)
            refused[name] = np.array([not np.isnan(v) and quantity.refusal(v) is not None for v in values])
            columns[name] = np.where(refused[name], np.nan, values)
    return columns, refused


def groups_of(scores: pl.DataFrame) -> Iterator[tuple[tuple[int, str, str], pl.DataFrame]]:
    """The scores of one seed, cut and cohort at a time."""
    for (seed, cut, split), group in scores.group_by("seed", "cut", "split", maintain_order=True):
        yield (int(seed), str(cut), str(split)), group


def panel_of(group: pl.DataFrame, staging: Staging, cut: str, reference: str, confidence: float) -> tuple[Panel, Data]:
    """The areas of one group's methods, and the reference, where it is among them, against each."""
    names = group["method"].unique(maintain_order=True).to_list()
    patients = group["patient_id"].unique(maintain_order=True).to_list()
    row = {patient: k for k, patient in enumerate(patients)}
    table = np.full((len(names), len(patients)), np.nan)
    truth = np.zeros(len(patients), dtype=np.int64)
    for method, patient, stage, score in group.select("method", "patient_id", "stage", "score").iter_rows():
        table[names.index(method), row[patient]] = score
        truth[row[patient]] = staging.index(stage)
    data = Data(truth, table, None, staging)
    there = reference if reference in names else names[0]
    question = ScoreQuestion("stage", tuple(names), reference=there, confidence=confidence)
    panel = cut_panel(data, question, staging, cut)
    return (panel if there == reference else replace(panel, pairs=())), data


def comparison_table(scores: pl.DataFrame, staging: Staging, reference: str, confidence: float) -> pl.DataFrame:
    """One row a seed, cut, cohort and method: its AUC, and the reference's minus it on the patients of both."""
    rows: list[TableRow] = []
    for (seed, cut, split), group in groups_of(scores):
        panel, _ = panel_of(group, staging, cut, reference, confidence)
        pairs = {pair.b: pair for pair in panel.pairs}
        kinds = dict(group.select("method", "kind").unique().iter_rows())
        for method, area in panel.areas.items():
            row: TableRow = {"seed": seed, "cut": cut, "split": split, "method": method, "kind": kinds[method]}
            row |= {"n": area.n, "positives": area.positives, **estimate_cells("auc", area.figure)}
            rows.append(row | (pair_cells(pairs[method]) if method in pairs else {}))
    return pl.DataFrame(rows, infer_schema_length=None)


def pair_cells(pair: Pair) -> TableRow:
    """The columns of a paired difference: on how many patients, its interval, p and Holm's p."""
    d = pair.difference
    difference = estimate_cells("difference", Estimate(d.value, d.lo, d.hi))
    return {"n_both": pair.n, **difference, "p": d.p, "p_holm": pair.p_holm}


def pictures_table(runs: Sequence[RunPredictions], staging: Staging, confidence: float) -> pl.DataFrame:
    """AUCs over pictures with the patient as the cluster, beside what they would be if pictures were independent."""
    rows: list[TableRow] = []
    for run in runs:
        own = run.tells(staging)
        if run.predictions["picture"].null_count():
            continue
        for split in COHORTS:
            found = scores_of(run.predictions, own, split, by="picture")
            for cut in own.cuts if len(found) else ():
                positive, score = found.at_cut(own, cut)
                row: TableRow = {"seed": run.seed, "cut": run.task or cut, "split": split, "method": run.method}
                row |= {"n_pictures": len(found), "n_patients": len(set(found.patients.tolist()))}
                rows.append(row | clustered(positive, score, found.patients, confidence))
    return pl.DataFrame(rows, infer_schema_length=None)


def clustered(
    positive: NDArray[np.bool_], score: NDArray[np.float64], patients: NDArray[np.str_], confidence: float
) -> TableRow:
    """The columns of an AUC over pictures, clustered by patient: `positive`, `score` and `patients` [n].

    Beside its standard error stands the one that independent pictures would have; where the AUC is not defined, all
    are null and `why` says so.
    """
    try:
        right = delong(positive, score, patients).interval(0, confidence)
        wrong = delong(positive, score).interval(0, confidence)
    except StatisticsError as error:
        right = wrong = undefined(str(error))
    return {
        "why": right.why if right.value is None else "",
        **estimate_cells("auc", right),
        "se": right.se,
        "se_if_independent": wrong.se,
    }


def cutoffs_table(scores: pl.DataFrame, staging: Staging, confidence: float) -> pl.DataFrame:
    """What thresholds do in the test cohort: published ones of the same staging system, and the training cohort's
    Youden threshold."""
    published = {marker.title: marker.cutoffs for marker in MARKERS}
    rows: list[TableRow] = []
    for (seed, cut, method), group in scores.group_by("seed", "cut", "method", maintain_order=True):
        test, training = (group.filter(pl.col("split") == split) for split in (TEST, TRAINING))
        if not len(test):
            continue
        thresholds = [
            (found.value, f"{found.source}; {found.whom}" + (f"; {found.role}" if found.role != "single" else ""))
            for found in published.get(str(method), ())
            if (found.system, found.cut) == (staging.name, cut)
        ]
        with suppress(StatisticsError):  # no training cohort, or one without positives or negatives
            thresholds.append((youden_threshold(*labels_and_scores(training, staging, str(cut))), "training, Youden"))
        for value, origin in thresholds:
            point = operating_point(*labels_and_scores(test, staging, str(cut)), value, confidence)
            row: TableRow = {"seed": int(seed), "cut": str(cut), "method": str(method)}
            row |= {"threshold": value, "origin": origin, "n": point.n}
            for rate in ("sensitivity", "specificity", "ppv", "npv"):
                row |= estimate_cells(rate, getattr(point, rate))
            rows.append(row)
    return pl.DataFrame(rows, infer_schema_length=None)


def labels_and_scores(group: pl.DataFrame, staging: Staging, cut: str) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Who of a group is at or above a cut [n], and their scores [n]."""
    stages = np.array([staging.index(stage) for stage in group["stage"]], dtype=np.int64)
    return staging.at_or_above(stages, cut), group["score"].to_numpy()
