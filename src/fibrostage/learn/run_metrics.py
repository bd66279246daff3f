"""metrics.json of a run: figures of its test patients, beside who trained and what computed them."""

from __future__ import annotations

import platform
from importlib.metadata import version

import numpy as np
import polars as pl

from fibrostage import RESEARCH_USE, __version__
from fibrostage.cohort.best_reader import best_reader
from fibrostage.cohort.flow import flow_of
from fibrostage.cohort.splits import GROUP, groups_of
from fibrostage.learn.patient_predictions import method_name
from fibrostage.learn.task import Task, n_training
from fibrostage.results.metrics import (
    Metrics,
    ParticipantFlow,
    PictureFigures,
    SetFigures,
    TrainingFigures,
    patient_figures,
)
from fibrostage.results.predictions import POSSIBLE, TEST, TRAINING, scores_of
from fibrostage.results.rounds import AT_CUT, OVER_CANDIDATES
from fibrostage.stats.auc import auc_or_why
from fibrostage.stats.estimate import Estimate, wilson
from fibrostage.stats.evaluate import Evaluation, evaluate
from fibrostage.stats.macro import macro_auc

PACKAGES = ("torch", "numpy", "scipy", "polars", "monai", "accelerate")


def evaluate_predictions(predictions: pl.DataFrame, task: Task, split: str = TEST) -> Evaluation:
    """Figures per patient, over all folds together (and repeats averaged)."""
    staging, settings = task.plan.staging.resolve(), task.plan.evaluation
    found = scores_of(predictions, staging, split)
    resamples, confidence = settings.bootstrap, settings.confidence
    return evaluate(found.stages, found.probabilities, staging, resamples, task.plan.seed, confidence, found.called)


def evaluate_pictures(predictions: pl.DataFrame, task: Task, split: str) -> PictureFigures | None:
    """AUC at each cut over pictures, with the patient as the cluster; None where a candidate is several."""
    if predictions["picture"].null_count():
        return None
    staging = task.plan.staging.resolve()
    found = scores_of(predictions, staging, split, by="picture")
    at_cut = {}
    for cut in staging.cuts:
        positive, score = found.at_cut(staging, cut)
        at_cut[cut] = auc_or_why(positive, score, task.plan.evaluation.confidence, found.patients)
    return PictureFigures(n_pictures=len(found), n_patients=len(set(found.patients.tolist())), auc_at_cut=at_cut)


def candidate_figures(predictions: pl.DataFrame, task: Task) -> dict[str, Estimate]:
    """Accuracy and average AUC over the test patients' candidates, each counting as one, as some papers count.

    Candidates of a patient are no independent witnesses, so that these have no interval of their own; over runs they
    have one.
    """
    classes = task.plan.staging.resolve().classes
    own = predictions.filter(pl.col("split") == TEST)
    stages = np.array([classes.index(stage) for stage in own["stage"]], dtype=np.int64)
    probabilities = own.select(f"p_{k}" for k in range(len(classes))).to_numpy()
    why = f"{len(own)} candidates of {own['patient_id'].n_unique()} patients"
    values = (float((probabilities.argmax(axis=1) == stages).mean()), macro_auc(stages, probabilities))
    return {name: Estimate(value, None, None, why) for name, value in zip(OVER_CANDIDATES, values, strict=True)}


def metrics_of(evaluation: Evaluation, task: Task, **more: object) -> Metrics:
    """The figures, what they were made from, and what a reader must know; `more` are the fields of the kind of run."""
    return Metrics.model_validate(
        {
            **patient_figures(evaluation),
            "method": method_name(task.plan),
            "simulated": task.cohort.simulated,
            "caveats": (*task.cohort.caveats, *shared_groups(task)),
            "cohort": {"name": task.cohort.name, "fingerprint": task.cohort.fingerprint},
            "best_reader": known_best(task),
            "seed": task.plan.seed,
            "confidence": task.plan.evaluation.confidence,
            "split": task.plan.split,
            "tool": __version__,
            "versions": versions(),
            "notice": RESEARCH_USE,
            **more,
        }
    )


def shared_groups(task: Task) -> list[str]:
    """A warning where patients who test belong together, as loops of one person do: figures take each for himself."""
    everybody = np.arange(len(task.cohort.patients))  # of strangers, whom no division chose
    tested = np.unique(np.concatenate([fold.test for fold in task.folds])) if task.folds else everybody
    kinds = len(np.unique(groups_of(task.cohort)[tested]))
    if kinds == len(tested):
        return []
    return [
        f"{len(tested)} test patients are of {kinds} groups ({GROUP}): the intervals take them for independent and are "
        "too narrow; 'fibrostage compare --cluster' has those of groups"
    ]


def known_best(task: Task) -> dict[str, float]:
    """What the best reader reaches of the plan's modalities, on a simulated cohort; at a cut, that cut's AUC alone."""
    found, at_cut = best_reader(task.cohort.path, task.plan.fused), task.plan.staging.task
    return found if at_cut is None else {name: found[name] for name in (AT_CUT + at_cut,) if name in found}


def supervised_metrics(predictions: pl.DataFrame, task: Task, deployed: int | None = None) -> Metrics:
    """metrics.json of a supervised run: pictures beside patients, who trained, and the training cohort if asked for;
    `deployed` is on how many the network for new patients was fitted, where there is one."""
    training = None
    if task.plan.evaluation.training:
        fitted = evaluate_predictions(predictions, task, TRAINING)
        pictures = evaluate_pictures(predictions, task, TRAINING)
        training = TrainingFigures.model_validate({**patient_figures(fitted), "pictures": pictures})
    return metrics_of(
        evaluate_predictions(predictions, task),
        task,
        n_training=n_training(task),
        flow=participant_flow(task),
        pictures=evaluate_pictures(predictions, task, TEST),
        training=training,
        deployed=deployed,
        sets=set_figures(predictions, task),
    )


def set_figures(predictions: pl.DataFrame, task: Task) -> SetFigures | None:
    """How often the test patients' sets of possible stages hold the true one; None where there are none. A patient who
    was tested several times counts once, by the first."""
    if POSSIBLE not in predictions.columns:
        return None
    own = predictions.filter(pl.col("split") == TEST).unique("patient_id", keep="first", maintain_order=True)
    own = own.drop_nulls(POSSIBLE)
    if not len(own):
        return None
    sets = own[POSSIBLE].str.split(" ")
    held = np.array([stage in each for stage, each in zip(own["stage"], sets, strict=True)])
    confidence, of_stage = task.plan.evaluation.confidence, own["stage"].to_numpy()
    by_stage = {
        name: wilson(int(held[of_stage == name].sum()), int((of_stage == name).sum()), confidence)
        for name in task.plan.staging.resolve().classes
        if (of_stage == name).any()
    }
    covered = wilson(int(held.sum()), len(own), confidence)
    size = float(np.mean([len(each) for each in sets]))
    return SetFigures(asked=task.plan.decision.coverage, covered=covered, by_stage=by_stage, mean_size=size)


def participant_flow(task: Task) -> ParticipantFlow:
    """Who came, left and is studied; who tests where one division holds, and who trains where all the others do."""
    flow, split = flow_of(task.cohort, task.plan.split.require).as_dict(), task.plan.split
    if split.scheme == "holdout":
        flow["test"] = len(task.folds[0].test)
        if split.use == 1:
            flow["training"] = n_training(task)
    return ParticipantFlow.model_validate(flow)


def versions() -> dict[str, str]:
    """What computed the figures."""
    return {"Python": platform.python_version(), **{name: version(name) for name in PACKAGES}}
