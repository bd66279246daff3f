"""The DLRE network (§2.1, §2.3): four hidden layers of 3×3 valid convolution, ReLU and 2×2 max-pooling, and a fully
connected layer of 32 nodes that sees the outputs of the last three pooling layers.

Notable: there is no global pooling, so that where a stiff spot lies counts, and the input must be 250×250 and nothing
else. The freeze boundary is after the third hidden layer, which is where the paper's transfer freezes. The paper gives
the maps of the first (16) and the last hidden layer (32); 16 and 32 in between are ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import torch
import torch.nn.functional as F
from torch import nn

from fibrostage.ground.errors import WeightsError
from fibrostage.networks.backbones.spec import Backbone

if TYPE_CHECKING:
    from torch import Tensor

SIDE = 250
MAPS = (16, 16, 32, 32)
POOLED = (124, 61, 29, 13)  # sides after each hidden layer: (250 − 2) // 2, …
SEEN = tuple(maps * side * side for maps, side in zip(MAPS, POOLED, strict=True))[1:]  # by the fully connected layer
NODES = 32


class DLRE(nn.Module):
    """Images [B, 3, 250, 250] → activations of the fully connected layer [B, 32, 1, 1]."""

    def __init__(self) -> None:
        super().__init__()
        inputs = (3, *MAPS)
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            nn.Conv2d(before, after, 3) for before, after in zip(inputs[:-1], MAPS, strict=True)
        )
        self.full = nn.Linear(sum(SEEN), NODES)
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4, self.full):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.constant_(layer.bias, 0.0)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Images [B, 3, 250, 250] → activations of the fully connected layer [B, 32, 1, 1]."""
        return self.back(self.front(x))

    def front(self, x: Tensor) -> Tensor:
        """Images [B, 3, 250, 250] → what the freeze boundary holds [B, 86448, 1, 1].

        That is the outputs of the second and the third pooling layer, flattened, one after the other.
        """
        second = hidden(self.layer2, hidden(self.layer1, x))
        third = hidden(self.layer3, second)
        return torch.cat([second.flatten(1), third.flatten(1)], dim=1)[:, :, None, None]

    def back(self, maps: Tensor) -> Tensor:
        """What the freeze boundary holds [B, 86448, 1, 1] → activations of the fully connected layer [B, 32, 1, 1]."""
        flat = maps.flatten(1)
        third = flat[:, SEEN[0] :].unflatten(1, (MAPS[2], POOLED[2], POOLED[2]))
        fourth = hidden(self.layer4, third)
        nodes = F.relu(self.full(torch.cat([flat, fourth.flatten(1)], dim=1)))
        return nodes[:, :, None, None]


def hidden(layer: nn.Module, x: Tensor) -> Tensor:
    """One hidden layer: maps [B, C, H, W] → [B, C′, (H − 2) // 2, (W − 2) // 2].

    Pooling drops an odd last row and column.
    """
    return F.max_pool2d(F.relu(layer(x)), 2)


def imagenet() -> NoReturn:
    """Always raises `WeightsError`: the DLRE network was never trained on ImageNet, so there is nothing to find."""
    raise WeightsError(
        "dlre was never trained on ImageNet; give network.weights a run folder of 'fibrostage train' or a weights file"
    )


BACKBONE = Backbone(
    name="dlre",
    features=NODES,
    size=SIDE,
    exact=True,
    mean=(127.5, 127.5, 127.5),
    std=(127.5, 127.5, 127.5),
    last=("layer4", "full"),
    build=DLRE,
    rename=lambda key: key,
    imagenet=imagenet,
    source="Wang et al., deep learning Radiomics of elastography, §2.1–2.3 (short version of Gut 2019;68:729)",
    licence="Apache-2.0",
)
