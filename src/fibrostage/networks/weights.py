"""Weights from a published file, a local file, a trained run or a Hugging Face hub id, into a backbone, strictly.

Strictly: every parameter of the backbone must be in the file with its shape, and every key beside them must be known
(an ImageNet classifier is dropped by the backbone's own rename); `layouts` finds them under other tools' names. Pickled
objects are never executed: `.pth` files are read as tensors only.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from fibrostage.ground.errors import WeightsError
from fibrostage.networks.backbones import BACKBONES
from fibrostage.networks.backbones.spec import Backbone
from fibrostage.networks.layouts import NamedWeights, named_for, unwrapped
from fibrostage.plan.network import NetworkPlan, SourcePlan

if TYPE_CHECKING:
    from torch import Tensor, nn

RANDOM = "random"
IMAGENET = "imagenet"
DAMAGED = "damaged, cut short, or of another format"
FILE_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt")


def backbone_of(plan: NetworkPlan, seed: int) -> nn.Module:
    """The backbone of a plan, with its weights; raises `WeightsError` where they are not those of the plan's source."""
    spec = BACKBONES[plan.backbone]
    if plan.source is not None and plan.weights != RANDOM:
        now = described_now(weights_file(spec, plan.weights))
        if now.sha256 != plan.source.sha256:
            raise WeightsError(
                f"network.weights = {plan.weights!r} has SHA-256 {now.sha256[:16]}…; the plan was made with "
                f"{plan.source.name}, {plan.source.sha256[:16]}…"
            )
    return build_backbone(spec, plan.weights, seed, plan.load == "front")


def build_backbone(spec: Backbone, weights: str, seed: int, front: bool = False) -> nn.Module:
    """A backbone with its weights: "random" (by seed), "imagenet", a file, a run's folder, or a hub id
    "owner/name[:file]". With `front`, what lies behind the freeze boundary stays random."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = spec.build()
    if weights != RANDOM:
        fresh = {key: tensor.clone() for key, tensor in network.state_dict().items() if is_last(key, spec)}
        load_strictly(network, spec, weights_file(spec, weights))
        if front:
            network.load_state_dict(fresh, strict=False)
    return network


def is_last(key: str, spec: Backbone) -> bool:
    """Whether a parameter lies behind the freeze boundary."""
    return any(key.startswith(f"{prefix}.") for prefix in spec.last)


def weights_file(spec: Backbone, weights: str) -> Path:
    """The local file that holds the weights, downloaded from the hub when they are a hub id.

    Raises `WeightsError` where `weights` is neither a file, a run folder with one model, nor a hub id, and where
    published weights or those of a hub id cannot be had.
    """
    if weights == IMAGENET:
        return spec.imagenet()
    path = Path(weights).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        return model_of(path, f"network.weights = {weights!r}")
    repository = weights.partition(":")[0]
    is_path = repository.startswith((".", "/", "~")) or path.suffix in FILE_SUFFIXES
    if repository.count("/") != 1 or (is_path and ":" not in weights):
        raise WeightsError(
            f"network.weights = {weights!r}: no such file; give 'imagenet', 'random', a run folder, "
            "a .safetensors or .pth file, or a hub id such as owner/name"
        )
    return from_hub(weights)


def model_of(run: Path, asked: str) -> Path:
    """The one model of a run's folder; `asked` begins the error's message.

    Raises `WeightsError` where the folder holds no model of a finished run, or one for each of several folds.
    """
    models = sorted(run.glob("model*.safetensors"))
    if not models:
        raise WeightsError(f"{asked}: {run} holds no model of a finished run")
    if len(models) > 1:
        raise WeightsError(
            f"{asked}: {run} holds {len(models)} models, one a fold; a run with split.scheme = 'holdout' has one"
        )
    return models[0]


def source_of(spec: Backbone, weights: str) -> SourcePlan | None:
    """What is known of the file that weights come from, in whatever form they are named.

    None for random ones, and for those that a package ships and the backbone knows by their hash. Raises
    `WeightsError` where there is no such file, or it is damaged or not what its name says.
    """
    if weights == RANDOM:
        return None
    file = weights_file(spec, weights)
    source = described_now(file)
    if source.sha256 == spec.on_board:
        return None
    return source.model_copy(update={"layout": layout_of(spec.name, file.absolute(), source.sha256)})


@lru_cache(maxsize=64)
def layout_of(backbone: str, file: Path, _sha256: str) -> tuple[str, ...]:
    """What is done to find a backbone's weights in a file, in words; raises `WeightsError` where they are not there."""
    spec = BACKBONES[backbone]
    return weights_in(without_numbers(spec), spec, file).done


def without_numbers(spec: Backbone) -> nn.Module:
    """A backbone that has names and shapes alone: it costs nothing, and draws nothing from torch's generator."""
    with torch.device("meta"):
        return spec.build()


def described_now(file: Path) -> SourcePlan:
    """What a weights file is; it is read again only where it changed."""
    state = file.stat()
    return described(file.absolute(), (state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns))


@lru_cache(maxsize=64)
def described(file: Path, state: tuple[int, ...]) -> SourcePlan:
    """What a weights file is; every run of a study asks, and the file is read once unless its `state` changes.

    Raises `WeightsError` where the file's name ends in the beginning of a hash, as published ones do, and its content
    has another: cut short, or renamed.
    """
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    said = re.search(r"-([0-9a-f]{8})\.\w+$", file.name)
    if said and not digest.startswith(said[1]):
        raise WeightsError(
            f"{file}: its name says that its SHA-256 begins with {said[1]}, and it is {digest[:16]}…: cut short, "
            "damaged or renamed; fetch it again, or give it a name without that ending"
        )
    known = metadata_of(file)
    if "plan" not in known:
        return SourcePlan(name=file.name, sha256=digest)
    staging = json.loads(known["plan"])["staging"]
    task = staging["name"] if staging.get("task") is None else f"{staging['name']} at or above {staging['task']}"
    name = file.parent.name if file.name == "model.safetensors" else f"{file.parent.name}/{file.name}"
    return SourcePlan(
        name=name,
        sha256=digest,
        cohort=known.get("cohort_name"),
        fingerprint=known.get("cohort"),
        task=task,
        simulated={"yes": True, "no": False}.get(known.get("simulated", "")),
    )


def metadata_of(file: Path) -> dict[str, str]:
    """What a model file says about itself; nothing for files of other tools.

    Raises `WeightsError` where a file ending in .safetensors cannot be read as one.
    """
    if file.suffix != ".safetensors":
        return {}
    try:
        with safe_open(file, framework="pt") as content:
            return dict(content.metadata() or {})
    except (OSError, SafetensorError):
        raise WeightsError(f"{file} is not a file of safetensors: damaged, cut short, or of another format") from None


def own_backbone(path: Path, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The one backbone of a model of this tool, under the backbone's own names; other files as they are.

    `tensors` are those of the file at `path`, by name, each of any shape [...]. Raises `WeightsError` where the model
    holds no backbone, because only its head was trained, or several.
    """
    if "plan" not in metadata_of(path):
        return tensors
    names = sorted({match[1] for key in tensors if (match := re.match(r"backbones\.modality_([^.]+)\.", key))})
    if not names:
        raise WeightsError(
            f"{path} trained a head on a frozen backbone and holds no other weights; train the source with "
            "training.finetune = 'all'"
        )
    if len(names) > 1:
        raise WeightsError(
            f"{path} holds a backbone for each of {', '.join(names)}; train the source on one modality, or with "
            "network.share_backbone = true"
        )
    prefix = f"backbones.modality_{names[0]}."
    return {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}


@lru_cache(maxsize=16)
def from_hub(identifier: str) -> Path:
    """Fetches `owner/name` (its model.safetensors) or `owner/name:file` through the hub's own cache, once a process.

    Raises `WeightsError` where the hub does not give the file: there is none, no access, or no network.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    repository, _, file = identifier.partition(":")
    try:
        return Path(hf_hub_download(repository, file or "model.safetensors"))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        first_line = str(error).strip().splitlines()[0]
        raise WeightsError(
            f"network.weights = {identifier!r}: not a file here, and the hub did not give it ({first_line})"
        ) from None


def read_tensors(path: Path) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The tensors of a .safetensors file or of a PyTorch state dict, by name, each of any shape [...]; and in words,
    which part of a checkpoint they were.

    Raises `WeightsError` where the file cannot be read as such, or holds no named tensors. Pickled objects are never
    executed.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path), ()
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a reader makes of a damaged file
        kind = "safetensors" if path.suffix == ".safetensors" else "PyTorch tensors alone"
        found = re.search(r"GLOBAL ([\w.]+) was not an allowed global", str(error))
        what = f"it holds {found[1]}, code that is never run here; save its state dict alone" if found else DAMAGED
        raise WeightsError(f"{path} is not a file of {kind}: {what}") from None
    return unwrapped(content, path)


def weights_in(network: nn.Module, spec: Backbone, path: Path) -> NamedWeights:
    """What a file holds for a network, by its own names; raises `WeightsError` naming the first key that does not fit,
    with both shapes, or whose numbers no network can work with."""
    tensors, part = read_tensors(path)
    own = network.state_dict()
    found = named_for(spec, own, own_backbone(path, tensors), path)
    renamed = dict(found.tensors)
    for key, tensor in own.items():
        if key not in renamed:
            if key.endswith("num_batches_tracked"):  # absent from files older than PyTorch 0.4.1
                renamed[key] = tensor
                continue
            first = next(((name, tuple(t.shape)) for name, t in renamed.items() if name not in own), None)
            instead = "" if first is None else f", and its first is {first[0]!r} {first[1]}"
            raise WeightsError(f"{path.name} is not for {spec.name}: it lacks {key!r} {tuple(tensor.shape)}{instead}")
        if renamed[key].shape != tensor.shape:
            raise WeightsError(
                f"{path.name} is not for {spec.name}: {key!r} has shape {tuple(renamed[key].shape)}, "
                f"{spec.name} needs {tuple(tensor.shape)}"
            )
    for key, tensor in renamed.items():
        if key not in own:
            raise WeightsError(
                f"{path.name} is not for {spec.name}: it holds {key!r} {tuple(tensor.shape)}, "
                f"which {spec.name} does not have"
            )
    check_numbers(renamed, path)
    return NamedWeights(renamed, (*part, *found.done))


def load_strictly(network: nn.Module, spec: Backbone, path: Path) -> None:
    """Loads a file; raises `WeightsError` as `weights_in` does."""
    network.load_state_dict(dict(weights_in(network, spec, path).tensors))


@dataclass(frozen=True)
class CheckedWeights:
    """A file that fits a backbone: `layout` is what was done to find its weights in it, and `source` what it is."""

    file: Path
    backbone: str
    parameters: int
    layout: tuple[str, ...]
    source: SourcePlan


def check_weights(spec: Backbone, weights: str) -> CheckedWeights:
    """Whether weights, named in any of their forms, fit a backbone; raises `WeightsError` saying why where not."""
    file = weights_file(spec, weights)
    network = without_numbers(spec)
    found = weights_in(network, spec, file)
    count = sum(parameter.numel() for parameter in network.parameters())
    return CheckedWeights(file, spec.name, count, found.done, described_now(file))


def check_numbers(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Raises `WeightsError` naming the first of `tensors` of a file, each of any shape [...], that holds numbers which
    are not finite, or variances below 0."""
    for key, tensor in tensors.items():
        if not tensor.is_floating_point():
            continue
        bad = int((~torch.isfinite(tensor)).sum())
        if bad:
            raise WeightsError(f"{path}: {key!r} holds {bad} of {tensor.numel()} numbers that are not finite: broken")
        if key.endswith("running_var") and bool((tensor < 0).any()):
            raise WeightsError(f"{path}: {key!r} holds variances below 0, which there are none of: broken")


def weights_hash(network: nn.Module, without: tuple[str, ...] = ()) -> str:
    """SHA-256 of a network's parameters and buffers: the identity of what computes features.

    `without` are prefixes of what does not count, because it lies behind what is computed.
    """
    digest = hashlib.sha256()
    for key, tensor in sorted(network.state_dict().items()):
        if any(key.startswith(f"{prefix}.") for prefix in without):
            continue
        digest.update(key.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
