"""Who trains, who stops the training, who tests: always whole patients, stratified by stage.

Shares are apportioned over stages by largest remainder, so that the parts are as close to the asked share in
every stage as whole patients allow: 20 % of 41/51/31/27/18 patients is 8/10/6/6/4, the 34 test patients of the
MMFN paper. Unlabelled patients are in no part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fibrostage.cohort.store import Cohort
from fibrostage.ground.draws import Draws
from fibrostage.ground.errors import CohortError, PlanError, nearest
from fibrostage.plan.split import SplitPlan

GROUP = "duplicate_group"  # a patients column; patients of one value share pictures


@dataclass(frozen=True)
class Fold:
    """One division of the labelled patients: who trains [n] and who tests [m], as rows of the patients table. `value`
    is that of the column by which they were divided which is left out, "" where they were not."""

    repeat: int
    index: int
    train: NDArray[np.int64]
    test: NDArray[np.int64]
    value: str = ""

    @property
    def label(self) -> str:
        return f"{self.repeat}.{self.index}"


def apportion(sizes: NDArray[np.int64], share: float) -> NDArray[np.int64]:
    """Returns whole numbers [S] near sizes [S] · share that sum to round(Σ sizes · share), by largest remainder."""
    exact = sizes * share
    result = np.floor(exact).astype(np.int64)
    missing = round(float(exact.sum())) - int(result.sum())
    order = np.argsort(-(exact - result), kind="stable")
    result[order[:missing]] += 1
    return result


def draw_stratified(
    patients: NDArray[np.int64],
    stages: NDArray[np.int64],
    share: float,
    rng: np.random.Generator,
    leave: int = 1,
) -> NDArray[np.int64]:
    """Draws a share of the patients of each stage, leaving at least `leave` of every stage behind.

    `patients` [n] and the result [m] are rows of the patients table, and `stages` [all patients] is indexed by them.
    The result is in ascending order.
    """
    present = np.unique(stages[patients])
    members = [patients[stages[patients] == stage] for stage in present]
    sizes = np.array([len(group) for group in members], dtype=np.int64)
    take = np.minimum(apportion(sizes, share), np.maximum(sizes - leave, 0))
    drawn = [rng.permutation(group)[:count] for group, count in zip(members, take, strict=True)]
    return np.sort(np.concatenate(drawn)) if drawn else np.empty(0, dtype=np.int64)


def make_folds(cohort: Cohort, plan: SplitPlan, seed: int, usable: NDArray[np.bool_]) -> list[Fold]:
    """Makes the folds a plan asks for, over labelled patients that are `usable` [patients] (have a candidate).

    Patients who share pictures (`duplicate_group`) lie on one side of each: one of them is drawn, the others follow.
    Raises `CohortError` where fewer than four labelled patients or two stages are usable, and `PlanError` where the
    plan cannot be followed or a fold's training patients are all of one stage.
    """
    groups, there = groups_of(cohort), np.flatnonzero(usable & (cohort.stages >= 0))
    first = np.zeros(len(usable), dtype=bool)
    first[there[np.unique(groups[there], return_index=True)[1]]] = True
    folds = [followed(fold, groups, first, there) for fold in whole_folds(cohort, plan, seed, first)]
    if plan.use < 1:
        rng = Draws.USE.of(seed)
        folds = [
            replace(fold, train=draw_stratified(fold.train, cohort.strata, plan.use, rng, leave=0)) for fold in folds
        ]
    check_training(cohort, folds)
    return folds


def check_training(cohort: Cohort, folds: Sequence[Fold]) -> None:
    """Raises `PlanError` where a fold's training patients are all of one stage."""
    for fold in folds:
        met = np.unique(cohort.stages[fold.train])
        if len(met) < 2:
            names = ", ".join(cohort.staging.classes[stage] for stage in met) or "no stage"
            raise PlanError(
                f"the {len(fold.train)} training patients of fold {fold.label} are all {names}: there is nothing to "
                "learn; split otherwise, or raise split.use"
            )


def seen_of(cohort: Cohort, folds: Sequence[Fold], usable: NDArray[np.bool_]) -> list[Fold]:
    """The folds without patients whom a method cannot see: `usable` [patients] has a candidate of its modalities.

    Raises `CohortError` where fewer than four labelled patients or two stages can be seen, and `PlanError` where nobody
    is left to test in a fold, or its training patients are all of one stage.
    """
    check_labelled(cohort, np.flatnonzero((cohort.stages >= 0) & usable))
    seen = [replace(fold, train=fold.train[usable[fold.train]], test=fold.test[usable[fold.test]]) for fold in folds]
    for fold in seen:
        if not len(fold.test):
            raise PlanError(
                f"none of the test patients of fold {fold.label} has pictures of the network's modalities; test more "
                "(split.test), or split otherwise"
            )
    check_training(cohort, seen)
    return seen


def check_labelled(cohort: Cohort, labelled: NDArray[np.int64]) -> None:
    """Raises `CohortError` where the labelled patients, rows [n], are fewer than four or of fewer than two stages."""
    present = np.unique(cohort.stages[labelled])
    if len(labelled) < 4 or len(present) < 2:
        names = [cohort.staging.classes[stage] for stage in present]
        raise CohortError(
            f"cohort {cohort.name!r} has {len(labelled)} labelled patients with images, of stages {names}; "
            "training and testing need at least 4 patients of at least 2 stages"
        )


def groups_of(cohort: Cohort) -> NDArray[np.int64]:
    """Numbers the patients [patients] so that those who share pictures have the same number."""
    own = np.arange(len(cohort.patients), dtype=np.int64)
    if GROUP not in cohort.patients.columns:
        return own
    first: dict[str, int] = {}
    names = cohort.patients[GROUP].to_list()
    return np.array([row if name is None else first.setdefault(name, row) for row, name in enumerate(names)])


def followed(fold: Fold, groups: NDArray[np.int64], first: NDArray[np.bool_], there: NDArray[np.int64]) -> Fold:
    """Adds to a fold everybody who shares pictures with somebody in it.

    `groups` [patients] is one number for patients who share pictures, `first` [patients] marks who was drawn for each,
    and `there` [n] are the rows of all usable patients.
    """
    if first.sum() == len(there):
        return fold
    return replace(
        fold,
        train=there[np.isin(groups[there], groups[fold.train])],
        test=there[np.isin(groups[there], groups[fold.test])],
    )


def whole_folds(cohort: Cohort, plan: SplitPlan, seed: int, usable: NDArray[np.bool_]) -> list[Fold]:
    """Divides the labelled patients that are `usable` [patients] by the plan's scheme, with every training patient.

    Raises `CohortError` where these are fewer than four or of fewer than two stages, and `PlanError` where there are
    more folds than patients, nobody is left to test, or the column does not divide them.
    """
    labelled = np.flatnonzero((cohort.stages >= 0) & usable)
    check_labelled(cohort, labelled)
    if plan.scheme == "column":
        return column_folds(cohort, plan.column, labelled)
    if plan.scheme == "kfold":
        return kfolds(labelled, cohort.strata, plan.folds, plan.repeats, seed)
    test = draw_stratified(labelled, cohort.strata, plan.test, Draws.HOLDOUT.of(seed))
    if not len(test):
        raise PlanError(f"split.test = {plan.test:g} leaves no test patient among {len(labelled)}; raise it")
    return [Fold(0, 0, np.setdiff1d(labelled, test), test)]


def kfolds(
    labelled: NDArray[np.int64],
    stages: NDArray[np.int64],
    folds: int,
    repeats: int,
    seed: int,
) -> list[Fold]:
    """Deals patients into stage-stratified folds like cards, stage after stage, so sizes differ by at most one.

    `labelled` [n] are rows of the patients table, and `stages` [patients] is indexed by them. Raises `PlanError` where
    there are more folds than labelled patients.
    """
    if folds > len(labelled):
        raise PlanError(f"split.folds = {folds}, but only {len(labelled)} labelled patients")
    result = []
    for repeat in range(repeats):
        rng = Draws.FOLDS.of(seed, repeat)
        order = np.concatenate(
            [rng.permutation(labelled[stages[labelled] == stage]) for stage in np.unique(stages[labelled])]
        )
        for index in range(folds):
            test = np.sort(order[index::folds])
            result.append(Fold(repeat, index, np.setdiff1d(labelled, test), test))
    return result


def column_folds(cohort: Cohort, column: str, labelled: NDArray[np.int64]) -> list[Fold]:
    """Makes one fold for each value of a column of the patients table, which tests the patients of that value.

    `labelled` [n] are rows of the table. Raises `PlanError` where there is no such column, a patient has no value in
    it, all have the same, or it parts patients who share pictures.
    """
    if column not in cohort.patients.columns:
        known = cohort.patients.columns
        raise PlanError(
            f"split.column = {column!r} is not a column of the patients{nearest(column, known)}; "
            f"there are {', '.join(known)}"
        )
    values = np.array([str(v) if v is not None else "" for v in cohort.patients[column]])
    if (values[labelled] == "").any():
        patient = cohort.patient_ids[int(labelled[values[labelled] == ""][0])]
        raise PlanError(f"split.column = {column!r}: patient {patient!r} has no value in it")
    names = natural_order(sorted(set(values[labelled])))
    if len(names) < 2:
        raise PlanError(f"split.column = {column!r} holds one value only, {names}; a split needs two")
    groups = groups_of(cohort)
    for group in set(groups.tolist()) if GROUP in cohort.patients.columns else ():
        rows = np.flatnonzero((groups == group) & (cohort.stages >= 0))
        if len(set(values[rows])) > 1:
            members = [cohort.patient_ids[row] for row in rows]
            raise PlanError(
                f"split.column = {column!r} parts patients who share pictures ({', '.join(members)}); "
                "put them into one fold"
            )
    return [
        Fold(0, index, labelled[values[labelled] != name], labelled[values[labelled] == name], name)
        for index, name in enumerate(names)
    ]


def natural_order(names: Sequence[str]) -> list[str]:
    """Sorts names so that numbers come first and in their order: 1, 2, 10 rather than 1, 10, 2."""
    return sorted(names, key=lambda name: (0, int(name), "") if name.isdigit() else (1, 0, name))
