"""Several cohorts staged in one pass of the networks, as exams that wait for their answers at once are.

Each is answered as if it were alone. So whoever has more candidates than are averaged is staged alone: which of them
are drawn depends on who else is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from fibrostage.cohort.pictures import ExamPictures
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import FibrostageError
from fibrostage.learn.model import Model
from fibrostage.learn.plan_for_cohort import check_fit
from fibrostage.learn.predict_cohort import PredictedCohort, judged, stage_cohort
from fibrostage.learn.task import space_for
from fibrostage.plan.calibration import DecisionPlan
from fibrostage.results.staged import Staged

Told = PredictedCohort | FibrostageError
Given = Mapping[str, str] | None


def stage_together(
    model: Model,
    cohorts: Sequence[Cohort],
    given: Sequence[Given] | None = None,
    asked: DecisionPlan | None = None,
) -> list[Told]:
    """What a model says of each cohort, as `stage_cohort` does without keeping features, or the error that it raises of
    that one; `given` has of each cohort the ids that people know its patients by."""
    given = given or [None] * len(cohorts)
    found: dict[int, Told] = {}
    together = [number for number, cohort in enumerate(cohorts) if can_be_merged(model, cohort)]
    if len(together) > 1:
        try:
            every = stage_merged(model, [cohorts[number] for number in together], asked)
        except FibrostageError:
            pass  # of one of them: each is asked alone, which tells of whom
        else:
            for number, own in zip(together, every, strict=True):
                found[number] = judged(model, cohorts[number], own, given[number])
    alone = [number for number in range(len(cohorts)) if number not in found]
    found |= {number: stage_alone(model, cohorts[number], given[number], asked) for number in alone}
    return [found[number] for number in range(len(cohorts))]


def stage_alone(model: Model, cohort: Cohort, given: Given, asked: DecisionPlan | None) -> Told:
    """What a model says of a cohort, or why it cannot."""
    try:
        return stage_cohort(model, cohort, given=given, keep=False, asked=asked)
    except FibrostageError as error:
        return error


def can_be_merged(model: Model, cohort: Cohort) -> bool:
    """Whether a cohort fits the model, its patients' candidates are all averaged, none drawn, and nothing but pictures
    is fused."""
    if model.plan.pictured != model.plan.fused:
        return False
    try:
        check_fit(cohort, model.plan)
    except FibrostageError:
        return False
    space = space_for(cohort, model.plan)
    most = np.maximum(model.plan.evaluation.candidates, space.radices.max(axis=1, initial=0))
    return bool((space.per_patient <= most).all())


def stage_merged(model: Model, cohorts: Sequence[Cohort], asked: DecisionPlan | None) -> list[list[Staged]]:
    """Of each cohort who could be staged, in one pass; raises what `Model.stage` raises."""
    every = model.stage(merged(cohorts, model.plan.fused), keep=False, asked=asked)
    result: list[list[Staged]] = [[] for _ in cohorts]
    for one in every:
        number, _, patient = one.patient_id.partition("/")
        before = cohorts[: int(number)]
        seen = (replace(each, row=each.row - count(before, each.modality)) for each in one.seen)
        result[int(number)].append(replace(one, patient_id=patient, seen=tuple(seen)))
    return result


def merged(cohorts: Sequence[Cohort], modalities: Sequence[str]) -> ExamPictures:
    """All pictures of these modalities, cohort after cohort; patients are told apart by "NUMBER/ID"."""
    first = np.cumsum([0, *(len(cohort.patient_ids) for cohort in cohorts)])
    return ExamPictures(
        [f"{number}/{patient}" for number, cohort in enumerate(cohorts) for patient in cohort.patient_ids],
        tuple(cohorts[0].modality(name) for name in modalities),
        {name: np.concatenate([cohort.pixels(name) for cohort in cohorts]) for name in modalities},
        {
            name: np.concatenate([row + cohort.owners(name) for row, cohort in zip(first[:-1], cohorts, strict=True)])
            for name in modalities
        },
        name="these exams",
    )


def count(cohorts: Sequence[Cohort], modality: str) -> int:
    """How many pictures of a modality cohorts have."""
    return sum(len(cohort.owners(modality)) for cohort in cohorts)
