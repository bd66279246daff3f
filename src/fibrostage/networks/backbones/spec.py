"""What a backbone file must say about itself: one architecture, its provenance and its preprocessing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from fibrostage.ground.errors import PlanError

if TYPE_CHECKING:
    from torch import Tensor, nn


class Trunk(Protocol):
    """A network cut at its freeze boundary."""

    def front(self, x: Tensor) -> Tensor:
        """Images [B, 3, S, S] → maps at the freeze boundary [B, c, h, w]."""
        ...

    def back(self, x: Tensor) -> Tensor:
        """Maps at the freeze boundary [B, c, h, w] → the network's last maps [B, features, h′, w′]."""
        ...


@dataclass(frozen=True)
class NamesElsewhere:
    """Another tool's names for an architecture's weights: known by `sign`, a part of a key, and renamed to those of the
    publisher. `name` is the tool's."""

    name: str
    sign: str
    rename: Callable[[str], str]


@dataclass(frozen=True)
class Backbone:
    """A convolutional feature extractor: images [B, 3, S, S] → maps [B, features, h, w].

    Pictures of another size are resized to `size`, or refused where it must be `exact`. `mean` and `std` are in the
    0–255 range of stored pixels. `last` are the parameter-name prefixes that `finetune = "last"` trains; the network
    that `build` makes is `back(front(x))`, and `back` is what they name. `rename` turns a key of the published weights
    into ours, or None to drop it (the ImageNet classifier). `imagenet` finds the published weights on this machine, or
    raises `WeightsError` saying where to get them; `on_board` is the SHA-256 of those that a package ships. `layouts`
    are other tools' names for the same weights. `cut` moves a network's freeze boundary so that fewer blocks lie behind
    it, and returns the `last` of then; it is None where the boundary stands still.
    """

    name: str
    features: int
    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    last: tuple[str, ...]
    build: Callable[[], nn.Module]
    rename: Callable[[str], str | None]
    imagenet: Callable[[], Path]
    source: str
    licence: str
    exact: bool = False
    layouts: tuple[NamesElsewhere, ...] = ()
    on_board: str | None = None
    cut: Callable[[nn.Module, int], tuple[str, ...]] | None = None

    def behind(self, blocks: int | None, *networks: nn.Module) -> Backbone:
        """This backbone with `blocks` blocks behind its freeze boundary, which is moved in `networks` too; itself where
        `blocks` is None. Raises `PlanError` where it cannot be moved so."""
        if blocks is None:
            return self
        if self.cut is None:
            raise PlanError(f"training.blocks: the freeze boundary of {self.name} stands still; leave it out")
        last = [self.cut(network, blocks) for network in networks]
        return replace(self, last=last[0])
