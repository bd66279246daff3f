"""What the ResNets share: MONAI's implementation, configured so that torchvision-layout weights load strictly."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import torch
from torch import nn

from fibrostage.networks.backbones.spec import NamesElsewhere

if TYPE_CHECKING:
    from torch import Tensor

MEAN = (123.675, 116.28, 103.53)  # ImageNet's, in 0–255
STD = (58.395, 57.12, 57.375)


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
    return None if key.startswith(("fc.", "head.", "classifier.")) else key


def from_hugging_face(key: str) -> str:
    """A key of Hugging Face's ResNets → torchvision's: `resnet.encoder.stages.0.layers.1.layer.2.convolution.weight` →
    `layer1.1.conv3.weight`. Others stay as they are."""
    key = key.removeprefix("resnet.")
    if found := re.fullmatch(r"embedder\.embedder\.(convolution|normalization)\.(\w+)", key):
        return f"{'conv1' if found[1] == 'convolution' else 'bn1'}.{found[2]}"
    if found := re.fullmatch(r"encoder\.stages\.(\d+)\.layers\.(\d+)\.(.+)\.(convolution|normalization)\.(\w+)", key):
        stage, block, part, kind, what = found.groups()
        at, is_conv = f"layer{int(stage) + 1}.{block}", kind == "convolution"
        if part == "shortcut":
            return f"{at}.downsample.{0 if is_conv else 1}.{what}"
        return f"{at}.{'conv' if is_conv else 'bn'}{int(part.removeprefix('layer.')) + 1}.{what}"
    return key


HUGGING_FACE = NamesElsewhere("Hugging Face", "embedder.embedder.convolution", from_hugging_face)
