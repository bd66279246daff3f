"""Fits inside the training patients, before the one that is kept: they choose its penalty and calibrate what it says.

Each fit leaves a part of the training patients out and stages them, so that everybody is staged once by a model that
never saw them. Test patients choose nothing. On cached features such a fit is a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from fibrostage.cohort.splits import Fold, groups_of, kfolds
from fibrostage.ground.draws import Draws
from fibrostage.ground.progress import Progress
from fibrostage.learn.fit_head import Examples
from fibrostage.learn.learner import Learner, make_learner, predict
from fibrostage.learn.shares import Shares, apart, mean_shares
from fibrostage.learn.soundness import never_certain
from fibrostage.learn.task import Task, examples_of
from fibrostage.plan.run_plan import Plan
from fibrostage.plan.training import CHOSEN
from fibrostage.stats.calling import Calling, calibrated, decided
from fibrostage.stats.decisions import THRESHOLDS, Decision
from fibrostage.stats.poolings import POOLINGS
from fibrostage.stats.recalibration import mean_log_loss

FEWEST_PATIENTS = 30  # who train; of fewer, nothing can be chosen or calibrated


@dataclass(frozen=True)
class CrossFit:
    """What was chosen: the plan with its penalty, and how stages are called. `losses` are the mean log loss of patients
    by penalty, `why` says why nothing was chosen where something was asked for. `shares` are by modality what those who
    had not seen the training patients say of them [n, outputs], from what their own have on average; empty where there
    were no fits."""

    plan: Plan
    calling: Calling
    losses: dict[float, float]
    why: str = ""
    shares: Shares = field(default_factory=dict)


def cross_fit(
    task: Task, fold: Fold, training: NDArray[np.int64], validation: Examples | None, progress: Progress
) -> CrossFit:
    """Chooses for the training patients (rows [n]) of a fold what the plan leaves to them."""
    plan = task.plan
    frozen = plan.training.finetune == "head"
    choose = frozen and plan.training.frozen_l2 == CHOSEN
    calibrate = plan.calibration.map not in ("none", "auto") or (plan.calibration.map == "auto" and frozen)
    settled = Decision(plan.decision.rule, plan.decision.costs)
    penalties = plan.calibration.penalties if choose else (plan.training.penalty,)
    if not (choose or calibrate or settled.rule == THRESHOLDS):
        return CrossFit(plan, Calling(decision=settled), {})
    stages = task.cohort.stages[training]
    most = len(np.unique(groups_of(task.cohort)[training]))
    if most < FEWEST_PATIENTS:
        halves = (0.5,) * (len(task.cohort.staging.classes) - 1) if settled.rule == THRESHOLDS else ()
        why = f"{most} patients train, too few to choose a penalty or calibrate on ({FEWEST_PATIENTS} are enough)"
        return CrossFit(plan, Calling(decision=Decision(settled.rule, settled.costs, halves)), {}, why)
    parts = parts_of(task, training, plan.calibration.folds)
    said: dict[float, tuple[NDArray[np.float64], Shares]] = {}
    losses: dict[float, float] = {}

    def hear(tried: Sequence[float], what: str) -> None:
        with progress.task(what, len(tried) * len(parts)) as advance:
            for penalty in tried:
                each = with_penalty(plan, penalty) if frozen else plan
                said[penalty] = left_out(replace(task, plan=each), fold, training, parts, validation, advance)
                losses[penalty] = mean_log_loss(stages, said[penalty][0])

    hear(penalties, "cross-fitting")
    for penalty in heavier_than(penalties, plan) if choose else ():
        if min(losses, key=lambda one: losses[one]) != max(losses):
            break  # the heaviest is no better than a lighter one
        hear((penalty,), f"cross-fitting with penalty {penalty:g}")
    best = min(losses, key=lambda penalty: losses[penalty])
    table, shares = said[best]
    if calibrate:
        part_of = np.argmax([np.isin(training, part) for part in parts], axis=0)
        calling = calibrated(stages, table, part_of, settled, plan.calibration.map)
    else:
        calling = Calling(decision=decided(stages, table, settled))
    return CrossFit(with_penalty(plan, best) if frozen else plan, calling, losses, shares=shares)


def heavier_than(penalties: Sequence[float], plan: Plan) -> list[float]:
    """The plan's heavier penalties that lie above all of `penalties`, ascending."""
    return sorted(penalty for penalty in plan.calibration.heavier if penalty > max(penalties))


def left_out(
    task: Task,
    fold: Fold,
    training: NDArray[np.int64],
    parts: list[NDArray[np.int64]],
    validation: Examples | None,
    advance: Callable[[int], None],
) -> tuple[NDArray[np.float64], Shares]:
    """What is said of training patients (rows [n]) by fits, one for each of the `parts`, that had not seen them:
    probabilities [n, K], and by modality shares [n, outputs], from the mean of those whom the fit had seen."""
    cohort, seed = task.cohort, task.plan.seed
    owners = {name: task.space.owners(name) for name in task.plan.fused}
    table = np.empty((len(training), len(cohort.staging.classes)))
    shares: dict[str, NDArray[np.float64]] = {}
    for part in parts:
        own = np.isin(training, part)
        learner = make_learner(cohort, task.plan, task.space, fold.train, seed)
        learner.fit(examples_of(task, training[~own], seed), seed, validation)
        table[own] = of_patients(learner, task, training[own])
        for name, found in apart(mean_shares(learner.head, learner.features, owners, training), ~own).items():
            shares.setdefault(name, np.empty_like(found))[own] = found[own]
        advance(1)
    return table, shares


def parts_of(task: Task, training: NDArray[np.int64], folds: int) -> list[NDArray[np.int64]]:
    """Divides training patients (rows [n]) into parts of like stages; patients who share pictures stay together."""
    groups = groups_of(task.cohort)[training]
    first = training[np.unique(groups, return_index=True)[1]]
    own = groups_of(task.cohort)
    drawn = kfolds(first, task.cohort.strata, min(folds, len(first)), 1, task.plan.seed)
    return [training[np.isin(groups, own[part.test])] for part in drawn]


def with_penalty(plan: Plan, penalty: float) -> Plan:
    """A plan with another penalty."""
    return plan.model_copy(update={"training": plan.training.model_copy(update={"frozen_l2": penalty})})


def of_patients(learner: Learner, task: Task, patients: NDArray[np.int64]) -> NDArray[np.float64]:
    """What a learner says of patients (rows [p], ascending): probabilities [p, K], pooled as the plan says."""
    ids = task.space.draw(patients, task.plan.evaluation.candidates, Draws.EVALUATED.of(task.plan.seed))
    pooled = POOLINGS[task.plan.evaluation.pooling](task.space.patient_of(ids), predict(learner, ids))
    return never_certain(pooled[1])
