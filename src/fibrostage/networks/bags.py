"""A patient's pictures of a modality as one bag: how they become one vector, and how much each of them weighs.

A bag is a row of pictures [B, C]; where a patient has fewer than another, the rest of the row is not a number.
Averaging pairs, as the MMFN paper does, asks the network about one picture of each modality at a time; a
bag asks it about all.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

HIDDEN = 64  # of the attention's two layers


class GatedAttention(nn.Module):
    """How much each picture of a bag weighs: softmax over the bag of w·(tanh(V v) ⊗ σ(U v)) (Ilse, Tomczak and Welling
    2018, equation 9). It begins with equal weights."""

    def __init__(self, width: int, hidden: int = HIDDEN) -> None:
        super().__init__()
        self.value = nn.Linear(width, hidden)
        self.gate = nn.Linear(width, hidden)
        self.score = nn.Linear(hidden, 1, bias=False)
        nn.init.zeros_(self.score.weight)

    def forward(self, v: Tensor, there: Tensor) -> Tensor:
        """Weights [N, B] that add up to 1, of bags v [N, B, W] of which the pictures `there` [N, B] exist."""
        scores = self.score(torch.tanh(self.value(v)) * torch.sigmoid(self.gate(v)))[..., 0]
        return scores.masked_fill(~there, -torch.inf).softmax(dim=1)

    def before(self, matrix: Tensor) -> GatedAttention:
        """The attention that weighs z [N, B, C] as this one weighs its products with a matrix [W, C]."""
        folded = GatedAttention(matrix.shape[1], self.value.out_features)
        with torch.no_grad():
            for own, layer in ((folded.value, self.value), (folded.gate, self.gate)):
                own.weight.copy_(layer.weight.cpu() @ matrix)
                own.bias.copy_(layer.bias.cpu())
        folded.score = self.score
        return folded


def equal_weights(there: Tensor) -> Tensor:
    """Weights [N, B] of bags whose pictures `there` [N, B] count alike."""
    return there / there.sum(dim=1, keepdim=True)


def weighted(each: Tensor, weights: Tensor) -> Tensor:
    """The weighted sum [N, C] of what each picture of bags has [N, B, C], by weights [N, B]."""
    return (weights[..., None] * each).sum(dim=1)


def mean_of_each(z: Tensor) -> Tensor:
    """Features z [N, C] as they are; of bags [N, B, C] the mean of each one's pictures [N, C]."""
    return z.nanmean(dim=1) if z.ndim == 3 else z


def pictures_there(bags: Tensor) -> Tensor:
    """Which pictures [N, B] bags [N, B, C] have."""
    return ~bags.isnan().all(dim=2)


def bags_of(features: NDArray[np.float32], owners: NDArray[np.int64]) -> Tensor:
    """Bags [P, B, C] of pictures' features [n, C], a row each of the P patients among their `owners` [n], ascending; B
    is how many pictures the patient with most has."""
    _, which, counts = np.unique(owners, return_inverse=True, return_counts=True)
    bags = np.full((len(counts), int(counts.max(initial=0)), features.shape[1]), np.nan, dtype=np.float32)
    places = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
    bags[which, places] = features
    return torch.from_numpy(bags)
