"""What the ResNets share: MONAI's implementation, configured so that torchvision-layout weights load strictly."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from fibrostage.ground.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

MEAN = (123.675, 116.28, 103.53)  # ImageNet's, in 0–255
STD = (58.395, 57.12, 57.375)
WEIGHTS_DIR = "FIBROSTAGE_WEIGHTS"


class ResNetTrunk(nn.Module):
    """A MONAI ResNet up to its last feature maps; keys stay those of the torchvision layout."""

    def __init__(self, name: str) -> None:
        super().__init__()
        from monai.networks.nets import resnet

        whole = getattr(resnet, name)(
            spatial_dims=2,
            n_input_channels=3,
            num_classes=1,
            conv1_t_size=7,
            conv1_t_stride=2,
            bias_downsample=False,
        )
        self.conv1, self.bn1, self.act, self.maxpool = whole.conv1, whole.bn1, whole.act, whole.maxpool
        self.layer1, self.layer2 = whole.layer1, whole.layer2
        self.layer3, self.layer4 = whole.layer3, whole.layer4

    def forward(self, x: Tensor) -> Tensor:
        """Images [B, 3, 224, 224] → maps [B, C, 7, 7]; C is 512 for ResNet-18 and 2048 for ResNet-50."""
        return self.back(self.front(x))

    def front(self, x: Tensor) -> Tensor:
        """Images [B, 3, 224, 224] → maps at the freeze boundary [B, C / 2, 14, 14], which the last stage reads."""
        x = self.maxpool(self.act(self.bn1(self.conv1(x))))
        result: torch.Tensor = self.layer3(self.layer2(self.layer1(x)))
        return result

    def back(self, x: Tensor) -> Tensor:
        """Maps at the freeze boundary [B, C / 2, 14, 14] → maps [B, C, 7, 7] of the last stage."""
        result: torch.Tensor = self.layer4(x)
        return result


def drop_classifier(key: str) -> str | None:
    """Keeps a key of torchvision's weights as it is, or gives None for a key of the classifier, which is dropped."""
    return None if key.startswith("fc.") else key


def imagenet_file(name: str) -> Callable[[], Path]:
    """A function that finds `<name>*.safetensors` or `<name>*.pth` in the folder $FIBROSTAGE_WEIGHTS.

    No wheel ships these weights. The function raises `WeightsError` where the variable is not set or its folder
    holds no such file.
    """

    def find() -> Path:
        folder = os.environ.get(WEIGHTS_DIR)
        candidates = (
            sorted([*Path(folder).glob(f"{name}*.safetensors"), *Path(folder).glob(f"{name}*.pth")]) if folder else []
        )
        if not candidates:
            raise WeightsError(
                f"weights = 'imagenet' for {name}: put torchvision's {name} file in a folder and name the "
                f"folder in ${WEIGHTS_DIR}, or give network.weights a file or a hub id such as timm/{name}.tv_in1k"
            )
        return candidates[0]

    return find
