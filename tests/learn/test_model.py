"""A model stages pictures wherever they are."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from fibrostage.cohort.pictures import ExamPictures
from fibrostage.cohort.store import Cohort, Modality
from fibrostage.ground.errors import CohortError, PlanError, RunError
from fibrostage.learn.model import open_model
from fibrostage.learn.predict_cohort import predict_cohort
from fibrostage.learn.projection import fit_projection, fold
from fibrostage.learn.soundness import never_certain
from fibrostage.learn.train import train
from fibrostage.networks.stream import Stream
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


def strangers() -> dict[str, np.ndarray]:
    """Pictures [32, 32] that no liver gave."""
    rng = np.random.default_rng(0)
    stripes = np.where(np.arange(32) % 4 < 2, 255, 0).astype(np.uint8)
    return {
        "noise": rng.integers(0, 256, (32, 32), dtype=np.uint8),
        "black": np.zeros((32, 32), np.uint8),
        "white": np.full((32, 32), 255, np.uint8),
        "a ramp": np.broadcast_to(np.arange(32, dtype=np.uint8)[:, None] * 8, (32, 32)),
        "stripes": np.broadcast_to(stripes, (32, 32)),
        "a test pattern": np.indices((32, 32)).sum(0).astype(np.uint8) % 2 * 255,
    }


@pytest.mark.parametrize("kind", strangers())
@pytest.mark.parametrize("precise", [0, 1])
def test_no_picture_is_proof(kind: str, precise: int, cohort: Cohort, tmp_path: Path) -> None:
    """Few patients, many features: directions without spread in training, where an odd picture would explode."""
    from tests.conftest import plan_data

    hardly_held = ["training.frozen_l2=1e-6", "training.epochs=40"] if precise else []
    train(cohort, Plan.parse(plan_data(), hardly_held), tmp_path / "run")
    flat = strangers()[kind]
    arrays = {
        name: np.repeat(np.repeat(flat[None, :, :, None], 2, 0), cohort.modality(name).channels, 3)
        for name in cohort.modality_names
    }
    rows = {name: np.zeros(2, dtype=np.int64) for name in cohort.modality_names}
    (one,) = open_model(tmp_path / "run").stage(ExamPictures(["P"], cohort.modalities, arrays, rows))
    assert min(one.probabilities.values()) > 0
    assert max(one.probabilities.values()) < 1
    if kind in ("black", "white"):
        assert one.far == {"LSTE": 2, "LUS": 2}


def test_what_lies_far_from_training_is_said_to() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(3, 2, (200, 30)).astype(np.float32)
    z[:, 4] = 3 + 1e-6 * rng.normal(size=200)  # hardly varies
    projection = fit_projection(z, 20)
    bounds = projection.bounds
    assert float(bounds.far(torch.from_numpy(z), 0.01).float().mean()) <= 0.015
    other = torch.from_numpy(rng.normal(3, 2, (200, 30)).astype(np.float32))
    other[:, 4] = 3
    assert float(bounds.far(other, 0.01).float().mean()) <= 0.03
    assert float(bounds.far(other, 0.1).float().mean()) == pytest.approx(0.1, abs=0.06), "as many as are asked for"
    assert bounds.far(other * 3, 0.01).all()
    strange = bounds.strange(other)
    assert strange is not None
    assert float(strange.min()) >= 1 / 201 - 1e-7
    assert bounds.strange(other * 3).max() == pytest.approx(1 / 201)  # type: ignore[union-attr]
    odd = other.clone()
    odd[:, 4] = 9  # one that explodes if it is divided by what it varied in training
    torch.manual_seed(0)
    stream = fold(Stream(20, 5, reduce=8, se_reduction=2), projection)
    with torch.inference_mode():
        before, bounded = stream(other), stream(odd)
        stream.bounds = None
        unbounded = stream(odd)
    assert (bounded - before).abs().max() < 30 * before.abs().max()
    assert (unbounded - before).abs().max() > 1000 * before.abs().max()


def test_no_probability_is_0_or_1() -> None:
    table = np.array([[1.0, 0.0, 0.0], [0.5, 0.3, 0.2], [1 - 1e-12, 1e-12, 0.0]])
    found = never_certain(table)
    assert found.min() > 0
    assert found.max() < 1
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert found[1].tolist() == table[1].tolist()


def test_pictures_like_those_of_training_are_not_far(cohort: Cohort, trained: Path) -> None:
    pictures = sum(len(cohort.owners(name)) for name in cohort.modality_names)
    assert sum(sum(one.far.values()) for one in open_model(trained).stage(cohort)) <= 0.02 * pictures


def test_the_table_has_the_cuts(cohort: Cohort, trained: Path, tmp_path: Path) -> None:
    table = predict_cohort(trained, cohort, tmp_path / "p.csv").table()
    assert table.columns[7:13] == ["p_ge_F2", "p_ge_F3", "p_ge_F4", "possible", "far_outside", "trained_on"]
    assert table.columns[13:] == ["answer", "rule_F2", "rule_F3", "rule_F4", "reasons"]
    assert table["p_ge_F4"].to_list() == table["p_F4"].to_list()
    assert (table["p_ge_F2"] >= table["p_ge_F3"]).all()


def test_who_trained_the_model_is_marked(cohort: Cohort, tmp_path: Path) -> None:
    """By their pictures, whatever they are called elsewhere; in folds everybody trained some member."""
    from tests.conftest import plan_data

    train(cohort, Plan.parse(plan_data()), tmp_path / "run")
    tested = set(RunFolder(tmp_path / "run").read_predictions()["patient_id"])
    model = open_model(tmp_path / "run")
    assert {one.patient_id for one in model.stage(cohort) if not one.trained_on} == tested
    exam = exam_of(cohort, cohort.patient_ids)
    renamed = replace(exam, patient_ids=[f"other {name}" for name in exam.patient_ids])
    assert {one.patient_id for one in model.stage(renamed) if not one.trained_on} == {
        f"other {name}" for name in tested
    }


def test_a_model_from_before_says_nothing_of_whom_it_knows(cohort: Cohort, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "old")
    for path in RunFolder(tmp_path / "old").models():
        with safe_open(path, framework="pt") as file:
            told = {key: value for key, value in file.metadata().items() if key != "trained_on"}
        save_file(load_file(path), path, told)
    assert {one.trained_on for one in open_model(tmp_path / "old").stage(cohort)} == {None}
    assert {one.trained_on for one in open_model(trained).stage(cohort)} == {True}


def test_who_was_left_out_and_why_and_who_is_who(cohort: Cohort, tmp_path: Path) -> None:
    from tests.conftest import plan_data

    train(cohort, Plan.parse(plan_data(), ["network.missing=drop"]), tmp_path / "run")
    given = {"P001": "Anna"}
    found = predict_cohort(tmp_path / "run", cohort, tmp_path / "p.csv", given=given)
    assert found.left_out == {"P003": "has no LUS picture"}
    assert (tmp_path / "p.left_out.csv").read_text() == "patient_id,reason\nP003,has no LUS picture\n"
    table = pl.read_csv(tmp_path / "p.csv")
    assert table.columns[:3] == ["patient_id", "given_id", "stage"]
    assert dict(table.select("patient_id", "given_id").iter_rows())["P001"] == "Anna"
    told = found.as_dict()
    assert told["left_out"] == [{"patient_id": "P003", "reason": "has no LUS picture"}]
    assert len(told["patients"]) == 19
    first = told["patients"][0]
    assert first["at_or_above"]["F4"] == pytest.approx(first["probabilities"]["F4"])
    (tmp_path / "p.csv").unlink()
    with pytest.raises(RunError, match=r"p\.left_out\.csv exists"):
        predict_cohort(tmp_path / "run", cohort, tmp_path / "p.csv")
