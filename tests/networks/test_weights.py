"""Weights in the layouts that people have: found and said, or refused by the first key that does not fit."""

import argparse
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from fibrostage.ground.errors import WeightsError
from fibrostage.networks.backbones import BACKBONES
from fibrostage.networks.weights import backbone_of, check_weights, source_of, weights_file
from fibrostage.plan.network import NetworkPlan
from tests.networks.test_backbones import torchvision_layout

Tensors = dict[str, torch.Tensor]
SPEC = BACKBONES["resnet18"]


@pytest.fixture(scope="module")
def published() -> Tensors:
    return torchvision_layout((2, 2, 2, 2), bottleneck=False)


def below(prefix: str, state: Tensors) -> Tensors:
    return {prefix + key: tensor for key, tensor in state.items()}


def hugging_face(key: str) -> str:
    """torchvision's name → Hugging Face's, written apart from the product's opposite."""
    kinds = {"conv": "convolution", "bn": "normalization"}
    parts = key.split(".")
    if parts[0] in ("conv1", "bn1"):
        return f"resnet.embedder.embedder.{kinds[parts[0][:-1]]}.{parts[-1]}"
    if parts[0] == "fc":
        return f"classifier.1.{parts[1]}"
    at = f"resnet.encoder.stages.{int(parts[0][-1]) - 1}.layers.{parts[1]}"
    if parts[2] == "downsample":
        return f"{at}.shortcut.{('convolution', 'normalization')[int(parts[3])]}.{parts[4]}"
    return f"{at}.layer.{int(parts[2][-1]) - 1}.{kinds[parts[2][:-1]]}.{parts[-1]}"


LAYOUTS: dict[str, tuple[Callable[[Tensors], object], tuple[str, ...]]] = {
    "as published": (lambda state: state, ()),
    "data parallel": (lambda state: below("module.", state), ("what lies below 'module.'",)),
    "detection": (
        lambda state: {"state_dict": {**below("backbone.", state), "neck.weight": torch.zeros(3)}, "meta": {}},
        ("its 'state_dict' (beside meta)", "what lies below 'backbone.'", "without neck"),
    ),
    "lightning": (
        lambda state: {
            "epoch": 3,
            "state_dict": {**below("model.", state), "loss.weight": torch.ones(5)},
            "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(3)}}}],
            "hyper_parameters": {"lr": 0.1},
        },
        (
            "its 'state_dict' (beside epoch, optimizer_states, hyper_parameters)",
            "what lies below 'model.'",
            "without loss",
        ),
    ),
    "model of a checkpoint": (
        lambda state: {"model": state, "optimizer": {"state": {}}, "epoch": 4},
        ("its 'model' (beside optimizer, epoch)",),
    ),
    "timm head": (
        lambda state: {("head." + key if key.startswith("fc.") else key): tensor for key, tensor in state.items()},
        (),
    ),
    "Hugging Face": (
        lambda state: {hugging_face(key): tensor for key, tensor in state.items()},
        ("Hugging Face's names",),
    ),
    "two prefixes": (lambda state: below("module.encoder.", state), ("what lies below 'module.encoder.'",)),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_gives_the_same_network(name: str, published: Tensors, tmp_path: Path) -> None:
    make, done = LAYOUTS[name]
    file = tmp_path / "weights.pth"
    torch.save(make(published), file)
    found = check_weights(SPEC, str(file))
    assert found.layout == done
    assert found.parameters == 11_176_512  # torchvision's 11,689,512 without its ImageNet layer's 513,000
    network = backbone_of(NetworkPlan(backbone="resnet18", weights=str(file)), 0)
    assert all(torch.equal(network.state_dict()[key], value) for key, value in published.items() if "fc." not in key)
    source = source_of(SPEC, str(file))
    assert source is not None
    assert source.layout == done
    assert (source.read_as is None) is (not done)


def test_what_does_not_fit_is_named_in_any_layout(published: Tensors, tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    broken = dict(published)
    del broken["layer3.0.conv2.weight"]
    torch.save({"state_dict": below("model.", broken)}, file)
    with pytest.raises(WeightsError, match=r"lacks 'layer3.0.conv2.weight' \(256, 256, 3, 3\)"):
        check_weights(SPEC, str(file))
    torch.save({"student": published, "teacher": published}, file)
    with pytest.raises(WeightsError, match=r"but student, teacher; a checkpoint may hold it as state_dict, "):
        check_weights(SPEC, str(file))
    torch.save({**below("encoder_q.", published), **below("encoder_k.", published)}, file)
    with pytest.raises(WeightsError, match=r"holds resnet18 2 times, below 'encoder_k.', 'encoder_q.'"):
        check_weights(SPEC, str(file))
    torch.save({"state_dict": published, "args": argparse.Namespace(lr=1)}, file)
    with pytest.raises(WeightsError, match=r"it holds argparse.Namespace, code that is never run here"):
        check_weights(SPEC, str(file))
    torch.save({}, file)
    with pytest.raises(WeightsError, match="does not hold a state dict"):
        check_weights(SPEC, str(file))


def test_published_weights_are_known_by_their_hash(
    published: Tensors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder that $FIBROSTAGE_WEIGHTS names may hold another file tomorrow: what a plan says is the content."""
    monkeypatch.setenv("FIBROSTAGE_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsError, match=r"resnet18-f37072fd.pth, published at https://.*f37072fd47e8.*holds none"):
        source_of(SPEC, "imagenet")
    file = tmp_path / "resnet18-made.safetensors"
    save_file(published, file)
    before = source_of(SPEC, "imagenet")
    assert before is not None
    assert before.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    plan = NetworkPlan(backbone="resnet18", source=before)
    backbone_of(plan, 0)
    save_file({**published, "bn1.bias": published["bn1.bias"] + 1}, file)
    now = source_of(SPEC, "imagenet")
    assert now is not None
    assert now.sha256 != before.sha256
    with pytest.raises(WeightsError, match=r"has SHA-256 .*; the plan was made with resnet18-made.safetensors"):
        backbone_of(plan, 0)
    save_file(published, tmp_path / "resnet18-other.safetensors")
    with pytest.raises(WeightsError, match=r"holds resnet18-made.safetensors, resnet18-other.safetensors; leave one"):
        weights_file(SPEC, "imagenet")


def test_a_file_is_what_its_name_says(published: Tensors, tmp_path: Path) -> None:
    file = tmp_path / "resnet18-f37072fd.pth"
    torch.save(published, file)
    with pytest.raises(WeightsError, match="its name says that its SHA-256 begins with f37072fd"):
        source_of(SPEC, str(file))


def test_weights_that_a_package_ships_are_known_by_the_backbone() -> None:
    lite = BACKBONES["efficientnet_lite0"]
    assert hashlib.sha256(lite.imagenet().read_bytes()).hexdigest() == lite.on_board
    assert source_of(lite, "imagenet") is None
    assert source_of(lite, "random") is None
