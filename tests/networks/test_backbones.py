"""One contract for every backbone of the registry, and the golden features of the default one."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fibrostage.ground.errors import PlanError, WeightsError
from fibrostage.networks.backbones import BACKBONES
from fibrostage.networks.backbones.efficientnet_lite0 import same_padding
from fibrostage.networks.depthwise import depthwise
from fibrostage.networks.weights import build_backbone, from_hub, load_strictly, source_of, weights_file, weights_hash

NAMES = BACKBONES.names()


@pytest.mark.parametrize("name", NAMES)
def test_contract(name: str) -> None:
    spec = BACKBONES[name]
    network = build_backbone(spec, "random", 3).eval()
    with torch.inference_mode():
        maps = network(torch.zeros(2, 3, spec.size, spec.size))
    assert maps.shape[:2] == (2, spec.features)
    assert maps.shape[2] == maps.shape[3]
    names = [n for n, _ in network.named_modules()]
    assert all(any(n == p or n.startswith(p + ".") for n in names) for p in spec.last)
    assert weights_hash(network) == weights_hash(build_backbone(spec, "random", 3))
    assert weights_hash(network) != weights_hash(build_backbone(spec, "random", 4))
    assert spec.source
    assert spec.licence


@pytest.mark.parametrize("name", NAMES)
def test_the_freeze_boundary_cuts_where_last_begins(name: str) -> None:
    """front then back is the network; what `last` names is behind the boundary and all of it."""
    spec = BACKBONES[name]
    network = build_backbone(spec, "random", 3).eval()
    x = torch.rand(2, 3, spec.size, spec.size) - 0.5
    maps = network.front(x)
    torch.testing.assert_close(network.back(maps.detach()), network(x))
    network.back(maps.detach()).sum().backward()
    behind = {n for n, p in network.named_parameters() if p.grad is not None}
    named = {n for n, _ in network.named_parameters() if any(n.startswith(f"{p}.") for p in spec.last)}
    assert behind == named
    before = weights_hash(network, spec.last)
    with torch.no_grad():
        for n, p in network.named_parameters():
            if n in named:
                p.add_(1)
    assert weights_hash(network, spec.last) == before
    assert weights_hash(network) != before


def test_fewer_blocks_are_behind_a_boundary_that_is_moved() -> None:
    """What `last` names then is behind it and all of it, and the network's answer is the same."""
    spec = BACKBONES["efficientnet_lite0"]
    network = build_backbone(spec, "random", 3).eval()
    x = torch.rand(1, 3, spec.size, spec.size) - 0.5
    with torch.no_grad():
        before = network(x)
    later = spec.behind(2, network)
    maps = network.front(x).detach()
    assert maps.shape == (1, 192, 7, 7)
    told = network.back(maps)
    torch.testing.assert_close(told, before)
    told.sum().backward()
    behind = {n for n, p in network.named_parameters() if p.grad is not None}
    assert behind == {n for n, _ in network.named_parameters() if any(n.startswith(f"{p}.") for p in later.last)}
    assert {n.split(".")[1] for n in behind if n.startswith("blocks.")} == {"14", "15"}
    with pytest.raises(PlanError, match=r"training.blocks = 6: efficientnet_lite0 trains 1 to 5"):
        spec.behind(6, network)
    with pytest.raises(PlanError, match="freeze boundary of resnet18 stands still"):
        BACKBONES["resnet18"].behind(2, network)


def test_unknown_names_list_the_known() -> None:
    with pytest.raises(PlanError, match=r"unknown backbone 'resnet5', did you mean 'resnet50'.*known: efficientnet"):
        BACKBONES["resnet5"]


def torchvision_layout(blocks: tuple[int, ...], bottleneck: bool) -> dict[str, torch.Tensor]:
    """A state dict with the names and shapes of torchvision's resnet18 / resnet50, made by hand."""
    generator = torch.Generator().manual_seed(0)
    state: dict[str, torch.Tensor] = {}

    def conv(name: str, out: int, into: int, kernel: int) -> None:
        state[f"{name}.weight"] = torch.randn(out, into, kernel, kernel, generator=generator) * 0.02

    def bn(name: str, width: int) -> None:
        state[f"{name}.weight"] = torch.rand(width, generator=generator) + 0.5
        state[f"{name}.bias"] = torch.randn(width, generator=generator) * 0.1
        state[f"{name}.running_mean"] = torch.randn(width, generator=generator) * 0.1
        state[f"{name}.running_var"] = torch.rand(width, generator=generator) + 0.5
        state[f"{name}.num_batches_tracked"] = torch.tensor(1)

    conv("conv1", 64, 3, 7)
    bn("bn1", 64)
    into = 64
    for stage, (count, planes) in enumerate(zip(blocks, (64, 128, 256, 512), strict=True), start=1):
        out = planes * (4 if bottleneck else 1)
        for block in range(count):
            at = f"layer{stage}.{block}"
            shapes = (
                [(planes, into, 1), (planes, planes, 3), (out, planes, 1)]
                if bottleneck
                else [(planes, into, 3), (planes, planes, 3)]
            )
            for k, (o, i, size) in enumerate(shapes, start=1):
                conv(f"{at}.conv{k}", o, i, size)
                bn(f"{at}.bn{k}", o)
            if block == 0 and (stage > 1 or bottleneck):
                conv(f"{at}.downsample.0", out, into, 1)
                bn(f"{at}.downsample.1", out)
            into = out
    state["fc.weight"] = torch.zeros(1000, into)
    state["fc.bias"] = torch.zeros(1000)
    return state


@pytest.mark.parametrize(
    ("name", "blocks", "bottleneck"), [("resnet18", (2, 2, 2, 2), False), ("resnet50", (3, 4, 6, 3), True)]
)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_torchvision_layout_loads_strictly(
    name: str, blocks: tuple[int, ...], bottleneck: bool, suffix: str, tmp_path: Path
) -> None:
    state = torchvision_layout(blocks, bottleneck)
    file = tmp_path / f"{name}-made{suffix}"
    if suffix == ".pth":
        torch.save(state, file)
    else:
        save_file(state, file)
    spec = BACKBONES[name]
    network = build_backbone(spec, str(file), 0)
    loaded = network.state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in state.items() if not key.startswith("fc."))

    broken = dict(state)
    del broken["layer3.0.conv2.weight"]
    torch.save(broken, tmp_path / "lacks.pth")
    with pytest.raises(WeightsError, match=r"lacks 'layer3.0.conv2.weight' \(256, 256, 3, 3\)"):
        load_strictly(network, spec, tmp_path / "lacks.pth")
    torch.save({**state, "extra.weight": torch.zeros(3)}, tmp_path / "extra.pth")
    with pytest.raises(WeightsError, match=r"holds 'extra.weight' \(3,\), which"):
        load_strictly(network, spec, tmp_path / "extra.pth")
    torch.save({**state, "conv1.weight": torch.zeros(64, 1, 7, 7)}, tmp_path / "shape.pth")
    with pytest.raises(WeightsError, match=r"'conv1.weight' has shape \(64, 1, 7, 7\), .* needs \(64, 3, 7, 7\)"):
        load_strictly(network, spec, tmp_path / "shape.pth")


def test_weights_of_another_architecture_name_the_first_wrong_key() -> None:
    lite = BACKBONES["efficientnet_lite0"]
    with pytest.raises(
        WeightsError, match=r"is not for resnet18: it lacks 'conv1.weight' \(64, 3, 7, 7\), and its first is"
    ):
        build_backbone(BACKBONES["resnet18"], str(lite.imagenet()), 0)


def test_a_pickle_is_never_executed(tmp_path: Path) -> None:
    import pickle

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",))

    (tmp_path / "evil.pth").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(WeightsError, match="is not a file of PyTorch tensors"):
        build_backbone(BACKBONES["resnet18"], str(tmp_path / "evil.pth"), 0)
    assert not (tmp_path / "ran").exists()


def test_where_weights_come_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = BACKBONES["resnet18"]
    with pytest.raises(WeightsError, match="no such file"):
        weights_file(spec, "weights/absent.pth")
    monkeypatch.delenv("FIBROSTAGE_WEIGHTS", raising=False)
    with pytest.raises(WeightsError, match=r"\$FIBROSTAGE_WEIGHTS"):
        weights_file(spec, "imagenet")
    (tmp_path / "resnet18-f37072fd.pth").touch()
    monkeypatch.setenv("FIBROSTAGE_WEIGHTS", str(tmp_path))
    assert weights_file(spec, "imagenet").name == "resnet18-f37072fd.pth"


def test_a_hub_id_goes_through_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    from_hub.cache_clear()
    asked = []

    def download(repository: str, file: str) -> str:
        asked.append((repository, file))
        if repository == "nobody/nothing":
            raise OSError("no route to the hub")
        return str(tmp_path / file)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    spec = BACKBONES["resnet50"]
    assert weights_file(spec, "timm/resnet50.tv_in1k") == tmp_path / "model.safetensors"
    assert weights_file(spec, "me/mine:other.safetensors") == tmp_path / "other.safetensors"
    assert asked == [("timm/resnet50.tv_in1k", "model.safetensors"), ("me/mine", "other.safetensors")]
    with pytest.raises(WeightsError, match="the hub did not give it"):
        weights_file(spec, "nobody/nothing")
    torch.save(torchvision_layout((2, 2, 2, 2), bottleneck=False), tmp_path / "other.safetensors.pth")
    small = BACKBONES["resnet18"]
    known = source_of(small, "me/mine:other.safetensors.pth")
    assert known is not None
    assert known.sha256 == hashlib.sha256((tmp_path / "other.safetensors.pth").read_bytes()).hexdigest()
    from_hub.cache_clear()


def test_lite0_carries_imagenet_weights() -> None:
    """Golden: made once with the reference implementation efficientnet_lite_pytorch 0.1.0, equal to the last bit."""
    spec = BACKBONES["efficientnet_lite0"]
    network = build_backbone(spec, "imagenet", 0).eval()
    ramp = torch.linspace(-1, 1, 3 * 224 * 224).reshape(1, 3, 224, 224)
    with torch.inference_mode():
        pooled = network(ramp).mean(dim=(2, 3))[0]
    np.testing.assert_allclose(pooled[list(INDEX)].numpy(), GOLDEN, rtol=1e-4, atol=1e-5)


def test_the_middle_of_the_network_beside_its_end() -> None:
    """Features are what blocks 5, 8 and 11 and the last maps average to, with the weights of the same network."""
    spec = BACKBONES["efficientnet_lite0_mid"]
    whole = build_backbone(BACKBONES["efficientnet_lite0"], "imagenet", 0).eval()
    seen: list[torch.Tensor] = []
    for number in (4, 7, 10):
        whole.blocks[number].register_forward_hook(lambda _m, _i, maps: seen.append(maps.mean(dim=(2, 3))))
    x = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(0)) - 0.5
    with torch.inference_mode():
        last = whole(x).mean(dim=(2, 3))
        found = build_backbone(spec, "imagenet", 0).eval()(x).mean(dim=(2, 3))
    torch.testing.assert_close(found, torch.cat([*seen, last], dim=1), rtol=1e-4, atol=1e-5)


INDEX = (113, 897, 455, 930, 1277, 176)
GOLDEN = (4.499041, 3.661085, 3.533552, 3.472363, 2.930915, 2.437821)


@pytest.mark.parametrize(
    ("side", "kernel", "stride", "pads"),
    [(224, 3, 2, (0, 1)), (225, 3, 2, (1, 1)), (56, 5, 2, (1, 2)), (14, 5, 1, (2, 2))],
)
def test_padding_is_tensorflows_same(side: int, kernel: int, stride: int, pads: tuple[int, int]) -> None:
    assert same_padding(side, side, kernel, stride) == (*pads, *pads)


@pytest.mark.parametrize(
    ("kernel", "stride", "side"), [(3, 1, 9), (3, 2, 9), (5, 1, 11), (5, 2, 11), (5, 2, 12), (3, 2, 10)]
)
def test_the_fast_depthwise_backward_is_the_gradient(kernel: int, stride: int, side: int) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 6, side, side, generator=generator, requires_grad=True)
    w = torch.randn(6, 1, kernel, kernel, generator=generator, requires_grad=True)
    ours = depthwise(x, w, stride)
    theirs = torch.nn.functional.conv2d(x, w, None, stride, 0, 1, 6)
    assert torch.equal(ours, theirs)
    seed = torch.randn(ours.shape, generator=generator)
    for got, expected in zip(
        torch.autograd.grad(ours, (x, w), seed), torch.autograd.grad(theirs, (x, w), seed), strict=True
    ):
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


def test_inception_is_torchvisions_to_the_last_parameter() -> None:
    """torchvision's Inception-v3 has 23,834,568 parameters without its auxiliary classifier, 2,049,000 of them the
    ImageNet layer; a few keys with shapes of its published file."""
    state = build_backbone(BACKBONES["inception_v3"], "random", 0).state_dict()
    learned = sum(tensor.numel() for key, tensor in state.items() if "running" not in key and "num_batches" not in key)
    assert learned == 23_834_568 - 2_049_000
    published = {
        "Conv2d_1a_3x3.conv.weight": (32, 3, 3, 3),
        "Mixed_5d.branch5x5_2.conv.weight": (64, 48, 5, 5),
        "Mixed_6a.branch3x3dbl_3.bn.running_var": (96,),
        "Mixed_6e.branch7x7dbl_5.conv.weight": (192, 192, 1, 7),
        "Mixed_7a.branch7x7x3_3.conv.weight": (192, 192, 7, 1),
        "Mixed_7c.branch3x3dbl_3b.conv.weight": (384, 384, 3, 1),
        "Mixed_7c.branch_pool.bn.weight": (192,),
    }
    assert {key: tuple(state[key].shape) for key in published} == published


def test_inception_loads_a_published_layout_and_drops_both_classifiers(tmp_path: Path) -> None:
    spec = BACKBONES["inception_v3"]
    state = {key: torch.rand(tensor.shape) for key, tensor in spec.build().state_dict().items()}
    classifiers = {"fc.weight": torch.zeros(1000, 2048), "AuxLogits.conv0.conv.weight": torch.zeros(128, 768, 1, 1)}
    torch.save({**state, **classifiers}, tmp_path / "inception_v3_google-0cc3c7bd.pth")
    network = build_backbone(spec, str(tmp_path / "inception_v3_google-0cc3c7bd.pth"), 0)
    assert torch.equal(network.state_dict()["Mixed_7c.branch1x1.conv.weight"], state["Mixed_7c.branch1x1.conv.weight"])


def test_the_sides_of_the_dlre_network_are_the_papers() -> None:
    network = build_backbone(BACKBONES["dlre"], "random", 0)
    seen: list[tuple[int, ...]] = []
    for layer in ("layer1", "layer2", "layer3", "layer4"):
        getattr(network, layer).register_forward_hook(lambda _m, _i, output: seen.append(tuple(output.shape[1:])))
    maps = network(torch.rand(1, 3, 250, 250))
    assert seen == [(16, 248, 248), (16, 122, 122), (32, 59, 59), (32, 27, 27)]
    assert maps.shape == (1, 32, 1, 1)
    assert network.full.in_features == 16 * 61 * 61 + 32 * 29 * 29 + 32 * 13 * 13


def test_the_nodes_of_the_dlre_network_see_the_last_three_pooling_layers() -> None:
    """Against the literal network: pool after each ReLU, flatten the last three, one linear layer."""
    network = build_backbone(BACKBONES["dlre"], "random", 1)
    x = torch.rand(2, 3, 250, 250)
    pooled = [x]
    for layer in (network.layer1, network.layer2, network.layer3, network.layer4):
        pooled.append(torch.nn.functional.max_pool2d(layer(pooled[-1]).relu(), kernel_size=2, stride=2))
    literal = network.full(torch.cat([maps.flatten(1) for maps in pooled[2:]], dim=1)).relu()
    torch.testing.assert_close(network(x)[:, :, 0, 0], literal)
