"""A model judged on a cohort it has never seen: predictions, figures, drift and recalibration, as a folder that a
report can be made of.

Calibration, thresholds and sets of stages are the model's own, carried over. What recalibration for the site would do
stands beside them and never takes their place. Patients whose pictures trained the model are refused, or left out and
counted where that is asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fibrostage.cohort.flow import flow_of
from fibrostage.cohort.measurements import seen_by
from fibrostage.cohort.pictures import space_of
from fibrostage.cohort.store import Cohort, taken_in_with
from fibrostage.deploy.drift import drift_of
from fibrostage.ground.errors import RunError
from fibrostage.ground.files import check_new, new_folder
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.ground.stage import Staging
from fibrostage.learn.model import Model
from fibrostage.learn.participants import known_of_rows
from fibrostage.learn.patient_predictions import method_name
from fibrostage.learn.predict_cohort import stage_cohort
from fibrostage.learn.run_metrics import evaluate_predictions, metrics_of, set_figures
from fibrostage.learn.task import Task
from fibrostage.results.metrics import Metrics, ParticipantFlow
from fibrostage.results.participants import TESTS
from fibrostage.results.predictions import CALLED, POSSIBLE, TEST, predictions_table
from fibrostage.results.run_folder import CHOSEN, RunFolder, write_parquet
from fibrostage.results.staged import RULED_IN, RULED_OUT, Staged
from fibrostage.results.validation import SiteCut, Validation, columns_of, write_validation
from fibrostage.stats.estimate import Estimate, undefined, wilson
from fibrostage.stats.evaluate import cut_score
from fibrostage.stats.site_recalibration import recalibrated_for_site

NAMED = 3
UNKNOWN = "no reference stage"
TRAINED = "trained the model"
UNSURE = "the model does not say which pictures trained it: whether these patients are strangers to it is not known"


@dataclass(frozen=True)
class Validated:
    """What was found: figures, and what stands beside them."""

    metrics: Metrics
    validation: Validation


def validate(
    model: Model,
    name: str,
    cohort: Cohort,
    out: Path,
    training: Cohort | None = None,
    leave_out_trained: bool = False,
    progress: Progress = SILENT,
) -> Validated:
    """Stages a cohort with reference stages and writes a new folder: plan.json, metrics.json, predictions.parquet,
    participants.parquet, log.jsonl with what is carried over, validation.json. `name` is what the model is called,
    `training` its own cohort where that is at hand.

    Raises `RunError` where a patient trained the model and is not to be left out, nobody is left, or the folder cannot
    be written, and `PlanError` where the cohort does not fit the model.
    """
    check_new(out)
    found = stage_cohort(model, cohort, progress)
    left_out = Counter(found.left_out.values())
    trained = [one.patient_id for one in found.staged if one.trained_on]
    if trained and not leave_out_trained:
        more = ", …" if len(trained) > NAMED else ""
        raise RunError(
            f"{len(trained)} of {len(found.staged)} patients of cohort {cohort.name!r} trained the model "
            f"({', '.join(trained[:NAMED])}{more}): figures of theirs would flatter it; give a cohort of other "
            "patients, or --leave-out-trained"
        )
    task_cohort = cohort if model.plan.staging.task is None else cohort.at(model.plan.staging.task)
    stage_of = dict(zip(task_cohort.patient_ids, task_cohort.stages.tolist(), strict=True))
    judged = [one for one in found.staged if stage_of[one.patient_id] >= 0 and not one.trained_on]
    left_out[UNKNOWN] += sum(stage_of[one.patient_id] < 0 and not one.trained_on for one in found.staged)
    left_out[TRAINED] += len(trained)
    left_out = +left_out
    if not judged:
        reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.items())
        raise RunError(f"nobody of cohort {cohort.name!r} can be judged: {reasons}")
    stages = np.array([stage_of[one.patient_id] for one in judged], dtype=np.int64)
    predictions = table_of(model, judged, stages)
    task = Task(task_cohort, model.plan, space_of(cohort, model.plan.pictured, True), [])
    metrics = metrics_with(task, predictions, left_out, model)
    validation = Validation(
        model=name,
        digest=model.digest,
        strangers=model.trained_on is not None,
        calibrated=any(one.recalibration is not None for one in model.callings),
        left_out=dict(left_out),
        drift=drift_of(model, cohort, judged, stages, training),
        cuts=tuple(cut_of(model.staging, cut, judged, stages, model.plan.seed) for cut in model.staging.cuts),
    )
    known = known_of(model, task_cohort, judged)
    write_folder(out, model, predictions, known, metrics, validation, cohort)
    return Validated(metrics, validation)


def known_of(model: Model, cohort: Cohort, judged: Sequence[Staged]) -> pl.DataFrame:
    """participants.parquet: what is known of the patients who are judged; they all test."""
    seen = seen_by(cohort, model.plan, new=True)
    task = Task(seen, model.plan, space_of(seen, model.plan.pictured, True), [])
    names = {one.patient_id for one in judged}
    rows = np.flatnonzero([name in names for name in cohort.patient_ids])
    return known_of_rows(task, rows, [TESTS] * len(rows))


def metrics_with(task: Task, predictions: pl.DataFrame, left_out: Counter[str], model: Model) -> Metrics:
    """The figures, with the flow that ends with who was judged."""
    flow = flow_of(task.cohort).as_dict()
    flow["test"] = len(predictions)
    caveats = list(task.cohort.caveats)
    if model.trained_on is None:
        caveats.append(UNSURE)
    caveats += [f"{count} patients have no figure here: {reason}" for reason, count in left_out.items()]
    return metrics_of(
        evaluate_predictions(predictions, task),
        task,
        flow=ParticipantFlow.model_validate(flow),
        sets=set_figures(predictions, task),
        caveats=tuple(caveats),
    )


def table_of(model: Model, judged: Sequence[Staged], stages: NDArray[np.int64]) -> pl.DataFrame:
    """predictions.parquet: a row a patient with true stages [n], the model's calibrated probabilities, the stage that
    it called and the stages it could not exclude."""
    classes = model.staging.classes
    table = predictions_table(
        [one.patient_id for one in judged],
        np.arange(len(judged)),
        [classes[stage] for stage in stages],
        [None] * len(judged),
        probabilities_of(judged, model.staging),
        split=TEST,
        fold="external",
        seed=model.plan.seed,
        method=method_name(model.plan),
    )
    table = table.with_columns(pl.Series(CALLED, [one.stage for one in judged], dtype=pl.String))
    if not all(one.possible for one in judged):
        return table
    return table.with_columns(pl.Series(POSSIBLE, [" ".join(one.possible) for one in judged], dtype=pl.String))


def probabilities_of(judged: Sequence[Staged], staging: Staging) -> NDArray[np.float64]:
    """The probabilities [n, K] of patients who were staged."""
    return np.array([[one.probabilities[name] for name in staging.classes] for one in judged], dtype=np.float64)


def cut_of(staging: Staging, cut: str, judged: Sequence[Staged], stages: NDArray[np.int64], seed: int) -> SiteCut:
    """What the probabilities and the limits carried over do at a cut, of patients with true stages [n]."""
    positive = stages >= staging.threshold(cut)
    score = np.clip(cut_score(probabilities_of(judged, staging), staging.threshold(cut)), 0, 1)
    found = recalibrated_for_site(positive, score, seed)
    ruled = np.array([one.rules.get(cut, "") for one in judged])
    out, within = ruled == RULED_OUT, ruled == RULED_IN
    return SiteCut(
        cut=cut,
        n=found.n,
        positives=found.positives,
        **columns_of(found),
        ruled_out=int(out.sum()),
        npv=share_of(~positive[out], "nobody was ruled out"),
        ruled_in=int(within.sum()),
        ppv=share_of(positive[within], "nobody was ruled in"),
    )


def share_of(right: NDArray[np.bool_], nobody: str) -> Estimate:
    """The share of `right` [n] that is true, with Wilson's interval."""
    return wilson(int(right.sum()), len(right)) if len(right) else undefined(nobody)


def write_folder(
    out: Path,
    model: Model,
    predictions: pl.DataFrame,
    known: pl.DataFrame,
    metrics: Metrics,
    validation: Validation,
    cohort: Cohort,
) -> None:
    """Writes the folder, whole or not at all; raises `RunError`."""
    with new_folder(out) as work:
        folder = RunFolder(work)
        folder.write_plan(model.plan.model_dump(mode="json"))
        folder.write_intake(taken_in_with(cohort))
        for index, calling in enumerate(model.callings):
            folder.log(event=CHOSEN, fold=f"network {index + 1}", calling=calling.as_dict())
        write_parquet(folder.predictions_file, predictions)
        write_parquet(folder.participants_file, known)
        write_validation(work, validation)
        folder.write_metrics(metrics)
