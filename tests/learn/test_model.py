"""A model stages pictures wherever they are."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from fibrostage.cohort.pictures import ExamPictures
from fibrostage.cohort.store import Cohort, Modality
from fibrostage.ground.errors import CohortError, PlanError, RunError
from fibrostage.learn.model import open_model, predict_cohort
from fibrostage.learn.train import train
from fibrostage.plan.run_plan import Plan
from fibrostage.results.run_folder import RunFolder


@pytest.fixture(scope="module")
def trained(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.conftest import plan_data

    run = tmp_path_factory.mktemp("model") / "run"
    train(cohort, Plan.parse(plan_data(), ["split.scheme=kfold", "split.folds=3"]), run)
    return run


def exam_of(cohort: Cohort, patients: list[str]) -> ExamPictures:
    """Some of a cohort's patients, in memory."""
    arrays, rows = {}, {}
    for name in cohort.modality_names:
        owners = [cohort.patient_ids[row] for row in cohort.owners(name)]
        own = sorted((patients.index(owner), at) for at, owner in enumerate(owners) if owner in patients)
        arrays[name] = np.stack([np.array(cohort.pixels(name)[at]) for _, at in own])
        rows[name] = np.array([patient for patient, _ in own])
    return ExamPictures(patients, cohort.modalities, arrays, rows)


def test_in_memory_is_as_on_disk(cohort: Cohort, trained: Path) -> None:
    model = open_model(trained)
    assert len(model.members) == 3
    whole = {one.patient_id: one for one in model.stage(cohort)}
    assert len(whole) == 20
    chosen = ["P001", "P004", "P007"]
    for one in model.stage(exam_of(cohort, chosen)):
        before = whole[one.patient_id]
        assert one.stage == before.stage
        assert one.probabilities == pytest.approx(before.probabilities, abs=1e-6)
        assert one.pictures == {"LSTE": 2, "LUS": 3}
        assert one.at_or_above(model.staging, "F3") == pytest.approx(one.probabilities["F3"] + one.probabilities["F4"])
        assert len(one.model) == 64


def test_a_missing_modality_and_nobody(cohort: Cohort, trained: Path) -> None:
    model, lste = open_model(trained), cohort.modality("LSTE")
    exam = exam_of(cohort, ["P001"])
    alone = ExamPictures(
        ["P001", "P002"], cohort.modalities, {"LSTE": exam.pixels("LSTE")}, {"LSTE": exam.owners("LSTE")}
    )
    (one,) = model.stage(alone)
    assert one.patient_id == "P001"
    assert sum(one.probabilities.values()) == pytest.approx(1)
    assert model.stage(ExamPictures([], cohort.modalities)) == []
    with pytest.raises(PlanError, match="the plan wants bmode, 32 px"):
        model.stage(ExamPictures(["P"], (lste, Modality("LUS", "bmode", 64, 1, "pad"))))


@pytest.mark.parametrize(
    ("arrays", "rows", "message"),
    [
        ({"LSTE": np.zeros((1, 9, 9, 3), np.uint8)}, {"LSTE": np.array([0])}, r"pixels must be uint8 \[1, 32, 32, 3\]"),
        ({"LSTE": np.zeros((1, 32, 32, 3), np.uint8)}, {"LSTE": np.array([4])}, "rows must ascend within 0 … 0"),
        ({"LST": np.zeros((1, 32, 32, 3), np.uint8)}, {}, "did you mean 'LSTE'"),
    ],
)
def test_pictures_that_do_not_fit_are_refused(
    cohort: Cohort, arrays: dict[str, np.ndarray], rows: dict[str, np.ndarray], message: str
) -> None:
    with pytest.raises(CohortError, match=message):
        ExamPictures(["P"], cohort.modalities, arrays, rows)


def test_no_model_and_a_taken_target(cohort: Cohort, trained: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no model of a finished run"):
        open_model(tmp_path)
    (tmp_path / "taken.csv").touch()
    with pytest.raises(RunError, match="exists"):
        predict_cohort(trained, cohort, tmp_path / "taken.csv")


def test_the_model_knows_its_files(trained: Path, tmp_path: Path) -> None:
    before = open_model(trained).digest
    assert open_model(trained).digest == before
    shutil.copytree(trained, tmp_path / "fewer")
    RunFolder(tmp_path / "fewer").models()[0].unlink()
    assert open_model(tmp_path / "fewer").digest != before
