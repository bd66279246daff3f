"""Weights of another run: which layers are taken, and how the source is named and checked."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import PlanError, WeightsError
from fibrostage.learn.plan_for_cohort import plan_for
from fibrostage.networks.backbones import BACKBONES
from fibrostage.networks.weights import backbone_of, build_backbone, source_of
from fibrostage.plan.commands import TRAIN, digest
from fibrostage.plan.network import NetworkPlan
from fibrostage.report.forms import write_report
from tests.learn.dlre_plans import quick_plan


def test_transfer_takes_three_layers_and_leaves_the_rest_random(source: Path) -> None:
    whole = load_file(source / "model.safetensors")
    taken = backbone_of(
        NetworkPlan(name="transfer", backbone="dlre", weights=str(source), load="front"), 5
    ).state_dict()
    fresh = build_backbone(BACKBONES["dlre"], "random", 5).state_dict()
    for key, tensor in taken.items():
        expected = fresh[key] if key.startswith(("layer4.", "full.")) else whole[f"backbones.modality_LSTE.{key}"]
        assert torch.equal(tensor, expected), key


def test_the_first_three_layers_stay_as_they_came(source: Path, transferred: Path) -> None:
    before, after = load_file(source / "model.safetensors"), load_file(transferred / "model.safetensors")
    changed = {key for key in before if key.startswith("backbones.") and not torch.equal(before[key], after[key])}
    assert {key.split(".")[2] for key in changed} == {"layer4", "full"}


def test_the_source_is_named_and_hashed_in_the_plan(crops: Cohort, source: Path, transferred: Path) -> None:
    recorded = json.loads((transferred / "plan.json").read_text())["network"]["source"]
    assert recorded["cohort"] == crops.name
    assert recorded["fingerprint"] == crops.fingerprint
    assert recorded["task"] == "METAVIR at or above F3"
    known = source_of(BACKBONES["dlre"], str(source))
    assert known is not None
    assert recorded["sha256"] == known.sha256
    page = write_report(transferred).read_text()
    assert recorded["sha256"] in page


def test_other_weights_under_the_same_name_are_refused(crops: Cohort, source: Path, tmp_path: Path) -> None:
    copy = tmp_path / "model.safetensors"
    copy.write_bytes((source / "model.safetensors").read_bytes())
    network = {"name": "transfer", "weights": str(copy)}
    plan = quick_plan(crops, network=network)
    changed = load_file(copy)
    key = "backbones.modality_LSTE.layer1.bias"
    save_file({**changed, key: changed[key] + 1}, copy)
    with pytest.raises(PlanError, match=r"the plan was made with"):
        plan_for(crops, plan.model_dump(mode="json"), [], "again")
    copy.unlink()
    with pytest.raises(PlanError, match=r"is not there; the plan was made with"):
        plan_for(crops, plan.model_dump(mode="json"), [], "again")


def test_weights_of_another_architecture_are_named(source: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"is not for resnet18: it lacks 'conv1.weight' .* its first is 'full.bias'"):
        build_backbone(BACKBONES["resnet18"], str(source), 0)
    state = {f"backbones.modality_LSTE.{k}": v for k, v in BACKBONES["dlre"].build().state_dict().items()}
    state["backbones.modality_LSTE.layer2.weight"] = torch.zeros(32, 16, 3, 3)
    save_file(state, tmp_path / "m.safetensors", {"plan": "{}"})
    with pytest.raises(WeightsError, match=r"'layer2.weight' has shape \(32, 16, 3, 3\), dlre needs \(16, 16, 3, 3\)"):
        build_backbone(BACKBONES["dlre"], str(tmp_path / "m.safetensors"), 0)
    twice = {**state, **{key.replace("LSTE", "SSTE"): tensor for key, tensor in state.items()}}
    twice = {key: tensor.clone() for key, tensor in twice.items()}
    save_file(twice, tmp_path / "two.safetensors", {"plan": "{}"})
    with pytest.raises(WeightsError, match="holds a backbone for each of LSTE, SSTE"):
        build_backbone(BACKBONES["dlre"], str(tmp_path / "two.safetensors"), 0)
    save_file({"head.x": torch.zeros(1)}, tmp_path / "frozen.safetensors", {"plan": "{}"})
    with pytest.raises(WeightsError, match="trained a head on a frozen backbone"):
        build_backbone(BACKBONES["dlre"], str(tmp_path / "frozen.safetensors"), 0)


def test_a_plan_is_the_same_wherever_its_weights_lie(crops: Cohort, source: Path, tmp_path: Path) -> None:
    copy = tmp_path / "model.safetensors"
    copy.write_bytes((source / "model.safetensors").read_bytes())
    here, there = (quick_plan(crops, network={"name": "transfer", "weights": str(w)}) for w in (source, copy))
    assert digest(here, TRAIN) == digest(there, TRAIN)
    assert digest(here, TRAIN) != digest(quick_plan(crops, network={"name": "basic_cnn"}), TRAIN)


def test_a_folder_named_like_published_weights_is_not_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "imagenet").mkdir()
    monkeypatch.chdir(tmp_path)
    assert source_of(BACKBONES["efficientnet_lite0"], "imagenet") is None
