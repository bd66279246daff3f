"""Inception-v3 (Szegedy et al. 2016), a baseline of the MMFN paper, in torchvision's layout.

Published torchvision weights load strictly; the auxiliary classifier and the ImageNet classifier are dropped. Those
weights come from TensorFlow and want pixels in −1…1, whatever torchvision's own preprocessing says, and 299×299.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn

from fibrostage.networks.backbones.spec import Backbone
from fibrostage.networks.published import Published

if TYPE_CHECKING:
    from torch import Tensor

Pair = int | tuple[int, int]


class BasicConv2d(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: Pair, stride: int = 1, padding: Pair = 0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        """Maps [B, inputs, H, W] → [B, outputs, H′, W′], whose sides follow from kernel, stride and padding."""
        return F.relu(self.bn(self.conv(x)), inplace=True)


def row(inputs: int, outputs: int, length: int) -> BasicConv2d:
    return BasicConv2d(inputs, outputs, (1, length), padding=(0, length // 2))


def column(inputs: int, outputs: int, length: int) -> BasicConv2d:
    return BasicConv2d(inputs, outputs, (length, 1), padding=(length // 2, 0))


def average(x: Tensor) -> Tensor:
    """The mean of each 3×3 neighbourhood of maps [B, C, H, W], which keep their shape; zeros lie beyond the edge."""
    return F.avg_pool2d(x, 3, 1, 1)


class InceptionA(nn.Module):
    """35×35: 1×1, 5×5, double 3×3 and pooling; 224 + `pooled` maps."""

    def __init__(self, inputs: int, pooled: int) -> None:
        super().__init__()
        self.branch1x1 = BasicConv2d(inputs, 64, 1)
        self.branch5x5_1 = BasicConv2d(inputs, 48, 1)
        self.branch5x5_2 = BasicConv2d(48, 64, 5, padding=2)
        self.branch3x3dbl_1 = BasicConv2d(inputs, 64, 1)
        self.branch3x3dbl_2 = BasicConv2d(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = BasicConv2d(96, 96, 3, padding=1)
        self.branch_pool = BasicConv2d(inputs, pooled, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Maps [B, inputs, 35, 35] → [B, 224 + pooled, 35, 35]."""
        five = self.branch5x5_2(self.branch5x5_1(x))
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch1x1(x), five, double, self.branch_pool(average(x))], 1)


class InceptionB(nn.Module):
    """35×35 → 17×17."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.branch3x3 = BasicConv2d(inputs, 384, 3, stride=2)
        self.branch3x3dbl_1 = BasicConv2d(inputs, 64, 1)
        self.branch3x3dbl_2 = BasicConv2d(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = BasicConv2d(96, 96, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Maps [B, inputs, 35, 35] → [B, 480 + inputs, 17, 17]."""
        double = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), double, F.max_pool2d(x, 3, 2)], 1)


class InceptionC(nn.Module):
    """17×17: 7×7 in rows and columns; 768 maps."""

    def __init__(self, inputs: int, inner: int) -> None:
        super().__init__()
        self.branch1x1 = BasicConv2d(inputs, 192, 1)
        self.branch7x7_1 = BasicConv2d(inputs, inner, 1)
        self.branch7x7_2 = row(inner, inner, 7)
        self.branch7x7_3 = column(inner, 192, 7)
        self.branch7x7dbl_1 = BasicConv2d(inputs, inner, 1)
        self.branch7x7dbl_2 = column(inner, inner, 7)
        self.branch7x7dbl_3 = row(inner, inner, 7)
        self.branch7x7dbl_4 = column(inner, inner, 7)
        self.branch7x7dbl_5 = row(inner, 192, 7)
        self.branch_pool = BasicConv2d(inputs, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Maps [B, inputs, 17, 17] → [B, 768, 17, 17]."""
        seven = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        double = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        double = self.branch7x7dbl_5(self.branch7x7dbl_4(double))
        return torch.cat([self.branch1x1(x), seven, double, self.branch_pool(average(x))], 1)


class InceptionD(nn.Module):
    """17×17 → 8×8."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.branch3x3_1 = BasicConv2d(inputs, 192, 1)
        self.branch3x3_2 = BasicConv2d(192, 320, 3, stride=2)
        self.branch7x7x3_1 = BasicConv2d(inputs, 192, 1)
        self.branch7x7x3_2 = row(192, 192, 7)
        self.branch7x7x3_3 = column(192, 192, 7)
        self.branch7x7x3_4 = BasicConv2d(192, 192, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Maps [B, inputs, 17, 17] → [B, 512 + inputs, 8, 8]."""
        three = self.branch3x3_2(self.branch3x3_1(x))
        seven = self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x))))
        return torch.cat([three, seven, F.max_pool2d(x, 3, 2)], 1)


class InceptionE(nn.Module):
    """8×8: 3×3 in rows and columns side by side; 2048 maps."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.branch1x1 = BasicConv2d(inputs, 320, 1)
        self.branch3x3_1 = BasicConv2d(inputs, 384, 1)
        self.branch3x3_2a = row(384, 384, 3)
        self.branch3x3_2b = column(384, 384, 3)
        self.branch3x3dbl_1 = BasicConv2d(inputs, 448, 1)
        self.branch3x3dbl_2 = BasicConv2d(448, 384, 3, padding=1)
        self.branch3x3dbl_3a = row(384, 384, 3)
        self.branch3x3dbl_3b = column(384, 384, 3)
        self.branch_pool = BasicConv2d(inputs, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Maps [B, inputs, 8, 8] → [B, 2048, 8, 8]."""
        three = self.branch3x3_1(x)
        double = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        parts = [
            self.branch1x1(x),
            self.branch3x3_2a(three),
            self.branch3x3_2b(three),
            self.branch3x3dbl_3a(double),
            self.branch3x3dbl_3b(double),
            self.branch_pool(average(x)),
        ]
        return torch.cat(parts, 1)


class InceptionV3(nn.Module):
    """Images [B, 3, 299, 299] → maps [B, 2048, 8, 8]."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = BasicConv2d(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = BasicConv2d(32, 32, 3)
        self.Conv2d_2b_3x3 = BasicConv2d(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = BasicConv2d(64, 80, 1)
        self.Conv2d_4a_3x3 = BasicConv2d(80, 192, 3)
        self.Mixed_5b = InceptionA(192, 32)
        self.Mixed_5c = InceptionA(256, 64)
        self.Mixed_5d = InceptionA(288, 64)
        self.Mixed_6a = InceptionB(288)
        self.Mixed_6b = InceptionC(768, 128)
        self.Mixed_6c = InceptionC(768, 160)
        self.Mixed_6d = InceptionC(768, 160)
        self.Mixed_6e = InceptionC(768, 192)
        self.Mixed_7a = InceptionD(768)
        self.Mixed_7b = InceptionE(1280)
        self.Mixed_7c = InceptionE(2048)

    def forward(self, x: Tensor) -> Tensor:
        """Images [B, 3, 299, 299] → maps [B, 2048, 8, 8]."""
        return self.back(self.front(x))

    def front(self, x: Tensor) -> Tensor:
        """Images [B, 3, 299, 299] → maps at the freeze boundary [B, 768, 17, 17]."""
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(F.max_pool2d(x, 3, 2)))
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(F.max_pool2d(x, 3, 2))))
        result: torch.Tensor = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))))
        return result

    def back(self, x: Tensor) -> Tensor:
        """Maps at the freeze boundary [B, 768, 17, 17] → maps [B, 2048, 8, 8]."""
        result: torch.Tensor = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        return result


def rename(key: str) -> str | None:
    """Keeps a key of torchvision's weights as it is, or gives None for a key of either classifier, which is dropped."""
    return None if key.startswith(("fc.", "AuxLogits.")) else key


IMAGENET = Published("inception_v3", "inception_v3_google-0cc3c7bd.pth", "0cc3c7bd")

BACKBONE = Backbone(
    name="inception_v3",
    features=2048,
    size=299,
    mean=(127.5, 127.5, 127.5),
    std=(127.5, 127.5, 127.5),
    last=("Mixed_7a", "Mixed_7b", "Mixed_7c"),
    build=InceptionV3,
    rename=rename,
    imagenet=IMAGENET.find,
    source="Szegedy et al., Rethinking the Inception architecture, CVPR 2016; torchvision's layout",
    licence="Apache-2.0 (code); the ImageNet weights' licence is their publisher's",
)
