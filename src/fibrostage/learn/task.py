"""A plan applied to a cohort: the candidates there are, who trains, who validates and who tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fibrostage.cohort.candidates import CandidateSpace
from fibrostage.cohort.flow import has_all, has_any
from fibrostage.cohort.measurements import seen_by
from fibrostage.cohort.pictures import Pictures, space_of
from fibrostage.cohort.splits import Fold, draw_stratified, groups_of, make_folds, seen_of
from fibrostage.cohort.store import Cohort
from fibrostage.ground.draws import Draws
from fibrostage.learn.fit_head import Examples
from fibrostage.plan.run_plan import Plan


@dataclass(frozen=True)
class Task:
    """A plan applied to a cohort; of a task at a cut, the cohort's stages are below it and at or above it."""

    cohort: Cohort
    plan: Plan
    space: CandidateSpace
    folds: list[Fold]


def make_task(cohort: Cohort, plan: Plan) -> Task:
    """The task of a plan on a cohort: who trains and who tests, of those with a picture of the plan's modalities.

    The division is drawn over everybody with a picture of any kind, so that methods that see different modalities test
    on the same patients, but for those they cannot see. Raises `PlanError` where the split cannot be drawn, and
    `CohortError` where too few patients can be seen.
    """
    if plan.staging.task is not None:
        cohort = cohort.at(plan.staging.task)
    complete = has_any(cohort) & has_all(cohort, plan.split.require)  # of pictures alone, whatever tables there are
    cohort = seen_by(cohort, plan)
    space = space_for(cohort, plan)
    folds = make_folds(cohort, plan.split, plan.seed, complete)
    return Task(cohort, plan, space, seen_of(cohort, folds, space.per_patient > 0))


def space_for(pictures: Pictures, plan: Plan) -> CandidateSpace:
    """The candidates of pictures that a plan's network sees; raises `CohortError` where they lack its modalities."""
    return space_of(pictures, plan.fused, plan.network.missing == "keep", plan.sees_bags)


def examples_of(task: Task, patients: NDArray[np.int64], seed: int) -> Examples:
    """Candidates of the given patients (rows [P]) with their stages: `training.candidates` of each, or as many as it
    takes to show every image."""
    ids = task.space.draw(patients, task.plan.training.candidates_a_patient, Draws.EXAMPLES.of(seed))
    return Examples(task.space.decode(ids), task.cohort.stages[task.space.patient_of(ids)])


def set_aside(task: Task, fold: Fold) -> NDArray[np.int64]:
    """The training patients (rows [P]) of a fold who validate and do not train; nobody unless the plan asks for
    some."""
    share = task.plan.split.validation
    if not share:
        return np.empty(0, dtype=np.int64)
    drawn = draw_stratified(fold.train, task.cohort.strata, share, Draws.VALIDATION.of(task.plan.seed))
    groups = groups_of(task.cohort)
    return fold.train[np.isin(groups[fold.train], groups[drawn])]


def n_training(task: Task) -> int:
    """Patients who train in a fold, on average, without those who validate."""
    return round(float(np.mean([len(fold.train) - len(set_aside(task, fold)) for fold in task.folds])))
