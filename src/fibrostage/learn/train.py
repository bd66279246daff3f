"""One supervised run: every fold fitted, its test patients predicted, all of them evaluated together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fibrostage import RESEARCH_USE, __version__
from fibrostage.cohort.candidates import CandidateSpace
from fibrostage.cohort.describe import space_of
from fibrostage.cohort.splits import Fold, draw_stratified, make_folds
from fibrostage.cohort.store import Cohort
from fibrostage.errors import PlanError, nearest
from fibrostage.learn import checkpoint, runfolder
from fibrostage.learn.fit_frozen import Examples
from fibrostage.learn.learner import make_learner, predict
from fibrostage.plan import ModalityPlan, Plan, StagingPlan
from fibrostage.progress import SILENT, Progress
from fibrostage.stats.evaluate import Evaluation, evaluate, per_patient

TRAINING_CANDIDATES = 64  # of one patient in a frozen fit; each of their images still shows


@dataclass(frozen=True)
class Task:
    """A plan applied to a cohort: the candidates, and who trains and tests."""

    cohort: Cohort
    plan: Plan
    space: CandidateSpace
    folds: list[Fold]


def plan_for(cohort: Cohort, data: dict[str, Any], overrides: list[str], source: str) -> Plan:
    """A plan for a cohort; its staging and modalities are the cohort's unless the plan says them too."""
    data = dict(data)
    data.setdefault(
        "modality",
        [{"name": m.name, "kind": m.kind, "size": m.size, "channels": m.channels} for m in cohort.modalities],
    )
    staging = cohort.staging
    data.setdefault(
        "staging",
        {"name": staging.name, "classes": list(staging.classes), "cuts": list(staging.cuts)},
    )
    plan = Plan.parse(data, overrides, source)
    check_fit(cohort, plan.staging, plan.modality, plan.fused)
    return plan


def check_fit(
    cohort: Cohort,
    staging: StagingPlan,
    modalities: tuple[ModalityPlan, ...],
    fused: tuple[str, ...],
) -> None:
    """Raises `PlanError` where the plan speaks of other stages or modalities than the cohort has."""
    classes = staging.resolve().classes
    if classes != cohort.staging.classes:
        raise PlanError(
            f"the plan stages {list(classes)}, cohort {cohort.name!r} was taken in with "
            f"{list(cohort.staging.classes)}; take it in again with this plan"
        )
    names = cohort.modality_names
    for modality in modalities:
        if modality.name not in names:
            raise PlanError(
                f"the plan's modality {modality.name!r} is not in cohort {cohort.name!r}"
                f"{nearest(modality.name, names)}; it has {', '.join(names)}"
            )
    for name in fused:
        if not len(cohort.images_of(name)):
            raise PlanError(f"network.modalities: no patient of cohort {cohort.name!r} has a {name} image")


def make_task(cohort: Cohort, plan: Plan) -> Task:
    space = space_of(cohort, plan.fused, plan.network.missing == "keep")
    folds = make_folds(cohort, plan.split, plan.seed, space.per_patient > 0)
    return Task(cohort, plan, space, folds)


def examples_of(task: Task, patients: NDArray[np.int64], seed: int) -> Examples:
    """Candidates of the given patients with their stages, at most 64 a patient."""
    rng = np.random.default_rng([seed, 7])
    ids = task.space.draw(patients, TRAINING_CANDIDATES, rng)
    return Examples(task.space.decode(ids), task.cohort.stages[task.space.patient_of(ids)])


def train(cohort: Cohort, plan: Plan, out: Path, progress: Progress = SILENT) -> Evaluation:
    """Fits and evaluates every fold of the plan's split; writes the run folder; returns the evaluation."""
    task = make_task(cohort, plan)
    runfolder.new_run(out)
    runfolder.write_json(out / runfolder.PLAN, plan.model_dump(mode="json"))
    tables = []
    for fold in task.folds:
        if len(task.folds) > 1:
            progress.say(f"fold {fold.label}: {len(fold.train)} patients train, {len(fold.test)} test")
        learner = make_learner(cohort, plan, task.space, fold.train, plan.seed, progress)
        training, validation = fold.train, None
        if plan.split.validation:
            rng = np.random.default_rng([plan.seed, 8])
            held = draw_stratified(fold.train, cohort.stages, plan.split.validation, rng)
            if len(held):
                training = np.setdiff1d(fold.train, held)
                validation = examples_of(task, held, plan.seed)
        history = learner.fit(examples_of(task, training, plan.seed), plan.seed, validation)
        for record in history:
            runfolder.log(out, event="epoch", fold=fold.label, **record)
        ids = test_candidates(task, fold)
        tables.append(predictions_table(task, fold, ids, predict(learner, ids), method_name(plan)))
        suffix = "" if len(task.folds) == 1 else f"-{fold.label}"
        checkpoint.save_network(out / f"model{suffix}.safetensors", learner.network(), plan, cohort.fingerprint)
    predictions = pl.concat(tables)
    runfolder.write_parquet(out / runfolder.PREDICTIONS, predictions)
    evaluation = evaluate_predictions(predictions, task)
    runfolder.write_json(out / runfolder.METRICS, metrics_of(evaluation, task))
    return evaluation


def test_candidates(task: Task, fold: Fold) -> NDArray[np.int64]:
    rng = np.random.default_rng([task.plan.seed, 9])
    return task.space.draw(fold.test, task.plan.evaluation.candidates, rng)


def method_name(plan: Plan) -> str:
    return "+".join(plan.fused)


def predictions_table(
    task: Task,
    fold: Fold,
    ids: NDArray[np.int64],
    probabilities: NDArray[np.float32],
    method: str,
    split: str = "test",
) -> pl.DataFrame:
    """The wall between learning and statistics: one row a candidate."""
    rows = task.space.patient_of(ids)
    names = np.array(task.cohort.patient_ids, dtype=object)[rows]
    labels = task.cohort.patients["stage"].to_list()
    table = pl.DataFrame(
        {
            "patient_id": pl.Series(names, dtype=pl.String),
            "candidate": ids,
            "split": split,
            "fold": fold.label,
            "seed": task.plan.seed,
            "method": method,
            "stage": pl.Series([labels[row] for row in rows], dtype=pl.String),
        }
    )
    columns = [pl.Series(f"p_{k}", probabilities[:, k]) for k in range(probabilities.shape[1])]
    return table.with_columns(columns)


def evaluate_predictions(predictions: pl.DataFrame, task: Task) -> Evaluation:
    """Per patient, over all folds together (and repeats averaged)."""
    position = {label: index for index, label in enumerate(task.cohort.staging.classes)}
    classes = len(position)
    patients, table = per_patient(
        predictions["patient_id"].to_numpy(),
        predictions.select([f"p_{k}" for k in range(classes)]).to_numpy(),
    )
    stage_of = dict(predictions.select("patient_id", "stage").unique().iter_rows())
    stages = np.array([position[stage_of[patient]] for patient in patients])
    settings = task.plan.evaluation
    return evaluate(stages, table, task.cohort.staging, settings.bootstrap, task.plan.seed, settings.confidence)


def metrics_of(evaluation: Evaluation, task: Task, **more: Any) -> dict[str, Any]:
    """metrics.json: the figures, what they were made from, and what a reader must know."""
    return {
        **evaluation.as_dict(),
        "method": method_name(task.plan),
        "simulated": task.cohort.simulated,
        "caveats": list(task.cohort.caveats),
        "cohort": {"name": task.cohort.name, "fingerprint": task.cohort.fingerprint},
        "seed": task.plan.seed,
        "confidence": task.plan.evaluation.confidence,
        "split": task.plan.split.model_dump(mode="json"),
        "tool": __version__,
        "notice": RESEARCH_USE,
        **more,
    }
