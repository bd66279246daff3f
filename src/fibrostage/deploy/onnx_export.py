"""A trained model as ONNX files, so that it stages patients where there is no PyTorch.

The network is cut where the package cuts it: a file a stream, from stored pictures or measured values to that stream's
share of the logits, and a file a head, from shares to a candidate's probabilities. onnx.json says how they go in, how
candidates become a patient's answer (`onnx_description`). Notable: every file is run and compared with the network
before it is kept, and the files compute in float32, whatever precision the plan trains in. A head on features that
hardly vary multiplies their rounding; a runtime is then as far from the exact answer as PyTorch is, but elsewhere.
"""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from fibrostage import RESEARCH_USE, SIMULATED
from fibrostage.deploy.onnx_description import (
    FEATURES,
    IMAGES,
    PICTURES,
    PROBABILITIES,
    SHARE,
    VALUES,
    MemberFiles,
    describe,
    mirrors,
)
from fibrostage.deploy.onnx_graphs import (
    CandidateProbabilities,
    Graph,
    MeasuredShare,
    PooledFeatures,
    StoredToNormalised,
    answers,
    finished,
    joined,
    quiet,
    traced,
)
from fibrostage.ground.errors import PlanError, RunError
from fibrostage.ground.files import replace_file, write_json
from fibrostage.learn.model import Model, is_simulated
from fibrostage.networks.backbones import BACKBONES
from fibrostage.networks.fusion import MMFN, Head
from fibrostage.networks.weights import weights_hash
from fibrostage.plan.intake import ModalityPlan
from fibrostage.plan.run_plan import Plan

DESCRIPTION = "onnx.json"
TRIED = 3  # rows that a file is compared on: another number than it was traced with
AGREES = 1e-3  # of an answer, or of 1 where that is more: float32 stays far below, a wrong graph far above
LONGEST = 60  # signs of a modality in a file's name


@dataclass(frozen=True)
class OnnxWriter:
    """Makes one model's files in `folder`, each with the `notice` inside. What streams have in common is traced once:
    `stored` are the graphs up to the backbones, and `trunk` is the last backbone's. `written` is the SHA-256 of each
    file so far."""

    folder: Path
    notice: str
    stored: dict[str, Graph] = field(default_factory=dict)
    trunk: dict[str, Graph] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)

    def stream(self, network: MMFN, plan: Plan, modality: ModalityPlan, file: str) -> None:
        """Writes a modality's stream; raises `RunError` where it cannot be exported faithfully, or written."""
        spec, path = BACKBONES[plan.network.backbone], network.head.stream(modality.name)
        prepared = StoredToNormalised(modality.size, spec)
        pooled = PooledFeatures(network.backbone(modality.name), mirrors(plan)).eval()
        pictures = pictures_to_try(modality.size, modality.stored_channels)
        with torch.no_grad():
            images = prepared(torch.from_numpy(pictures))
            z = pooled(images)
            share = path(z).numpy()
        what = f"{modality.name} through {spec.name}"
        shape, weights = str(pictures.shape), f"{weights_hash(pooled.backbone)} {pooled.mirror}"
        if shape not in self.stored:
            self.stored[shape] = traced(prepared, torch.from_numpy(pictures[:2]), [PICTURES], IMAGES, what)
        if weights not in self.trunk:
            self.trunk.clear()
            self.trunk[weights] = traced(pooled, images[:2], [IMAGES], FEATURES, what)
        last = traced(path, z[:2], [FEATURES], SHARE, what)
        self.keep(joined([self.stored[shape], self.trunk[weights], last]), file, {PICTURES: pictures}, share, what)

    def table(self, network: MMFN, modality: ModalityPlan, file: str) -> None:
        """Writes the stream of a table; raises `RunError` where it cannot be exported faithfully, or written."""
        share, what = MeasuredShare(network.head.stream(modality.name)), f"the table {modality.name}"
        values = np.random.default_rng(0).normal(0, 3, (TRIED, len(modality.columns))).astype(np.float32)
        values[0, 0] = np.nan
        tried = torch.from_numpy(values)
        with torch.no_grad():
            told = share(tried).numpy()
        self.keep(traced(share, tried[:2], [VALUES], SHARE, what), file, {VALUES: values}, told, what)

    def head(self, head: Head, inputs: Sequence[str], file: str) -> None:
        """Writes a head; raises `RunError` where it cannot be exported faithfully, or written."""
        rng, width = np.random.default_rng(0), (TRIED, head.link.outputs)
        shares = {name: rng.normal(0, 3, width).astype(np.float32) for name in inputs}
        tensors = tuple(map(torch.from_numpy, shares.values()))
        module, what = CandidateProbabilities(head), f"the head {head.kind.name!r}"
        with torch.no_grad():
            told = module(tensors).numpy()
        example = tuple(each[:2] for each in tensors)
        self.keep(traced(module, example, inputs, PROBABILITIES, what, logarithms=True), file, shares, told, what)

    def keep(
        self, graph: Graph, file: str, inputs: Mapping[str, NDArray[np.generic]], told: NDArray[np.float32], what: str
    ) -> None:
        """Writes a graph, which for `inputs` [n, ...] by name must give what the network `told` [n, K]; raises
        `RunError` where it does not, or cannot be written."""
        content = finished(graph, self.notice, what)
        apart = float((np.abs(answers(content, inputs) - told) / np.maximum(1, np.abs(told))).max())
        if not apart <= AGREES:
            raise RunError(
                f"{what}: as ONNX it gives other numbers than the network, which differ by {apart:.2g} where "
                f"{AGREES:g} is allowed; nothing was exported, and 'fibrostage predict' is what stages patients with it"
            )
        replace_file(self.folder / file, lambda temporary: temporary.write_bytes(content))
        self.written[file] = hashlib.sha256(content).hexdigest()

    def member(self, network: MMFN, plan: Plan, stems: Mapping[str, str], suffix: str) -> MemberFiles:
        """Writes the files of one network, their names by the modalities' `stems` and a `suffix`; raises `RunError`."""
        own = copy.deepcopy(network).to("cpu", torch.float32)
        own = own.to(memory_format=torch.contiguous_format).eval()  # type: ignore[call-overload]
        modalities = {modality.name: modality for modality in plan.modality}
        streams = {name: f"stream-{stem}{suffix}.onnx" for name, stem in stems.items()}
        for name, file in streams.items():
            if modalities[name].is_table:
                self.table(own, modalities[name], file)
            else:
                self.stream(own, plan, modalities[name], file)
        files = MemberFiles(streams, f"head{suffix}.onnx")
        self.head(own.head, [share_input(stem) for stem in stems.values()], files.head)
        return files


def export_onnx(model: Model, folder: Path) -> list[Path]:
    """Writes a model as ONNX files, and onnx.json, which says how they are used; returns them all, onnx.json last.

    Of a model of several networks each has files of its own, whose names end in its number, from 0. Raises `PlanError`
    where the extra is not installed, and `RunError` where the folder has something in it, cannot be written, or the
    network cannot be exported faithfully; then no file is left.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError:
        raise PlanError(
            "an ONNX export needs onnx, onnxscript and onnxruntime: install fibrostage with its extra [onnx]"
        ) from None
    if model.plan.sees_bags:
        raise RunError(
            f'network.pooling = "{model.plan.network.pooling}" sees all of a patient\'s pictures at once, and the '
            "graphs are of one picture; nothing was exported, and 'fibrostage predict' is what stages patients with it"
        )
    make_empty(folder)
    stems, simulated = file_stems(model.plan.fused), is_simulated(model)
    writer = OnnxWriter(
        folder, f"{SIMULATED}: trained on patients who do not exist. {RESEARCH_USE}" if simulated else RESEARCH_USE
    )
    try:
        with quiet():
            files = [
                writer.member(network, plan, stems, f"-{number}" if len(model.members) > 1 else "")
                for number, (network, plan) in enumerate(model.members)
            ]
        inputs = {name: share_input(stem) for name, stem in stems.items()}
        write_json(folder / DESCRIPTION, describe(model, files, writer.written, inputs, writer.notice, simulated))
    except BaseException:
        for name in writer.written:
            (folder / name).unlink(missing_ok=True)
        raise
    return [*(folder / name for name in writer.written), folder / DESCRIPTION]


def make_empty(folder: Path) -> None:
    """Makes a folder; raises `RunError` where there is something in it, or it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        taken = any(folder.iterdir())
    except OSError as error:
        raise RunError(f"cannot write to {folder}: {error.strerror}") from None
    if taken:
        raise RunError(f"{folder} exists and is not empty; choose another folder for the ONNX files")


def file_stems(modalities: Iterable[str]) -> dict[str, str]:
    """What modalities are called in file names: by letters, digits, - and _ alone, and no two alike on a disk that
    does not tell capitals from small letters."""
    stems: dict[str, str] = {}
    for name in modalities:
        stem = begun = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:LONGEST]
        number = 2
        while stem.casefold() in {taken.casefold() for taken in stems.values()}:
            stem, number = f"{begun}_{number}", number + 1
        stems[name] = stem
    return stems


def share_input(stem: str) -> str:
    """What a head calls the input for the shares of a modality, by what it is called in file names."""
    return f"{SHARE}_{stem}"


def pictures_to_try(size: int, channels: int) -> NDArray[np.uint8]:
    """Made-up pictures [TRIED, size, size, channels] of different brightness, with large and small structures."""
    rng, cell = np.random.default_rng(0), -(-size // 8)
    large = rng.integers(0, 200, (TRIED, 8, 8, channels)).repeat(cell, 1).repeat(cell, 2)[:, :size, :size]
    return (large + rng.integers(0, 56, large.shape)).astype(np.uint8)
