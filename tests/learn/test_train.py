"""Training and predicting on a tiny cohort: right, repeatable, and the same through every door."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import FibrostageError, PlanError, RunError, WeightsError
from fibrostage.learn.checkpoint import load_network
from fibrostage.learn.plan_for_cohort import plan_for
from fibrostage.learn.predict_cohort import predict_cohort
from fibrostage.learn.train import train
from fibrostage.networks.backbones import BACKBONES
from fibrostage.networks.weights import build_backbone
from fibrostage.plan.run_plan import Plan

Build = Callable[..., Plan]


def test_last_trains_the_last_blocks_and_nothing_else(cohort: Cohort, tiny_plan: Build, tmp_path: Path) -> None:
    plan = tiny_plan("training.finetune=last", "training.epochs=1", "network.modalities=['LUS']")
    before = build_backbone(BACKBONES["tiny"], "random", 0).state_dict()
    train(cohort, plan, tmp_path / "run")
    network, _ = load_network(tmp_path / "run" / "model.safetensors")
    changed = {
        key.split(".")[0]
        for key, value in network.backbone("LUS").state_dict().items()
        if not torch.equal(value, before[key])
    }
    assert changed == {"layer4"}


@pytest.mark.parametrize("finetune", ["head", "all"])
def test_a_run_writes_what_others_read_and_is_repeatable(
    cohort: Cohort, tiny_plan: Build, tmp_path: Path, finetune: str
) -> None:
    plan = tiny_plan(f"training.finetune={finetune}", "training.epochs=2")
    evaluation = train(cohort, plan, tmp_path / "a")
    train(cohort, plan, tmp_path / "b")
    metrics = json.loads((tmp_path / "a" / "metrics.json").read_text())
    assert metrics == json.loads((tmp_path / "b" / "metrics.json").read_text())
    assert metrics["n_patients"] == evaluation.n_patients == 4
    assert set(metrics["accuracy"]) == {"value", "lo", "hi"}
    assert list(metrics["auc_at_cut"]) == ["F2", "F3", "F4"]
    assert {"value", "lo", "hi"} <= set(metrics["auc_at_cut"]["F2"])
    assert metrics["simulated"] is False
    predictions = pl.read_parquet(tmp_path / "a" / "predictions.parquet")
    assert predictions.equals(pl.read_parquet(tmp_path / "b" / "predictions.parquet"))
    assert predictions.columns[:7] == ["patient_id", "candidate", "split", "fold", "seed", "method", "stage"]
    sums = predictions.select(pl.sum_horizontal(f"p_{k}" for k in range(5))).to_series()
    np.testing.assert_allclose(sums.to_numpy(), 1, atol=1e-5)
    assert Plan.load(tmp_path / "a" / "plan.json") == plan
    staged = predict_cohort(tmp_path / "a", cohort, tmp_path / "staged.csv").table()
    assert len(staged) == 20
    one = predictions["patient_id"][0]
    expected = predictions.filter(pl.col("patient_id") == one)["p_0"].mean()
    assert staged.filter(pl.col("patient_id") == one)["p_F0"].item() == pytest.approx(expected, abs=2e-5)


def test_folds_are_pooled_per_patient(cohort: Cohort, tiny_plan: Build, tmp_path: Path) -> None:
    plan = tiny_plan("split.scheme=column", "split.validation=0.2", "training.class_weights=true")
    evaluation = train(cohort, plan, tmp_path / "run")
    assert evaluation.n_patients == 20
    assert sorted(p.name for p in (tmp_path / "run").glob("model*")) == [f"model-0.{k}.safetensors" for k in range(4)]


def test_mono_modal_and_fused_learn_what_the_pictures_show(cohort: Cohort, tiny_plan: Build, tmp_path: Path) -> None:
    """Brightness is the stage here; any working network finds it."""
    overrides = ("split.scheme=kfold", "split.folds=4", "training.epochs=40")
    for name, modalities in (("a", "['LSTE']"), ("b", "['LUS']"), ("c", "['LSTE', 'LUS']")):
        plan = tiny_plan(*overrides, f"network.modalities={modalities}")
        evaluation = train(cohort, plan, tmp_path / name)
        assert evaluation.auc_macro.value is not None
        assert evaluation.auc_macro.value > 0.85, name
        assert evaluation.n_patients == (19 if name == "b" else 20)


def test_the_plans_cuts_are_the_ones_evaluated(cohort: Cohort, tiny_plan: Build, tmp_path: Path) -> None:
    evaluation = train(cohort, tiny_plan("staging.cuts=['F1']", "training.epochs=2"), tmp_path / "run")
    assert list(evaluation.auc_at_cut) == ["F1"]


def test_plans_that_do_not_fit_the_cohort(cohort: Cohort, tmp_path: Path, tiny_plan: Build) -> None:
    with pytest.raises(PlanError, match=r"the plan stages x \['a', 'b'\]"):
        plan_for(cohort, {"staging": {"name": "x", "classes": ["a", "b"]}}, [], "plan")
    with pytest.raises(PlanError, match=r"wants elastogram, 99 px, 3 channels, fit 'pad'.*holds elastogram, 32 px"):
        plan_for(cohort, {"modality": [{"name": "LSTE", "kind": "elastogram", "size": 99}]}, [], "plan")
    with pytest.raises(PlanError, match="Batts"):
        plan_for(cohort, {"staging": {"name": "Batts", "classes": ["F0", "F1", "F2", "F3", "F4"]}}, [], "plan")
    with pytest.raises(PlanError, match=r"'LSTQ' is not in cohort.*it has LSTE, LUS"):
        plan_for(cohort, {"modality": [{"name": "LSTQ"}]}, [], "plan")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(RunError, match="never overwritten"):
        train(cohort, tiny_plan(), tmp_path / "full")
    with pytest.raises(WeightsError):
        train(cohort, tiny_plan("network.weights=no/such.pth"), tmp_path / "failed")
    assert not (tmp_path / "failed").exists()
    with pytest.raises(FibrostageError, match="holds no model"):
        predict_cohort(tmp_path / "full", cohort, tmp_path / "out.csv")
