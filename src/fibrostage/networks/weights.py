"""Weights from a published file, a local file or a Hugging Face hub id, into a backbone, strictly.

Strictly: every parameter of the backbone must be in the file with its shape, and every key of the file must be
known (an ImageNet classifier is dropped by the backbone's own rename). Pickled objects are never executed:
`.pth` files are read as tensors only.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file

from fibrostage.errors import WeightsError
from fibrostage.networks.backbones.spec import Backbone

if TYPE_CHECKING:
    from torch import Tensor, nn

RANDOM = "random"
IMAGENET = "imagenet"
FILE_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")


def build_backbone(spec: Backbone, weights: str, seed: int) -> nn.Module:
    """A backbone with its weights: "random" (by seed), "imagenet", a file, or a hub id "owner/name[:file]"."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = spec.build()
    if weights != RANDOM:
        load_strictly(network, spec, weights_file(spec, weights))
    return network


def weights_file(spec: Backbone, weights: str) -> Path:
    """The local file that holds the weights, downloaded from the hub when they are a hub id."""
    if weights == IMAGENET:
        return spec.imagenet()
    path = Path(weights).expanduser()
    if path.is_file():
        return path
    repository = weights.partition(":")[0]
    is_path = repository.startswith((".", "/", "~")) or path.suffix in FILE_SUFFIXES
    if repository.count("/") != 1 or (is_path and ":" not in weights):
        raise WeightsError(
            f"network.weights = {weights!r}: no such file; give 'imagenet', 'random', "
            "a .safetensors or .pth file, or a hub id such as owner/name"
        )
    return from_hub(weights)


def from_hub(identifier: str) -> Path:
    """`owner/name` (its model.safetensors) or `owner/name:file`, through the hub's own cache."""
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


def read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        kind = "safetensors" if path.suffix == ".safetensors" else "PyTorch tensors"
        raise WeightsError(f"{path} is not a file of {kind} ({type(error).__name__})") from None
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict) or not all(torch.is_tensor(v) for v in content.values()):
        raise WeightsError(f"{path} does not hold a state dict (names → tensors)")
    return content


def load_strictly(network: nn.Module, spec: Backbone, path: Path) -> None:
    """Loads the file or raises `WeightsError` naming the first key that does not fit, with both shapes."""
    renamed = {}
    for key, tensor in read_tensors(path).items():
        name = spec.rename(key)
        if name is not None:
            renamed[name] = tensor
    own = network.state_dict()
    for key, tensor in own.items():
        if key not in renamed:
            if key.endswith("num_batches_tracked"):  # absent from files older than PyTorch 0.4.1
                renamed[key] = tensor
                continue
            raise WeightsError(f"{path.name} is not for {spec.name}: it lacks {key!r} {tuple(tensor.shape)}")
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
    network.load_state_dict(renamed)


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
