"""One supervised run: every fold fitted, its test patients predicted, all of them evaluated together."""

from __future__ import annotations

import platform
import shutil
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fibrostage import RESEARCH_USE, __version__
from fibrostage.cohort.candidates import CandidateSpace
from fibrostage.cohort.describe import space_of
from fibrostage.cohort.flow import flow_of
from fibrostage.cohort.splits import Fold, draw_stratified, groups_of, make_folds
from fibrostage.cohort.store import Cohort, Modality
from fibrostage.ground.errors import PlanError, nearest
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.learn import checkpoint
from fibrostage.learn.fit_head import Examples
from fibrostage.learn.learner import Learner, make_learner, predict
from fibrostage.networks.backbones import BACKBONES
from fibrostage.networks.weights import source_of
from fibrostage.plan.run_plan import Plan
from fibrostage.results import run_folder as runfolder
from fibrostage.results.predictions import TEST, TRAINING, scores_of
from fibrostage.stats.auc import auc_or_why
from fibrostage.stats.evaluate import Evaluation, evaluate

TRAINING_CANDIDATES = 64  # of one patient, or as many as it takes to show each of their images

PACKAGES = ("torch", "numpy", "scipy", "polars", "monai", "accelerate")


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
        [asdict(m) for m in cohort.modalities],
    )
    staging, own = cohort.staging, data.get("staging", {})
    if isinstance(own, dict) and own.get("name", staging.name) == staging.name:
        whole = {"name": staging.name, "classes": list(staging.classes), "cuts": list(staging.cuts)}
        data["staging"] = {**whole, **own}
    plan = Plan.parse(data, overrides, source)
    check_fit(cohort, plan)
    plan = with_source(plan)
    for name in plan.fused:
        if not len(cohort.images_of(name)):
            raise PlanError(f"network.modalities: no patient of cohort {cohort.name!r} has a {name} image")
    return plan


def with_source(plan: Plan) -> Plan:
    """The plan with what its weights' file is recorded in it, or checked against what was recorded."""
    before, now = plan.network.source, source_of(plan.network.weights)
    if before is not None and (now is None or now.sha256 != before.sha256):
        came = "is not there" if now is None else f"has SHA-256 {now.sha256[:16]}…"
        raise PlanError(
            f"network.weights = {plan.network.weights!r} {came}; the plan was made with {before.name}, "
            f"{before.sha256[:16]}…"
        )
    return plan.model_copy(update={"network": plan.network.model_copy(update={"source": now})})


def check_fit(cohort: Cohort, plan: Plan) -> None:
    """Raises `PlanError` where the plan speaks of other stages or otherwise stored pictures than the cohort's."""
    staging = plan.staging.whole()
    if (staging.name, staging.classes) != (cohort.staging.name, cohort.staging.classes):
        raise PlanError(
            f"the plan stages {staging.name} {list(staging.classes)}, cohort {cohort.name!r} was taken in with "
            f"{cohort.staging.name} {list(cohort.staging.classes)}; take it in again with this plan"
        )
    names = cohort.modality_names
    for asked in plan.modality:
        if asked.name not in names:
            raise PlanError(
                f"the plan's modality {asked.name!r} is not in cohort {cohort.name!r}"
                f"{nearest(asked.name, names)}; it has {', '.join(names)}"
            )
        stored = cohort.modality(asked.name)
        wanted = Modality(asked.name, asked.kind, asked.size, asked.stored_channels, asked.fit)
        if wanted != stored:
            raise PlanError(
                f"modality {asked.name}: the plan wants {describe_modality(wanted)}, cohort {cohort.name!r} holds "
                f"{describe_modality(stored)}; take it in again with this plan"
            )

    spec = BACKBONES[plan.network.backbone]
    for name in plan.fused:
        size = cohort.modality(name).size
        if spec.exact and size != spec.size:
            raise PlanError(
                f"network.backbone = {spec.name!r} reads crops of {spec.size}×{spec.size} pixels, {name} of cohort "
                f"{cohort.name!r} is stored at {size}×{size}; take it in with size = {spec.size} and fit = 'click'"
            )


def describe_modality(modality: Modality) -> str:
    return f"{modality.kind}, {modality.size} px, {modality.channels} channels, fit {modality.fit!r}"


def versions() -> dict[str, str]:
    """What computed the figures."""
    return {"Python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def make_task(cohort: Cohort, plan: Plan) -> Task:
    if plan.staging.task is not None:
        cohort = cohort.at(plan.staging.task)
    space = space_of(cohort, plan.fused, plan.network.missing == "keep")
    folds = make_folds(cohort, plan.split, plan.seed, space.per_patient > 0)
    return Task(cohort, plan, space, folds)


def examples_of(task: Task, patients: NDArray[np.int64], seed: int) -> Examples:
    """Candidates of the given patients with their stages: a few of each, every image among them."""
    rng = np.random.default_rng([seed, 7])
    ids = task.space.draw(patients, TRAINING_CANDIDATES, rng)
    return Examples(task.space.decode(ids), task.cohort.stages[task.space.patient_of(ids)])


def train(cohort: Cohort, plan: Plan, out: Path, progress: Progress = SILENT) -> Evaluation:
    """Fits and evaluates every fold of the plan's split; writes the run folder; returns the evaluation.

    A run that fails or is stopped leaves nothing behind: it cannot be resumed, so its folder would be in the way.
    """
    task = make_task(cohort, plan)
    runfolder.new_run(out)
    try:
        runfolder.write_json(out / runfolder.PLAN, plan.model_dump(mode="json"))
        predictions = pl.concat([train_fold(task, fold, out, progress) for fold in task.folds])
        runfolder.write_parquet(out / runfolder.PREDICTIONS, predictions)
        evaluation = evaluate_predictions(predictions, task)
        runfolder.write_json(out / runfolder.METRICS, metrics_of(evaluation, task, **beside(predictions, task)))
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        raise
    return evaluation


def set_aside(task: Task, fold: Fold) -> NDArray[np.int64]:
    """The training patients of a fold who validate and do not train; nobody unless the plan asks for some."""
    share = task.plan.split.validation
    if not share:
        return np.empty(0, dtype=np.int64)
    drawn = draw_stratified(fold.train, task.cohort.strata, share, np.random.default_rng([task.plan.seed, 8]))
    groups = groups_of(task.cohort)
    return fold.train[np.isin(groups[fold.train], groups[drawn])]


def beside(predictions: pl.DataFrame, task: Task) -> dict[str, Any]:
    """What stands in metrics.json beside the test patients' figures: pictures, and the training cohort."""
    result: dict[str, Any] = {
        "n_training": n_training(task),
        "flow": flow_of(task.cohort).as_dict() | cohorts_of(task),
        "pictures": evaluate_pictures(predictions, task, TEST),
    }
    if task.plan.evaluation.training:
        training = evaluate_predictions(predictions, task, TRAINING).as_dict()
        result["training"] = {**training, "pictures": evaluate_pictures(predictions, task, TRAINING)}
    return result


def cohorts_of(task: Task) -> dict[str, int]:
    """How many train and test, where there is one division of the patients; who trains, where all of them do."""
    split = task.plan.split
    if split.scheme != "holdout":
        return {}
    fold = task.folds[0]
    training = {"training": n_training(task)} if split.use == 1 else {}
    return {"test": len(fold.test), **training}


def n_training(task: Task) -> int:
    """Patients who train in a fold, on average, without those who validate."""
    return round(float(np.mean([len(fold.train) - len(set_aside(task, fold)) for fold in task.folds])))


def train_fold(task: Task, fold: Fold, out: Path, progress: Progress) -> pl.DataFrame:
    """Fits one fold, saves its network, and returns the predictions of its test patients."""
    cohort, plan = task.cohort, task.plan
    if len(task.folds) > 1:
        progress.say(f"fold {fold.label}: {len(fold.train)} patients train, {len(fold.test)} test")
    learner = make_learner(cohort, plan, task.space, fold.train, plan.seed, progress)
    aside = set_aside(task, fold)
    training = np.setdiff1d(fold.train, aside)
    validation = examples_of(task, aside, plan.seed) if len(aside) else None
    for record in learner.fit(examples_of(task, training, plan.seed), plan.seed, validation):
        runfolder.log(out, event="epoch", fold=fold.label, **record)
    suffix = "" if len(task.folds) == 1 else f"-{fold.label}"
    checkpoint.save_network(out / f"model{suffix}.safetensors", learner.network(), plan, cohort)
    found = test_predictions(learner, task, fold)
    if plan.evaluation.training:
        found = pl.concat([found, predictions_of(learner, task, fold, fold.train, TRAINING)])
    return found


def test_predictions(learner: Learner, task: Task, fold: Fold) -> pl.DataFrame:
    """What a fitted learner says of a fold's test patients."""
    return predictions_of(learner, task, fold, fold.test, TEST)


def predictions_of(learner: Learner, task: Task, fold: Fold, patients: NDArray[np.int64], split: str) -> pl.DataFrame:
    """What a fitted learner says of some patients."""
    rng = np.random.default_rng([task.plan.seed, 9])
    ids = task.space.draw(patients, task.plan.evaluation.candidates, rng)
    return predictions_table(task, fold, ids, predict(learner, ids), method_name(task.plan), split)


def method_name(plan: Plan) -> str:
    return "+".join(plan.fused)


def predictions_table(
    task: Task,
    fold: Fold,
    ids: NDArray[np.int64],
    probabilities: NDArray[np.float32],
    method: str,
    split: str = TEST,
) -> pl.DataFrame:
    """The wall between learning and statistics: one row a candidate; `picture` tells crops of one picture together,
    where a candidate is of one picture."""
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
            "picture": pl.Series(pictures_of(task, ids), dtype=pl.String),
        }
    )
    columns = [pl.Series(f"p_{k}", probabilities[:, k]) for k in range(probabilities.shape[1])]
    return table.with_columns(columns)


def pictures_of(task: Task, ids: NDArray[np.int64]) -> list[str | None]:
    """The picture each candidate is, or is a crop of; None where it is several."""
    if len(task.plan.fused) > 1:
        return [None] * len(ids)
    images = task.cohort.images_of(task.plan.fused[0])
    names = images.select("patient_id", "source", pl.col("frame").fill_null(0)).rows()
    first = dict(zip(reversed(names), reversed(images["image_id"].to_list()), strict=True))
    return [first[names[row]] for row in task.space.decode(ids)[:, 0]]


def evaluate_predictions(predictions: pl.DataFrame, task: Task, split: str = TEST) -> Evaluation:
    """Per patient, over all folds together (and repeats averaged)."""
    staging, settings = task.plan.staging.resolve(), task.plan.evaluation
    found = scores_of(predictions, staging, split)
    return evaluate(found.stages, found.probabilities, staging, settings.bootstrap, task.plan.seed, settings.confidence)


def evaluate_pictures(predictions: pl.DataFrame, task: Task, split: str) -> dict[str, Any]:
    """AUC at each cut over pictures, with the patient as the cluster; nothing where a candidate is several."""
    if predictions["picture"].null_count():
        return {}
    staging = task.plan.staging.resolve()
    found = scores_of(predictions, staging, split, by="picture")
    at_cut = {}
    for cut in staging.cuts:
        positive, score = found.at_cut(staging, cut)
        at_cut[cut] = auc_or_why(positive, score, task.plan.evaluation.confidence, found.patients).as_dict()
    return {"n_pictures": len(found), "n_patients": len(set(found.patients.tolist())), "auc_at_cut": at_cut}


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
        "versions": versions(),
        "notice": RESEARCH_USE,
        **more,
    }
