"""What is chosen and calibrated on the training patients, and how it reaches whoever is told a stage."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fibrostage.cohort.splits import GROUP
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import PlanError
from fibrostage.ground.progress import SILENT
from fibrostage.intake.build.take_in import take_in
from fibrostage.learn.checkpoint import calling_of, load_network
from fibrostage.learn.cross_fit import CrossFit, cross_fit, parts_of
from fibrostage.learn.model import open_model
from fibrostage.learn.run_metrics import shared_groups
from fibrostage.learn.task import make_task
from fibrostage.learn.train import train
from fibrostage.plan.commands import ACTIVE, LOOP, TRAIN, content_read, refuse_unread
from fibrostage.plan.run_plan import Plan
from fibrostage.results.predictions import scores_of
from fibrostage.results.run_folder import RunFolder
from fibrostage.stats.decisions import Decision
from tests.conftest import make_source, plan_data

Build = Callable[..., Plan]
QUICK = (
    "training.epochs=12",
    "calibration.folds=3",
    "calibration.penalties=[0.1,0.01]",
    "calibration.heavier=[]",
    'network.modalities=["LUS"]',
)


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Fifty patients, of whom 40 train."""
    folder = tmp_path_factory.mktemp("many")
    return take_in(make_source(folder / "source", 50, ()), folder / "cohort", Plan.parse(plan_data()))


def chosen(cohort: Cohort, plan: Plan) -> CrossFit:
    task = make_task(cohort, plan)
    return cross_fit(task, task.folds[0], task.folds[0].train, None, SILENT)


def test_what_is_told_of_test_patients_is_what_the_model_says_later(
    many: Cohort, tiny_plan: Build, tmp_path: Path
) -> None:
    plan = tiny_plan(*QUICK, "decision.rule=thresholds")
    train(many, plan, tmp_path / "run")
    predictions = pl.read_parquet(tmp_path / "run" / "predictions.parquet")
    assert {"q_0", "q_4", "called"} <= set(predictions.columns)
    own = predictions.unique(["patient_id", "stage", *(f"q_{k}" for k in range(5)), "called", "possible"])
    assert own["patient_id"].n_unique() == len(own) == 10, "the same in all rows of a patient"
    staged = {one.patient_id: one for one in open_model(tmp_path / "run").stage(many)}
    for row in own.iter_rows(named=True):
        one = staged[row["patient_id"]]
        assert list(one.probabilities.values()) == pytest.approx([row[f"q_{k}"] for k in range(5)], abs=1e-6)
        assert one.stage == row["called"]
        assert " ".join(one.possible) == row["possible"]
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    found = scores_of(predictions, many.staging)
    assert metrics["accuracy"]["value"] == pytest.approx((found.called == found.stages).mean())
    truth = found.probabilities[np.arange(10), found.stages]
    assert metrics["log_loss"]["value"] == pytest.approx(-np.log(truth).mean())
    assert set(metrics["recall"]) == set(many.staging.classes)
    held = [row["stage"] in row["possible"].split() for row in own.iter_rows(named=True)]
    assert metrics["sets"]["covered"]["value"] == pytest.approx(np.mean(held))
    assert metrics["sets"]["asked"] == 0.9
    assert set(metrics["sets"]["by_stage"]) == set(own["stage"])
    (log,) = [
        event
        for event in map(json.loads, (tmp_path / "run" / "log.jsonl").read_text().splitlines())
        if event["event"] == "chosen"
    ]
    assert set(log["losses"]) == {"0.1", "0.01"}
    _, kept = load_network(tmp_path / "run" / "model.safetensors")
    assert kept.training.frozen_l2 == float(min(log["losses"], key=log["losses"].get))
    calling = calling_of(tmp_path / "run" / "model.safetensors")
    assert calling.recalibration is not None
    assert calling.recalibration.n == 40


def test_test_patients_choose_nothing(many: Cohort, tiny_plan: Build) -> None:
    plan = tiny_plan(*QUICK)
    task = make_task(many, plan)
    tests = set(task.folds[0].test.tolist())
    turned = [stage if row not in tests else "F0" for row, stage in enumerate(many.patients["stage"])]
    other = replace(many, patients=many.patients.with_columns(stage=pl.Series(turned)))
    first = cross_fit(task, task.folds[0], task.folds[0].train, None, SILENT)
    second = cross_fit(replace(task, cohort=other), task.folds[0], task.folds[0].train, None, SILENT)
    assert first.losses == second.losses
    assert first.calling == second.calling


def test_heavier_penalties_are_tried_while_the_heaviest_is_the_best(many: Cohort, tiny_plan: Build) -> None:
    quick = ("training.epochs=4", "calibration.folds=2", 'network.modalities=["LUS"]')
    told = many.patients["stage"].to_list()
    patients = many.patients.with_columns(stage=pl.Series(np.random.default_rng(0).permutation(told).tolist()))
    noise = replace(many, patients=patients)  # stages that the pictures say nothing of
    sure = tiny_plan(
        *quick, "training.frozen_lr=0.1", "calibration.penalties=[0.003]", "calibration.heavier=[30,1,300]"
    )
    found = chosen(noise, sure)
    tried = list(found.losses)
    assert tried[:2] == [0.003, 1.0], "ascending, one after another"
    best = min(found.losses, key=lambda penalty: found.losses[penalty])
    assert found.plan.training.penalty == best > 0.003
    assert tried[-1] == 300 or tried[-1] > best, "and no further once one is no better"
    alone = chosen(noise, tiny_plan(*quick, "calibration.penalties=[0.003]", "calibration.heavier=[]"))
    assert list(alone.losses) == [0.003]


def test_everybody_is_left_out_once_and_patients_who_share_pictures_together(many: Cohort, tiny_plan: Build) -> None:
    names = [f"G{row // 2}" if row < 20 else None for row in range(50)]
    twins = replace(many, patients=many.patients.with_columns(pl.Series(GROUP, names)))
    task = make_task(twins, tiny_plan(*QUICK))
    training = task.folds[0].train
    parts = parts_of(task, training, 3)
    assert sorted(np.concatenate(parts).tolist()) == sorted(training.tolist())
    for part in parts:
        inside = set(part.tolist())
        assert all((row ^ 1) in inside for row in inside if row < 20)
    every = make_task(twins, tiny_plan(*QUICK, "split.scheme=kfold"))
    assert [text[:36] for text in shared_groups(every)] == ["50 test patients are of 40 groups (d"]
    assert shared_groups(make_task(many, tiny_plan(*QUICK))) == []
    assert np.ptp([len(part) for part in parts]) <= 2


def test_too_few_patients_are_told_and_change_nothing(cohort: Cohort, tiny_plan: Build, tmp_path: Path) -> None:
    found = chosen(cohort, tiny_plan())
    assert "16 patients train, too few" in found.why
    assert found.calling.recalibration is None
    train(cohort, tiny_plan(), tmp_path / "run")
    assert "q_0" not in pl.read_parquet(tmp_path / "run" / "predictions.parquet").columns
    with_thresholds = chosen(cohort, tiny_plan("decision.rule=thresholds"))
    assert with_thresholds.calling.decision == Decision("thresholds", thresholds=(0.5,) * 4)


def test_a_plan_that_settles_everything_has_no_fits_inside(many: Cohort, tiny_plan: Build) -> None:
    found = chosen(many, tiny_plan("training.frozen_l2=0.03", "calibration.map=none", "decision.rule=median"))
    assert (found.losses, found.calling.recalibration, found.why) == ({}, None, "")
    assert found.calling.decision.rule == "median"


@pytest.mark.parametrize("kind", ["auto", "platt"])
def test_a_trained_backbone_is_calibrated_when_asked(many: Cohort, tiny_plan: Build, kind: str) -> None:
    plan = tiny_plan(
        "training.finetune=last", "training.epochs=1", "calibration.folds=2", f"calibration.map={kind}",
        'network.modalities=["LUS"]',
    )  # fmt: skip
    found = chosen(many, plan)
    assert (found.calling.recalibration is None) == (kind == "auto")


def test_costs_must_fit_the_stages(tiny_plan: Build) -> None:
    with pytest.raises(PlanError, match=r"decision.costs is 5 rows of 5 numbers.*F0, F1, F2, F3, F4"):
        tiny_plan("decision.rule=least_cost", "decision.costs=[[0,1],[1,0]]")
    with pytest.raises(PlanError, match="costs go with rule"):
        tiny_plan("decision.rule=least_cost")
    with pytest.raises(PlanError, match="is not negative"):
        tiny_plan("calibration.penalties=[-1]")
    square = json.dumps([[abs(i - j) for j in range(5)] for i in range(5)])
    assert tiny_plan("decision.rule=least_cost", f"decision.costs={square}").decision.costs[4][0] == 4


def test_rounds_that_ask_are_the_same_runs_as_before(tiny_plan: Build) -> None:
    plan = tiny_plan()
    assert plan.training.frozen_l2 == "chosen"
    for reads in (ACTIVE, LOOP):
        read = content_read(plan, reads)
        assert read["training"]["frozen_l2"] == 0.1  # type: ignore[index,call-overload]
        assert not {"calibration", "decision"} & set(read)
    assert {"calibration", "decision"} <= set(content_read(plan, TRAIN))
    with pytest.raises(PlanError, match="calibration.penalties is not read with training.frozen_l2 as it is"):
        refuse_unread(["calibration.penalties=[1]"], TRAIN, tiny_plan("training.frozen_l2=0.1"))


def test_a_network_for_new_patients_learns_from_everybody_and_is_not_the_one_that_was_tested(
    many: Cohort, tiny_plan: Build, tmp_path: Path
) -> None:
    plan = tiny_plan(*QUICK, "split.scheme=kfold", "split.folds=2")
    metrics = train(many, plan, tmp_path / "run", deploy=True)
    alone = train(many, plan, tmp_path / "alone")
    assert metrics.deployed == 50
    assert metrics.model_copy(update={"deployed": None}) == alone, "the figures are those of the folds"
    assert "deployed" not in json.loads((tmp_path / "alone" / "metrics.json").read_text())
    folder = RunFolder(tmp_path / "run")
    assert [path.name for path in folder.models()] == ["model-all.safetensors"]
    assert [path.name for path in folder.fold_models()] == ["model-0.0.safetensors", "model-0.1.safetensors"]
    assert all(one.trained_on for one in open_model(tmp_path / "run").stage(many))
    tested = open_model(tmp_path / "run", of_folds=True)
    assert len(tested.members) == 2
    said, same = (
        [one.probabilities for one in model.stage(many)] for model in (tested, open_model(tmp_path / "alone"))
    )
    assert said == same
