"""One supervised run: every fold fitted, its test patients predicted, all of them evaluated together."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from fibrostage.cohort.splits import Fold
from fibrostage.cohort.store import Cohort, taken_in_with
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.learn.checkpoint import save_network
from fibrostage.learn.cross_fit import cross_fit
from fibrostage.learn.known import KnownPictures, known_of
from fibrostage.learn.lacking import Member
from fibrostage.learn.learner import Learner, make_learner
from fibrostage.learn.participants import participants_of
from fibrostage.learn.patient_predictions import predictions_of, test_predictions
from fibrostage.learn.run_metrics import supervised_metrics
from fibrostage.learn.task import Task, examples_of, make_task, set_aside
from fibrostage.learn.tracking import UNTRACKED, Tracking, open_tracking
from fibrostage.learn.without import without_modalities
from fibrostage.plan.commands import TRAIN
from fibrostage.plan.run_plan import Plan
from fibrostage.results.metrics import Metrics
from fibrostage.results.predictions import TRAINING, with_calls
from fibrostage.results.run_folder import CHOSEN, RunFolder, write_parquet
from fibrostage.stats.calling import Calling


def train(cohort: Cohort, plan: Plan, out: Path, progress: Progress = SILENT, deploy: bool = False) -> Metrics:
    """Fits and evaluates every fold of the plan's split; writes the run folder; returns what stands in metrics.json.

    With `deploy` another network is fitted on everybody, for new patients: the figures are those of the folds, each
    tested on patients whom it had not seen.

    A run that fails or is stopped leaves nothing behind: it cannot be resumed, so its folder would be in the way.
    Raises `RunError` where there is something at `out` already, `PlanError` where the split cannot be drawn.
    """
    task, run = make_task(cohort, plan), RunFolder(out)
    tracking = open_tracking(plan, cohort, out, TRAIN)
    run.make()
    try:
        run.write_plan(plan.model_dump(mode="json"))
        run.write_intake(taken_in_with(cohort))
        write_parquet(run.participants_file, participants_of(task))
        found = [train_fold(task, fold, run, progress, tracking) for fold in task.folds]
        predictions = pl.concat([one.predictions for one in found])
        write_parquet(run.predictions_file, predictions)
        withheld = [one.by_modality for one in found if one.by_modality is not None]
        if withheld:
            write_parquet(run.by_modality_file, pl.concat(withheld))
        deployed = train_deployed(task, run, progress, tracking) if deploy else None
        metrics = supervised_metrics(predictions, task, deployed)
        run.write_metrics(metrics)
        tracking.note("figures", main_figures(metrics), 0)
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        raise
    finally:
        tracking.finish()
    return metrics


def main_figures(metrics: Metrics) -> dict[str, float | None]:
    """The figures that trackers are told, by the names that metrics.json has."""
    at_cuts = {f"auc_at_{cut}": figure.value for cut, figure in metrics.auc_at_cut.items()}
    return {"accuracy": metrics.accuracy.value, "auc_macro": metrics.auc_macro.value, **at_cuts}


@dataclass(frozen=True)
class FoldTold:
    """What a fold's network says: `predictions` of its test patients, and `by_modality` what it says of them where
    modalities are withheld from it, None where it has only one."""

    predictions: pl.DataFrame
    by_modality: pl.DataFrame | None


@dataclass(frozen=True)
class Fitted:
    """What was fitted, how its answers become a stage, and what its file keeps of the training pictures."""

    learner: Learner
    calling: Calling
    known: KnownPictures

    @property
    def member(self) -> Member:
        """The same, as it tells of patients who lack a modality."""
        return Member(self.learner.head, self.calling, self.known.shares)


def train_fold(task: Task, fold: Fold, run: RunFolder, progress: Progress, tracking: Tracking) -> FoldTold:
    """Fits one fold, saves its network, and returns what it says of its test patients."""
    cohort, plan, several = task.cohort, task.plan, len(task.folds) > 1
    if several:
        progress.say(f"fold {fold.label}: {len(fold.train)} patients train, {len(fold.test)} test")
    model = run.model_file(fold.label if several else None)
    fitted = fit(task, fold, fold.label, model, run, progress, tracking)
    found = test_predictions(fitted.learner, task, fold)
    if plan.evaluation.training:
        found = pl.concat([found, predictions_of(fitted.learner, task, fold, fold.train, TRAINING)])
    told = with_calls(found, fitted.calling, cohort.staging, plan.decision.coverage)
    return FoldTold(told, without_modalities(fitted.learner, fitted.member, task, fold))


def train_deployed(task: Task, run: RunFolder, progress: Progress, tracking: Tracking) -> int:
    """Fits on everybody who trains or tests in a fold, saves that network, and returns how many they are."""
    everybody = np.unique(np.concatenate([np.concatenate([fold.train, fold.test]) for fold in task.folds]))
    progress.say(f"for new patients: all {len(everybody)} patients train")
    fit(task, Fold(0, 0, everybody, everybody[:0]), "all", run.deployed_file, run, progress, tracking)
    return len(everybody)


def fit(
    task: Task,
    fold: Fold,
    label: str,
    target: Path,
    run: RunFolder,
    progress: Progress,
    tracking: Tracking = UNTRACKED,
) -> Fitted:
    """Fits the training patients of a fold and saves the network at `target`; what was chosen on them, and every epoch,
    is logged under the `label`."""
    cohort, seed = task.cohort, task.plan.seed
    aside = set_aside(task, fold)
    training = np.setdiff1d(fold.train, aside)
    validation = examples_of(task, aside, seed) if len(aside) else None
    chosen = cross_fit(task, fold, training, validation, progress)
    losses = {f"{penalty:g}": loss for penalty, loss in chosen.losses.items()}
    run.log(event=CHOSEN, fold=label, losses=losses, calling=chosen.calling.as_dict(), why=chosen.why)
    if chosen.why:
        progress.say(f"fold {label}: {chosen.why}")
    learner = make_learner(cohort, chosen.plan, task.space, fold.train, seed, progress)
    noted = tracking.epochs(f"fold {label}")
    for record in learner.fit(examples_of(task, training, seed), seed, validation, noted=noted):
        run.log(event="epoch", fold=label, **record)
    known = known_of(learner, task, fold.train, training, chosen.shares)
    save_network(target, learner.network(), chosen.plan, cohort, fold.train, chosen.calling, known)
    return Fitted(learner, chosen.calling, known)
