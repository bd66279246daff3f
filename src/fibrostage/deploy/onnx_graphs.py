"""The parts of a network as ONNX graphs, each traced from PyTorch, joined, checked and compared with the network.

Notable: resizing is a product with the very weights that PyTorch's has, as ONNX's own resizing differs between versions
and runtimes. The logarithms of an ordinal head are taken apart before they are traced: as log(sigmoid) they lose
probabilities that are far from even. What a graph says of the machine it was made on is taken out of it.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from fibrostage import __version__
from fibrostage.ground.errors import RunError
from fibrostage.networks.backbones.spec import Backbone
from fibrostage.networks.fusion import Head

OPSET = 18
TALKERS = (
    "torch.onnx",
    "torch.export",
    "torch.__trace",
    "onnxscript",
    "onnx_ir",
)  # loggers that speak of their own inner workings

Graph = Any  # onnx.ModelProto, of a package that need not be installed


class StoredToNormalised(nn.Module):
    """Stored pictures [n, H, W, C] uint8 → what the backbone reads [n, 3, S, S], as learn.images makes it."""

    def __init__(self, stored: int, spec: Backbone) -> None:
        super().__init__()
        self.across: Tensor | None
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("across", None if stored == spec.size else resizing(stored, spec.size))
        self.register_buffer("mean", torch.tensor(spec.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(spec.std).view(1, 3, 1, 1))

    def forward(self, pictures: Tensor) -> Tensor:
        """Stored pictures [n, H, W, C] uint8 → normalised images [n, 3, S, S]."""
        images = pictures.permute(0, 3, 1, 2).float()
        if self.across is not None:
            images = self.across.T @ (images @ self.across)
        return (images.expand(-1, 3, -1, -1) - self.mean) / self.std


class PooledFeatures(nn.Module):
    """Normalised images [n, 3, S, S] → features [n, C], with `mirror` the mean of an image's and its mirror image's."""

    def __init__(self, backbone: nn.Module, mirror: bool) -> None:
        super().__init__()
        self.backbone, self.mirror = backbone, mirror

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images [n, 3, S, S] → features [n, C]."""
        if not self.mirror:
            return self.backbone(images).mean(dim=(2, 3))
        z = self.backbone(torch.cat([images, images.flip(3)])).mean(dim=(2, 3))
        return z.unflatten(0, (2, -1)).mean(dim=0)


class MeasuredShare(nn.Module):
    """Measured values [n, C], NaN where missing → their stream's shares of the logits [n, K]."""

    def __init__(self, stream: nn.Module) -> None:
        super().__init__()
        self.stream = stream

    def forward(self, values: Tensor) -> Tensor:
        """Values [n, C], NaN where missing → shares [n, K]."""
        shares: Tensor = self.stream(torch.cat([values, values.isnan().float()], dim=1))
        return shares


class CandidateProbabilities(nn.Module):
    """Shares [n, K], one a modality → probabilities [n, classes] of candidates."""

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.link: Any = head.link

    def forward(self, shares: Sequence[Tensor]) -> Tensor:
        """Shares [n, K], one a modality in the head's order → probabilities [n, classes]."""
        return self.link(reduce(add, shares)).softmax(-1)


def resizing(stored: int, side: int) -> Tensor:
    """The weights [stored, side] by which PyTorch makes a row of `side` pixels out of one of `stored`."""
    eye = torch.eye(stored)[None, None]
    return F.interpolate(eye, size=(stored, side), mode="bilinear", align_corners=False, antialias=True)[0, 0]


def traced(
    module: nn.Module,
    example: Tensor | tuple[Tensor, ...],
    inputs: Sequence[str],
    output: str,
    what: str,
    logarithms: bool = False,
) -> Graph:
    """The graph of a module whose inputs, named as said, are like the `example` [2, ...] with any number of rows.

    `what` begins the error's message; with `logarithms`, those of probabilities are taken apart. Raises `RunError`
    where the module cannot be traced.
    """
    from onnx import compose

    rows = {0: torch.export.Dim("n")}
    shapes = rows if isinstance(example, Tensor) else (rows,) * len(example)
    try:
        with torch.no_grad():
            program = torch.export.export(module.eval(), (example,), dynamic_shapes=(shapes,))
            if logarithms:
                program = program.run_decompositions()
            found = torch.onnx.export(
                program,
                input_names=list(inputs),
                output_names=[output],
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
    except Exception as error:  # whatever a module of somebody else's does that cannot be traced
        first_line = (str(error).strip().splitlines() or ["no reason given"])[0]
        raise RunError(f"{what} cannot be exported as ONNX: {first_line}") from None
    assert found is not None
    graph = silent(found.model_proto)
    return compose.add_prefix(graph, f"{output}/", rename_inputs=False, rename_outputs=False)


def joined(graphs: Sequence[Graph]) -> Graph:
    """Graphs one behind another, the output of each being the input of the next."""
    from onnx import compose

    return reduce(
        lambda first, then: compose.merge_models(first, then, [(first.graph.output[0].name, then.graph.input[0].name)]),
        graphs,
    )


def silent(model: Graph) -> Graph:
    """The model without what tracing noted in it: lines of source code, and where on the disk they stand."""
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    del model.graph.value_info[:]
    for part in (*model.graph.node, *model.graph.initializer, *model.graph.input, *model.graph.output):
        del part.metadata_props[:]
        part.doc_string = ""
    return model


def finished(model: Graph, notice: str, what: str) -> bytes:
    """A model file's content, checked, with what is to be known of it; raises `RunError` where it is no valid ONNX."""
    from onnx import checker, helper

    versions = {each.domain: each.version for each in model.opset_import}  # one for each graph that was joined
    del model.opset_import[:]
    model.opset_import.extend(helper.make_opsetid(domain, version) for domain, version in versions.items())
    model.doc_string = notice
    model.producer_name, model.producer_version = "fibrostage", __version__
    helper.set_model_props(model, {"notice": notice})
    try:
        checker.check_model(model, full_check=True)
    except checker.ValidationError as error:
        raise RunError(f"{what} cannot be exported as ONNX: {error}") from None
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def answers(content: bytes, inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
    """What ONNX Runtime gives [n, K] for a model file's content and its inputs by name, each [n, ...]."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, dict(inputs))[0])


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps back what the exporters log and warn of, about packages and calls that are no user's business."""
    levels = {name: logging.getLogger(name).level for name in TALKERS}
    try:
        for name in TALKERS:
            logging.getLogger(name).setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
