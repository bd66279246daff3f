"""Exams that are staged together are answered as each alone is, and what is wrong with one is no other's business."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import FibrostageError, PlanError, RunError
from fibrostage.learn import stage_together as module
from fibrostage.learn.model import Model, open_model
from fibrostage.learn.predict_cohort import PredictedCohort, stage_cohort
from fibrostage.learn.stage_together import can_be_merged, stage_merged, stage_together
from tests.conftest import Cut
from tests.trained import TrainedHospital

CLOSE = 1e-6


@pytest.fixture(scope="module")
def model(pictures_run: Path) -> Model:
    return open_model(pictures_run)


@pytest.fixture
def exams(cut: Cut) -> list[Cohort]:
    """One patient; two, of whom the second lacks a modality; the first again."""
    return [cut("one", [0]), cut("two", [7, 3]), cut("again", [0])]


def same(found: object, expected: object) -> bool:
    """Whether two values are the same, numbers to 1e-6."""
    if isinstance(found, dict) and isinstance(expected, dict):
        return found.keys() == expected.keys() and all(same(found[key], expected[key]) for key in found)
    if isinstance(found, (list, tuple)) and isinstance(expected, (list, tuple)):
        return len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(found, float) and isinstance(expected, float):
        return abs(found - expected) <= CLOSE
    return found == expected


def alone(model: Model, cohort: Cohort) -> PredictedCohort:
    return stage_cohort(model, cohort, keep=False)


def test_together_they_are_answered_as_one_at_a_time(
    model: Model, exams: list[Cohort], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "stage_alone", None)
    told = stage_together(model, exams, [None, {"P003": "somebody"}, None])
    for one, cohort in zip(told, exams, strict=True):
        assert isinstance(one, PredictedCohort)
        assert same(asdict(replace(one, given=None)), asdict(alone(model, cohort)))
    assert [[one.patient_id for one in each.staged] for each in told if isinstance(each, PredictedCohort)] == [
        ["P000"], ["P007", "P003"], ["P000"],
    ]  # fmt: skip


def test_the_pictures_of_each_are_its_own(model: Model, exams: list[Cohort]) -> None:
    told = stage_merged(model, exams, None)
    for own, cohort in zip(told, exams, strict=True):
        for one in own:
            at = cohort.patient_ids.index(one.patient_id)
            for name in model.plan.fused:
                rows = [each.row for each in one.seen if each.modality == name]
                assert rows == np.flatnonzero(cohort.owners(name) == at).tolist()


def test_what_is_wrong_with_one_is_no_other_ones_business(
    model: Model, exams: list[Cohort], hospital: TrainedHospital
) -> None:
    told = stage_together(model, [exams[0], hospital.cohort, exams[1]])
    assert isinstance(told[1], PlanError)
    for at, cohort in ((0, exams[0]), (2, exams[1])):
        assert same(asdict(told[at]), asdict(alone(model, cohort)))  # type: ignore[arg-type]


def test_a_pass_that_fails_is_tried_one_at_a_time(
    model: Model, exams: list[Cohort], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_alone = module.stage_alone
    broken = RunError("no numbers")

    def fails(*_: object) -> None:
        raise broken

    def second_fails(own: Model, cohort: Cohort, *more: object) -> PredictedCohort | FibrostageError:
        return broken if cohort is exams[1] else asked_alone(own, cohort, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "stage_merged", fails)
    monkeypatch.setattr(module, "stage_alone", second_fails)
    told = stage_together(model, exams)
    assert told[1] is broken
    assert same(asdict(told[0]), asdict(alone(model, exams[0])))  # type: ignore[arg-type]


def test_whose_candidates_are_drawn_is_staged_alone(model: Model, exams: list[Cohort]) -> None:
    network, plan = model.members[0]
    few = plan.model_copy(update={"evaluation": plan.evaluation.model_copy(update={"candidates": 4})})
    drawing = replace(model, members=((network, few),))
    assert can_be_merged(model, exams[1])
    assert not can_be_merged(drawing, exams[1])
    for one, cohort in zip(stage_together(drawing, exams), exams, strict=True):
        assert same(asdict(one), asdict(alone(drawing, cohort)))  # type: ignore[arg-type]


def test_nobody_and_nothing_usable(model: Model, cut: Cut) -> None:
    assert stage_together(model, []) == []
    told = stage_together(model, [cut("none", [2], modalities=()), cut("some", [4])])
    assert [len(one.staged) for one in told if isinstance(one, PredictedCohort)] == [0, 1]
    assert isinstance(told[0], PredictedCohort)
    assert list(told[0].left_out) == ["P002"]
