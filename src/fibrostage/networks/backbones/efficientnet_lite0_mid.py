"""EfficientNet-Lite0 with maps from the middle of the network beside its last ones.

A head on frozen features sees maps averaged over a picture. The last ones tell the things that ImageNet's classes are
made of; those of the middle still hold colour and grain, in which a stiffness map and liver tissue differ. Weights and
preprocessing are those of `efficientnet_lite0`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from fibrostage.networks.backbones.efficientnet_lite0 import BACKBONE as LITE0
from fibrostage.networks.backbones.efficientnet_lite0 import BOUNDARY, EfficientNetLite0

if TYPE_CHECKING:
    from torch import Tensor

MIDDLE = (4, 7)  # the last blocks of two stages, whose maps are kept beside those at the boundary
BEFORE, AT_BOUNDARY = 40 + 80, 112  # maps


class EfficientNetLite0Mid(EfficientNetLite0):
    """Images [B, 3, 224, 224] → maps [B, 1512, 7, 7]: 232 of the middle, then the last 1280."""

    def front(self, x: Tensor) -> Tensor:
        """Images [B, 3, 224, 224] → maps of the middle [B, 232, 14, 14], those at the freeze boundary last."""
        x = self.act(self.bn0(self.conv_stem(x)))
        kept = []
        for number, block in enumerate(list(self.blocks)[:BOUNDARY]):
            x = block(x)
            if number in MIDDLE:
                kept.append(x)
        return torch.cat([*(shrunk(maps, x.shape[-1]) for maps in kept), x], dim=1)

    def back(self, x: Tensor) -> Tensor:
        """Maps of the middle [B, 232, 14, 14] → maps [B, 1512, 7, 7]."""
        last = super().back(x[:, BEFORE:])
        return torch.cat([shrunk(x, last.shape[-1]), last], dim=1)


def shrunk(maps: Tensor, side: int) -> Tensor:
    """Maps [B, C, H, H] → [B, C, side, side], whose means are the same where `side` divides H."""
    return maps if maps.shape[-1] == side else F.avg_pool2d(maps, maps.shape[-1] // side)


BACKBONE = replace(
    LITE0,
    name="efficientnet_lite0_mid",
    features=BEFORE + AT_BOUNDARY + LITE0.features,
    build=EfficientNetLite0Mid,
    cut=None,
)
