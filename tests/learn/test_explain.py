"""Where a network looks: attributions, their share inside the box, and what cannot be explained."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from fibrostage.analysis.attributions import inside_box
from fibrostage.campaign.run import run_active
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import PlanError, RunError
from fibrostage.intake.build.take_in import take_in
from fibrostage.learn.explain import bland, explain_run, share_inside, unseen_patients
from fibrostage.learn.model import open_model
from fibrostage.learn.task import make_task
from fibrostage.learn.train import train
from fibrostage.plan.run_plan import Plan
from fibrostage.report.forms import write_report
from fibrostage.results.predictions import TEST, scores_of
from fibrostage.results.run_folder import RunFolder
from fibrostage.views.attribution import inside_text
from tests.conftest import CROPS, make_elastograms

Build = Callable[..., Plan]


@pytest.mark.parametrize("how", ["occlusion", "gradients"])
def test_attributions_are_measured_inside_the_box_and_shown(
    how: str, crops: Cohort, transferred: Path, tmp_path: Path
) -> None:
    table = explain_run(transferred, crops, 3, how)
    assert len(table) == table["patient_id"].n_unique() == 3
    test = set(pl.read_parquet(transferred / "predictions.parquet").filter(pl.col("split") == TEST)["patient_id"])
    assert set(table["patient_id"]) <= test
    assert table["share_inside"].is_between(0, 1).all()
    assert table["area_inside"].to_list() == pytest.approx([120 * 100 / 250**2] * 3)
    page = write_report(transferred, tmp_path / "report").read_text()
    assert '<section id="attributions"' in page
    assert "lies inside the box" in page


def test_the_share_inside_a_box_is_counted_literally() -> None:
    found = np.zeros((10, 10))
    found[2:4, 3:8] = -1
    found[0, 0] = 10
    assert share_inside(found, (6, 4, 10, 4), 20) == (pytest.approx(10 / 20), pytest.approx(0.1))
    assert share_inside(np.zeros((10, 10)), (0, 0, 20, 20), 20) == (None, 1.0)


def test_the_bland_picture_has_no_colour_and_is_black_where_all_was_black() -> None:
    picture = torch.zeros(1, 3, 100, 100)
    picture[0, :, 50:] = torch.tensor([200.0, 40, 0])[:, None, None]
    found = bland(picture)
    assert torch.equal(found[0, 0], found[0, 1])
    assert float(found[0, 0, :39].max()) == 0
    assert float(found[0, 0, -1, 50]) == pytest.approx(80)
    flat = torch.full((1, 3, 100, 100), 7.0)
    torch.testing.assert_close(bland(flat), flat)


def test_what_cannot_be_explained(crops: Cohort, transferred: Path, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="--by 'occlusoin', did you mean 'occlusion'"):
        explain_run(transferred, crops, how="occlusoin")
    with pytest.raises(PlanError, match="--modality 'XQ'; the run sees LSTE"):
        explain_run(transferred, crops, modality="XQ")
    with pytest.raises(RunError, match="holds no model"):
        explain_run(tmp_path, crops)


def test_another_cohorts_patients_were_all_unseen(crops: Cohort, transferred: Path, tmp_path: Path) -> None:
    other = take_in(make_elastograms(tmp_path / "source", 6), tmp_path / "cohort", Plan.parse(CROPS))
    copy = tmp_path / "run"
    shutil.copytree(transferred, copy)
    assert set(explain_run(copy, other, 50, "gradients")["patient_id"]) == set(other.patient_ids)


def test_an_active_runs_model_is_explained_on_its_own_fold(cohort: Cohort, tiny_plan: Build, tmp_path: Path) -> None:
    plan = tiny_plan("split.scheme=kfold", "split.folds=4", "active.fold=2", "active.rounds=1", "active.passes=2")
    run_active(cohort, plan, tmp_path / "run")
    table = explain_run(tmp_path / "run", cohort, 50, "gradients", "LUS")
    unseen = {cohort.patient_ids[row] for row in make_task(cohort, plan).folds[2].test}
    assert set(table["patient_id"]) <= unseen
    assert table["share_inside"].null_count() == len(table)  # B-mode has no box
    assert "nothing is measured" in inside_text(inside_box(table), len(table))


def test_every_fold_explains_the_patients_it_has_not_seen(cohort: Cohort, tiny_plan: Build, tmp_path: Path) -> None:
    plan = tiny_plan("split.scheme=kfold", "split.folds=3")
    train(cohort, plan, tmp_path / "run")
    table = explain_run(tmp_path / "run", cohort, 50, "gradients", "LUS")
    assert len(table) == 19  # one of twenty has no LUS
    run = RunFolder(tmp_path / "run")
    unseen = unseen_patients(run, cohort, open_model(run.path))
    folds = make_task(cohort, plan).folds
    for patient, found in unseen.items():
        (member,) = found.members
        tested = {cohort.patient_ids[row] for row in folds[member].test}
        assert patient in tested
        assert run.models()[member] == run.model_file(folds[member].label)


def test_what_is_explained_is_the_stage_that_the_patient_was_called(crops: Cohort, transferred: Path) -> None:
    """The titles of the pictures and the confusion matrix are of the same calls."""
    table = explain_run(transferred, crops, 50, "gradients")
    model = open_model(transferred)
    found = scores_of(RunFolder(transferred).read_predictions(), model.staging)
    called = dict(zip(found.patients, found.probabilities.argmax(axis=1), strict=True))
    for patient, stage in table.select("patient_id", "called").iter_rows():
        assert stage == model.staging.classes[called[patient]]
