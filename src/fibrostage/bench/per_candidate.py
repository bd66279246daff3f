"""Running the whole network once per candidate and pass, as public libraries do: Baal's three ways and a plain loop."""

from __future__ import annotations

import contextlib
import importlib
import io
from collections.abc import Callable
from functools import partial
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fibrostage.bench.setting import BenchNetwork
from fibrostage.ground.errors import RunError
from fibrostage.learn.images import as_tensor, normalise
from fibrostage.networks.fusion import Head


class PairNetwork(nn.Module):
    """Our network as public libraries see it: images of one batch of candidates in, logits out."""

    def __init__(self, backbones: dict[str, nn.Module], head: Head) -> None:
        super().__init__()
        self.names = head.modalities
        self.backbones = nn.ModuleList(backbones[name] for name in self.names)
        self.streams = nn.ModuleList(head.stream(name) for name in self.names)
        self.dropout = nn.Dropout(head.dropout)
        self.link = head.link

    def forward(self, images: list[Tensor]) -> Tensor:
        """Logits [b, K] of b candidates, from one batch of images [b, 3, S, S] a modality."""
        parts = []
        for backbone, stream, batch in zip(self.backbones, self.streams, images, strict=True):
            z = backbone(batch).mean(dim=(2, 3))
            parts.append(stream.classify(self.dropout(stream.embed(z))))  # type: ignore[operator]
        return self.link(sum(parts[1:], parts[0]))


def baal_version() -> str | None:
    try:
        return version("baal")
    except PackageNotFoundError:
        return None


Way = Callable[[BenchNetwork, NDArray[np.int64]], NDArray[np.float32]]


def images_of(setting: BenchNetwork, ids: NDArray[np.int64]) -> list[Tensor]:
    """Normalised images [n, 3, S, S] of the candidates `ids` [n], one tensor a modality."""
    rows = setting.shape.space.decode(ids)
    return [
        normalise(as_tensor(setting.pixels[name][rows[:, k]], setting.spec), setting.spec).contiguous()
        for k, name in enumerate(setting.head.modalities)
    ]


class Pairs(torch.utils.data.Dataset[tuple[list[Tensor], int]]):
    """Candidates as a dataset of pairs, as a user of a public library would write it."""

    def __init__(self, setting: BenchNetwork, ids: NDArray[np.int64]) -> None:
        self.setting, self.ids = setting, ids

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> tuple[list[Tensor], int]:
        return [images[0] for images in images_of(self.setting, self.ids[index : index + 1])], 0


BATCH = 4  # candidates; Baal makes passes × as many images of it


def per_candidate_ways() -> dict[str, Way]:
    """Baal's three ways where it is installed, and a plain batched loop."""
    ways: dict[str, Way] = {"plain batched loop": plain_loop}
    if baal_version() is not None:
        ways["Baal, default"] = partial(with_baal, replicate=True, caching=False)
        ways["Baal, loop"] = partial(with_baal, replicate=False, caching=False)
        ways["Baal, loop with its caching module"] = partial(with_baal, replicate=False, caching=True)
    return ways


@torch.inference_mode()
def plain_loop(setting: BenchNetwork, ids: NDArray[np.int64]) -> NDArray[np.float32]:
    """Mean probabilities [n, K] of the candidates `ids` [n] over dropout passes, by a plain batched loop."""
    network = PairNetwork(setting.backbones, setting.head).eval()
    network.dropout.train()
    means = []
    for start in range(0, len(ids), BATCH):
        images = images_of(setting, ids[start : start + BATCH])
        means.append(torch.stack([network(images).softmax(-1) for _ in range(setting.passes)]).mean(0))
    return torch.cat(means).numpy()


def with_baal(setting: BenchNetwork, ids: NDArray[np.int64], replicate: bool, caching: bool) -> NDArray[np.float32]:
    """Mean probabilities [n, K] of the candidates `ids` [n] by Baal's ModelWrapper over a dataset of pairs.

    It runs without worker processes, to its advantage. Raises `RunError` where Baal is not installed.
    """
    try:
        caches = importlib.import_module("baal.bayesian.caching_utils")
        dropout = importlib.import_module("baal.bayesian.dropout")
        wrapper = importlib.import_module("baal.modelwrapper")
    except ImportError as error:
        raise RunError(f"the comparison with Baal needs {error.name}: pip install baal") from None
    network: nn.Module = PairNetwork(setting.backbones, setting.head).eval()
    network = dropout.MCDropoutModule(network)
    if caching:
        network = caches.MCCachingModule(network)
    arguments = wrapper.TrainingArgs(batch_size=BATCH, use_cuda=False, workers=0, replicate_in_memory=replicate)
    with torch.inference_mode(), contextlib.redirect_stdout(io.StringIO()):  # it logs to stdout
        logits = wrapper.ModelWrapper(network, arguments).predict_on_dataset(
            Pairs(setting, ids), setting.passes, verbose=False
        )
    if caching:
        network = network.unpatch()  # type: ignore[operator]
    network.unpatch()  # type: ignore[operator]
    return torch.from_numpy(logits).softmax(1).mean(-1).numpy()
