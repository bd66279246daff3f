"""Networks and weights on disk, as safetensors.

A model file holds the head, and the backbones when they were trained; a frozen backbone is named by its hash
instead and rebuilt from the plan.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import compress
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from fibrostage import __version__
from fibrostage.cohort.store import Cohort
from fibrostage.ground.errors import RunError, StatisticsError, WeightsError
from fibrostage.ground.files import replace_file
from fibrostage.learn.known import KnownPictures, known_from
from fibrostage.networks.backbones import BACKBONES
from fibrostage.networks.fusion import MMFN, make_head, slot
from fibrostage.networks.stream import Bounds
from fibrostage.networks.weights import backbone_of, check_numbers, weights_hash
from fibrostage.plan.run_plan import Plan
from fibrostage.stats.calling import Calling, calling_from

FORMAT = "fibrostage-mmfn-1"
TRAINED_ON, CALLING, KNOWN = "trained_on", "calling", "known"
PICTURE_DIGITS = 16  # of a hash: 64 bits
RENAMED = {"head.bias": "head.link.bias"}  # in models from before there was another link


def save_network(
    path: Path,
    network: MMFN,
    plan: Plan,
    cohort: Cohort,
    trained_on: NDArray[np.int64],
    calling: Calling | None = None,
    known: KnownPictures | None = None,
) -> None:
    """The network, ready to be loaded with its plan; `trained_on` [p] are the rows of the patients it learned from,
    whose pictures it will know again, `calling` is how its answers become a stage, and `known` what is kept of the
    training pictures."""
    frozen = plan.training.finetune == "head"
    tensors = dict(network.head.state_dict(prefix="head."))
    if not frozen:
        tensors.update(network.backbones.state_dict(prefix="backbones."))
    for name, bounds in (known or KnownPictures()).bounds.items():
        tensors.update(bounds.state_dict(prefix=f"head.streams.{slot(name)}.bounds."))
    metadata = {
        "format": FORMAT,
        "plan": plan.canonical(),
        "cohort": cohort.fingerprint,
        "cohort_name": cohort.name,
        "simulated": "yes" if cohort.simulated else "no",
        KNOWN: (known or KnownPictures()).canonical(),
        CALLING: json.dumps((calling or Calling()).as_dict()),
        TRAINED_ON: " ".join(sorted(pictures_of(cohort, plan.fused, trained_on))),
        "tool": __version__,
        "backbone_hash": weights_hash(network.backbone(plan.pictured[0])) if frozen and plan.pictured else "",
    }
    save_state(path, tensors, metadata)


def pictures_of(cohort: Cohort, modalities: Sequence[str], patients: NDArray[np.int64]) -> set[str]:
    """The names of the pictures of patients, given by their rows [p], in these modalities."""
    found = set()
    for name in modalities:
        own = np.isin(cohort.owners(name), patients)
        found |= {picture_name(sha256) for sha256 in compress(cohort.picture_hashes(name), own)}
    return found


def picture_name(sha256: str) -> str:
    """What a model calls a picture that it was trained on: the beginning of the hash of the stored pixels."""
    return sha256[:PICTURE_DIGITS]


def training_pictures(path: Path) -> frozenset[str] | None:
    """The names of the pictures that a model was trained on; None for models from before they said so.

    Raises `RunError` where the file cannot be read.
    """
    told = told_by(path).get(TRAINED_ON)
    return None if told is None else frozenset(told.split())


def calling_of(path: Path) -> Calling:
    """How a model's answers become a stage; of models from before there was a choice, as they are.

    Raises `RunError` where the file cannot be read, or does not say it rightly.
    """
    told = told_by(path).get(CALLING)
    try:
        return Calling() if told is None else calling_from(json.loads(told))
    except (ValueError, StatisticsError) as error:
        raise RunError(f"cannot read the model {path}: {error}") from None


def known_by(path: Path) -> KnownPictures:
    """What a model's file says of its training pictures: nothing, in files from before this was kept.

    Raises `RunError` where the file cannot be read, or does not say it rightly.
    """
    told = told_by(path).get(KNOWN)
    return KnownPictures() if told is None else known_from(told)


def told_by(path: Path) -> dict[str, str]:
    """What a model's file says of itself; raises `RunError` where it cannot be read."""
    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise RunError(f"cannot read the model {path}: {error}") from None


def load_network(path: Path) -> tuple[MMFN, Plan]:
    """The network of a model file and its plan.

    Raises `RunError` where the file cannot be read, is no model of this tool, or does not fit its own plan, and
    `WeightsError` where it holds numbers that are not finite, or its frozen backbone is not the one that the plan gives
    here.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {RENAMED.get(key, key): file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise RunError(f"cannot read the model {path}: {error}") from None
    if metadata.get("format") != FORMAT:
        raise RunError(f"{path} is not a model of this tool: format {metadata.get('format')!r}, needs {FORMAT!r}")
    check_numbers(tensors, path)
    data = json.loads(metadata["plan"])
    data.get("training", {}).setdefault("mirror", False)  # models from before there was a choice
    plan = Plan.parse(data, source=str(path))
    return rebuild(path, plan, tensors, metadata), plan


def rebuild(path: Path, plan: Plan, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> MMFN:
    """The network of a model file, in evaluation mode, from its plan, its tensors and its metadata.

    `tensors` are by name, each in its parameter's shape [...]. Raises `WeightsError` where the frozen backbone has
    other weights than the head was fitted on, and `RunError` where a tensor is missing or unknown.
    """
    spec = BACKBONES[plan.network.backbone]
    classes = len(plan.staging.resolve().classes)
    head = make_head(plan.network, plan.fused, widths_of(plan), classes)
    trained = plan.training.finetune != "head"
    share = plan.network.share_backbone or not trained
    names = plan.pictured[:1] if share else plan.pictured
    network_plan = plan.network.model_copy(update={"weights": "random", "load": "whole"}) if trained else plan.network
    network = MMFN({name: backbone_of(network_plan, plan.seed) for name in names}, head, share)
    if not trained and names and weights_hash(network.backbone(names[0])) != metadata["backbone_hash"]:
        raise WeightsError(f"{path} was fitted on other {spec.name} weights than {plan.network.weights!r} gives here")
    for name in plan.fused:  # a head on frozen features has the bounds of those it was fitted on
        prefix = f"head.streams.{slot(name)}.bounds."
        if f"{prefix}low" in tensors:
            network.head.stream(name).bounds = Bounds(*(tensors.get(prefix + part) for part in Bounds.NAMES))  # type: ignore[arg-type]
    missing, unexpected = network.load_state_dict(dict(tensors), strict=False)
    wrong = [key for key in missing if trained or key.startswith("head.")] + list(unexpected)
    if wrong:
        raise RunError(f"{path} does not fit its own plan: first wrong key {wrong[0]!r}")
    return network.eval()


def widths_of(plan: Plan) -> dict[str, int]:
    """How many features a stream is given, by modality: the backbone's, or a table's values and what is missing."""
    tables = {table.name: 2 * len(table.columns) for table in plan.tables}
    return {name: tables.get(name, BACKBONES[plan.network.backbone].features) for name in plan.fused}


def save_state(path: Path, state: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Writes named tensors of any shape [...] to a safetensors file, whole or not at all.

    Raises `RunError` where the file cannot be written.
    """
    contiguous = {key: tensor.detach().cpu().contiguous() for key, tensor in state.items()}

    def write(temporary: Path) -> None:
        try:
            save_file(contiguous, temporary, dict(metadata))
        except SafetensorError as error:  # a full disk reaches us as this
            raise OSError(str(error)) from None

    replace_file(path, write)


def load_state(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file by name, each in the shape [...] it was saved in.

    Raises `RunError` where the file cannot be read.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise RunError(f"cannot read the saved state {path}: {error}") from None
