"""A broken network is noticed: when its weights are loaded, its features made, its head fitted, its answers read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from fibrostage.campaign.run import run_active
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import RunError, WeightsError
from fibrostage.learn import fit_head, patient_predictions
from fibrostage.learn.checkpoint import load_network
from fibrostage.learn.soundness import check_answers, check_features, check_loss
from fibrostage.learn.train import train
from fibrostage.networks.backbones import BACKBONES
from fibrostage.networks.weights import build_backbone
from fibrostage.plan.run_plan import Plan

Build = Callable[..., Plan]
SPEC = BACKBONES["resnet18"]
KEY = "layer4.0.conv1.weight"


def spoiled(path: Path, key: str, value: float) -> Path:
    """A file of weights whose `key` holds nothing but a value."""
    state = SPEC.build().state_dict()
    state["fc.weight"], state["fc.bias"] = torch.zeros(1000, 512), torch.zeros(1000)
    state[key] = torch.full_like(state[key], value)
    torch.save(state, path)
    return path


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        (KEY, float("nan"), "numbers that are not finite"),
        (KEY, float("inf"), "numbers that are not finite"),
        ("bn1.running_var", float("inf"), "numbers that are not finite"),
        ("bn1.running_mean", float("nan"), "numbers that are not finite"),
        ("bn1.running_var", -1.0, "variances below 0"),
    ],
)
def test_broken_weights_are_refused_by_file_and_key(key: str, value: float, why: str, tmp_path: Path) -> None:
    path = spoiled(tmp_path / "bad.pth", key, value)
    with pytest.raises(WeightsError, match=why) as caught:
        build_backbone(SPEC, str(path), 0)
    assert str(path) in str(caught.value)
    assert repr(key) in str(caught.value)


def test_a_broken_model_of_a_run_is_refused(cohort: Cohort, tiny_plan: Build, tmp_path: Path) -> None:
    from safetensors import safe_open
    from safetensors.torch import save_file

    train(cohort, tiny_plan(), tmp_path / "run")
    path = tmp_path / "run" / "model.safetensors"
    with safe_open(path, framework="pt") as file:
        metadata, tensors = file.metadata(), {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    name = next(key for key, tensor in tensors.items() if tensor.is_floating_point())
    tensors[name].view(-1)[0] = float("nan")
    save_file(tensors, path, metadata)
    with pytest.raises(WeightsError, match="holds 1 of .* numbers that are not finite"):
        load_network(path)


def test_features_that_are_no_numbers_or_all_the_same() -> None:
    features = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    pixels = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1)
    check_features(features, pixels, "LSTE", "resnet18")
    with pytest.raises(RunError, match="features of LSTE: resnet18 gives the same for all 5 images"):
        check_features(np.ones((5, 4), np.float32), pixels, "LSTE", "resnet18")
    check_features(np.ones((5, 4), np.float32), np.zeros_like(pixels), "LSTE", "resnet18")
    features[2, 1] = np.nan
    with pytest.raises(RunError, match="gives no numbers for 1 of 5 images"):
        check_features(features, pixels, "LSTE", "resnet18")


def test_answers_that_are_no_numbers_or_all_the_same() -> None:
    check_answers(np.array([[0.2, 0.8], [0.2, 0.8], [0.21, 0.79]]), "3 test patients")
    check_answers(np.array([[0.2, 0.8], [0.2, 0.8]]), "2 test patients")
    with pytest.raises(RunError, match="3 test patients: the network gives all 3 the same probabilities"):
        check_answers(np.array([[0.2, 0.8]] * 3), "3 test patients")
    with pytest.raises(RunError, match="probabilities that are no numbers"):
        check_answers(np.array([[np.nan, 0.8]]), "1 test patient")


def test_a_loss_that_is_no_number() -> None:
    check_loss(3.0, 1)
    with pytest.raises(RunError, match="the fit diverged: in epoch 4 the loss is nan; lower the learning rate"):
        check_loss(float("nan"), 4)


@pytest.fixture
def diverging(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loss that is no number, as of a learning rate far too large."""
    whole = fit_head.fused_loss
    monkeypatch.setattr(fit_head, "fused_loss", lambda *given: whole(*given) * float("nan"))


@pytest.mark.usefixtures("diverging")
def test_a_fit_that_diverges_is_neither_saved_nor_reported(cohort: Cohort, tiny_plan: Build, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="the fit diverged: in epoch 0 the loss is nan"):
        train(cohort, tiny_plan(), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("diverging")
def test_a_campaign_names_the_round(cohort: Cohort, tiny_plan: Build, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="^round 0: the fit diverged"):
        run_active(cohort, tiny_plan(), tmp_path / "run")


def test_a_network_that_answers_everybody_the_same_is_not_saved(
    cohort: Cohort, tiny_plan: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = np.full(5, 0.2, dtype=np.float32)
    monkeypatch.setattr(patient_predictions, "predict", lambda _learner, ids: np.tile(answer, (len(ids), 1)))
    with pytest.raises(RunError, match="test patients: the network gives all .* the same probabilities"):
        train(cohort, tiny_plan(), tmp_path / "run")
    assert not (tmp_path / "run").exists()
