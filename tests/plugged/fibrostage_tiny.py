"""A backbone for tests that look at anything but the backbone: three small layers, offered as a plug-in offers one.

tests/conftest.py puts this folder where this process and those that it starts find packages. Like a published
backbone it has a freeze boundary, norms, and pictures that are resized; its layers have a ResNet's names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from torch import nn

from fibrostage.ground.errors import WeightsError
from fibrostage.networks.backbones.spec import Backbone

if TYPE_CHECKING:
    from torch import Tensor

FEATURES = 32


def layer(before: int, after: int) -> nn.Sequential:
    """Maps [B, before, H, W] → [B, after, ⌈H / 2⌉, ⌈W / 2⌉]."""
    return nn.Sequential(nn.Conv2d(before, after, 3, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU())


class Tiny(nn.Module):
    """Images [B, 3, 40, 40] → maps [B, 32, 5, 5]."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, 2, 1, bias=False)
        self.bn1, self.act = nn.BatchNorm2d(8), nn.ReLU()
        self.layer2, self.layer4 = layer(8, 16), layer(16, FEATURES)

    def forward(self, x: Tensor) -> Tensor:
        """Images [B, 3, 40, 40] → maps [B, 32, 5, 5]."""
        return self.back(self.front(x))

    def front(self, x: Tensor) -> Tensor:
        """Images [B, 3, 40, 40] → maps at the freeze boundary [B, 16, 10, 10]."""
        maps: Tensor = self.layer2(self.act(self.bn1(self.conv1(x))))
        return maps

    def back(self, x: Tensor) -> Tensor:
        """Maps at the freeze boundary [B, 16, 10, 10] → maps [B, 32, 5, 5]."""
        maps: Tensor = self.layer4(x)
        return maps


def imagenet() -> NoReturn:
    """Always raises `WeightsError`: nobody trained it."""
    raise WeightsError("tiny was never trained on ImageNet; give network.weights = 'random'")


BACKBONE = Backbone(
    name="tiny",
    features=FEATURES,
    size=40,
    mean=(127.5, 127.5, 127.5),
    std=(127.5, 127.5, 127.5),
    last=("layer4",),
    build=Tiny,
    rename=lambda key: key,
    imagenet=imagenet,
    source="made for the tests",
    licence="Apache-2.0",
)
