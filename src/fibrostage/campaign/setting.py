"""The fixed parts of a campaign: the cohort and plan it is of, who may be asked about, and how its model learns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fibrostage.active.pool import Pool
from fibrostage.active.query_selector import Selector
from fibrostage.active.query_units import query_unit
from fibrostage.active.query_units.spec import QueryUnit
from fibrostage.active.strategies.spec import BatchStrategy, Strategy
from fibrostage.active.strategy_expression import ChosenStrategy, choose_strategy
from fibrostage.campaign.query_sizes import schedule
from fibrostage.campaign.reserve import NOBODY_RESERVED, Reserve
from fibrostage.campaign.stopping import check_rules
from fibrostage.cohort.measurements import seen_by
from fibrostage.cohort.splits import Fold
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import CohortError, PlanError
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.learn.learner import Learner, make_learner
from fibrostage.learn.task import Task, make_task, set_aside, space_for
from fibrostage.learn.tracking import UNTRACKED, Tracking, open_tracking
from fibrostage.ledger.state import State
from fibrostage.plan.commands import ACTIVE
from fibrostage.plan.run_plan import Plan
from fibrostage.results.run_folder import RunFolder

NOBODY = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class CampaignSetting:
    """Everything that does not change from question to question.

    `askable` [P] are the rows of the patients who may be asked about, `known` [k] those whose stage is known without
    asking and who are learned from, `aside` [a] those kept for validation. `targets` are the items that will have been
    asked for by the end of each round; a loop is `endless` and has no last one. `reserve` are the patients among whom a
    loop's audits are drawn.
    """

    task: Task
    fold: Fold
    units: QueryUnit
    askable: NDArray[np.int64]
    known: NDArray[np.int64]
    aside: NDArray[np.int64]
    targets: list[int]
    chosen: ChosenStrategy
    run: RunFolder
    progress: Progress = SILENT
    reserve: Reserve = NOBODY_RESERVED
    endless: bool = False
    tracking: Tracking = UNTRACKED

    @cached_property
    def selector(self) -> Selector:
        """What chooses; it takes a model, which is made when it is first needed."""
        plan, cohort = self.plan, self.cohort
        staging = plan.staging.resolve()
        cut = staging.classes.index(plan.active.cut or staging.classes[1])
        learner = make_learner(cohort, plan, self.task.space, self.patients, plan.seed, self.progress)
        bad = cohort.bad_images(plan.fused)
        if plan.sees_bags:
            bad = tuple(all_bad(own, cohort.owners(name)) for own, name in zip(bad, plan.fused, strict=True))
        return Selector(learner, self.units, self.chosen, plan.active, plan.seed, bad, cut, plan.cost)

    @property
    def learner(self) -> Learner:
        return self.selector.learner

    @property
    def plan(self) -> Plan:
        return self.task.plan

    @property
    def cohort(self) -> Cohort:
        return self.task.cohort

    @property
    def patients(self) -> NDArray[np.int64]:
        """Rows [n] of the patients whose images, labels unseen, may shape the features."""
        return np.union1d(self.fold.train, self.askable)

    @property
    def capacity(self) -> int:
        """How many items there were before any was asked for."""
        return Pool(self.units, self.askable, NOBODY).capacity

    def open_pool(self, state: State) -> Pool:
        """What may still be asked for."""
        return Pool(self.units, self.askable, state.asked)

    def fresh_learner(self) -> Learner:
        """A model that has learned nothing."""
        return make_learner(self.cohort, self.plan, self.task.space, self.patients, self.plan.seed)

    def wanted(self, round_: int, asked: int) -> int:
        """How many items a round asks for, of which so many were asked already."""
        if self.endless:
            return self.targets[0] if round_ == 0 or len(self.targets) < 2 else self.targets[1] - self.targets[0]
        return max(0, self.targets[round_] - asked)

    def following(self, round_: int, asked: int = 0) -> int:
        """The items that will have been asked for by the end of the round after."""
        if self.endless:
            return min(self.capacity, asked + self.wanted(round_ + 1, asked))
        return self.targets[min(round_ + 1, len(self.targets) - 1)]

    def beginning_with(self, carried: int) -> CampaignSetting:
        """Returns this setting with a schedule that begins with so many labels carried over."""
        return replace(self, targets=[carried, *(target for target in self.targets if target > carried)])


def retrospective(cohort: Cohort, plan: Plan, run: RunFolder, progress: Progress = SILENT) -> CampaignSetting:
    """Played back from an archive: the training patients of the plan's fold are asked about, all of whom have a stage.

    Raises `PlanError` for a fold that the split does not have, and for a tracker that cannot be had.
    """
    task = make_task(cohort, plan)
    if plan.active.fold >= len(task.folds):
        raise PlanError(f"active.fold = {plan.active.fold}, but the split has {len(task.folds)} folds")
    fold = task.folds[plan.active.fold]
    aside = set_aside(task, fold)
    askable = np.setdiff1d(fold.train, aside)
    setting = setting_of(task, fold, askable, NOBODY, aside, run, progress)
    return replace(setting, tracking=open_tracking(plan, cohort, run.path, ACTIVE, run.begun))


def prospective(cohort: Cohort, plan: Plan, run: RunFolder, progress: Progress = SILENT) -> CampaignSetting:
    """A clinic's own: patients without a stage are asked about; those with one are learned from, or test.

    Where too few have a stage to test on, nobody tests, and all of them are learned from. Raises `PlanError` for a fold
    that the split does not have, and where nobody without a stage has pictures.
    """
    try:
        task = make_task(cohort, plan)
        if plan.active.fold >= len(task.folds):
            raise PlanError(f"active.fold = {plan.active.fold}, but the split has {len(task.folds)} folds")
        fold = task.folds[plan.active.fold]
    except CohortError:
        task, fold = untested(cohort, plan)
    aside = set_aside(task, fold) if len(fold.test) else NOBODY
    askable = without_stage(task)
    if not len(askable):
        raise PlanError(
            f"cohort {cohort.name!r} has no patient without a stage who has pictures of {' and '.join(plan.fused)}: "
            "there is nobody to ask about"
        )
    return setting_of(task, fold, askable, np.setdiff1d(fold.train, aside), aside, run, progress)


def without_stage(task: Task) -> NDArray[np.int64]:
    """The rows [n] of the patients whom the network can see and whose stage nobody knows."""
    return np.flatnonzero((task.space.per_patient > 0) & (task.cohort.stages < 0))


def untested(cohort: Cohort, plan: Plan) -> tuple[Task, Fold]:
    """A task whose labelled patients, however few, all train."""
    own = seen_by(cohort.at(plan.staging.task) if plan.staging.task is not None else cohort, plan)
    space = space_for(own, plan)
    labelled = np.flatnonzero((own.stages >= 0) & (space.per_patient > 0))
    fold = Fold(0, 0, labelled, NOBODY)
    return Task(own, plan, space, [fold]), fold


def check_dropout(chosen: ChosenStrategy, plan: Plan) -> None:
    """Raises `PlanError` for a strategy of dropout passes where there is no dropout, so that all passes are one."""
    strategy = chosen.base
    if isinstance(strategy, Strategy) and strategy.of_dropout and plan.network.dropout == 0:
        raise PlanError(
            f"active.strategy = {plan.active.strategy!r} asks by what dropout passes say; network.dropout = 0 makes "
            "them all the same; give network.dropout above 0 (the MMFN paper's passes need it), or take 'entropy'"
        )


def check_modalities(chosen: ChosenStrategy, plan: Plan) -> None:
    """Raises `PlanError` for a strategy of what modalities say beside each other where there is one."""
    strategy = chosen.base
    if isinstance(strategy, BatchStrategy) and strategy.of_modalities and len(plan.fused) < 2:
        raise PlanError(
            f"active.strategy = {plan.active.strategy!r} compares what modalities say; network.modalities has one: "
            "give two or more, or take 'margin'"
        )


def all_bad(bad: NDArray[np.bool_], owners: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Of each patient among the `owners` [n] of pictures, ascending, whether all of them are `bad` [n]."""
    people, whose = np.unique(owners, return_inverse=True)
    good: NDArray[np.bool_] = np.bincount(whose[~bad], minlength=len(people)) > 0
    return ~good


def check_unit(plan: Plan) -> None:
    """Raises `PlanError` where single pictures are asked about and the network sees all of a patient's at once."""
    if plan.sees_bags and plan.active.unit != "patient":
        raise PlanError(
            f'network.pooling = "{plan.network.pooling}" sees all of a patient\'s pictures at once, so that whole '
            f'patients are asked about; active.unit = "{plan.active.unit}": set it to "patient", or the '
            'pooling to "pairs"'
        )


def setting_of(
    task: Task,
    fold: Fold,
    askable: NDArray[np.int64],
    known: NDArray[np.int64],
    aside: NDArray[np.int64],
    run: RunFolder,
    progress: Progress,
) -> CampaignSetting:
    """A campaign about the patients' rows `askable` [P], with `known` [k] stages and `aside` [a] for validation.

    Raises `PlanError` for a strategy, unit, cut or stopping rule that is none.
    """
    plan = task.plan
    chosen = choose_strategy(plan.active.strategy)
    units = query_unit(plan.active.unit, task.space, plan.training.candidates_a_patient)
    check_unit(plan)
    check_dropout(chosen, plan)
    check_modalities(chosen, plan)
    check_rules(plan.stopping)
    if units.parts_modalities and plan.network.missing == "drop":
        raise PlanError(
            f'active.unit = "{units.name}" labels one modality before another: it needs network.missing = "keep"'
        )
    capacity = Pool(units, askable, NOBODY).capacity
    stages = task.cohort.stages[askable]
    targets = schedule(capacity, len(np.unique(stages[stages >= 0])), plan.active)
    return CampaignSetting(task, fold, units, askable, known, aside, targets, chosen, run, progress)
