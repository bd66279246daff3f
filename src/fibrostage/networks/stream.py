"""One modality's path after its backbone: pooled features → point-wise reduction → squeeze-excitation → logits.

The paper (§3.2.1) writes the point-wise convolution and the squeeze-excitation on feature maps and pools last.
With nothing non-linear between, pooling commutes with the convolution, and the gate scales each map by one
number, so pooling first is exact and needs one vector per image instead of maps. A test asserts the equality.

Notation of the paper: u = W z + b, s = σ(W₁ ReLU(W₀ u)), v = s ⊗ u, and this stream's share of the logits A v.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fibrostage.networks.bags import GatedAttention, equal_weights, pictures_there, weighted

MOST = 50.0  # spreads of a feature, that no image counts as further away


class Bounds(nn.Module):
    """What features [C] a head was fitted on: between `low` and `high` it is asked about them, further out about the
    nearest bound, as a feature that hardly varied in training would drown all others.

    An image is measured from the training images' `centre`, in their spread's `scale`, and less far along the `axes`
    [k, C] that training images vary along anyway. How far it is, is told by `distances` [n], ascending: those of
    training images from the others', patient by patient. Networks from before these were kept have one `reach` instead,
    beyond which an image is far, or no `axes`.
    """

    def __init__(
        self,
        low: Tensor,
        high: Tensor,
        centre: Tensor,
        scale: Tensor,
        reach: Tensor,
        distances: Tensor | None = None,
        axes: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.low: Tensor
        self.high: Tensor
        self.centre: Tensor
        self.scale: Tensor
        self.reach: Tensor
        self.distances: Tensor | None
        self.axes: Tensor | None
        for name, value in zip(self.NAMES, (low, high, centre, scale, reach, distances, axes), strict=True):
            self.register_buffer(name, value)

    NAMES = ("low", "high", "centre", "scale", "reach", "distances", "axes")

    def forward(self, z: Tensor) -> Tensor:
        """Features z [N, C], each brought within its bounds; one that is missing (NaN) is the centre."""
        return torch.minimum(torch.maximum(torch.where(z.isnan(), self.centre, z), self.low), self.high)

    def strange(self, z: Tensor) -> Tensor | None:
        """How large a share [N] of training images lies at least as far from the others as images of features z [N, C]
        do, at least one in n + 1 (a conformal p value); None where that was not kept."""
        if self.distances is None:
            return None
        own = distance(z, self.centre, self.scale, self.axes)
        beyond = len(self.distances) - torch.searchsorted(self.distances, own.contiguous(), side="left")
        return (beyond + 1) / (len(self.distances) + 1)

    def far(self, z: Tensor, false_alarms: float) -> Tensor:
        """Which images [N] of features z [N, C] lie far from those of training: further than all but a share of
        `false_alarms` of these; further than all, where they are too few to tell such a share."""
        strange = self.strange(z)
        if strange is None or self.distances is None:
            return distance(z, self.centre, self.scale) > self.reach
        return strange <= max(false_alarms, 1 / (len(self.distances) + 1))


def distance(z: Tensor, centre: Tensor, scale: Tensor, axes: Tensor | None = None) -> Tensor:
    """How far images [N] of features z [N, C] lie from a `centre` [C]: the root mean square of (z − centre) · `scale`,
    each term at most MOST; a scale of 0 leaves a feature out.

    With `axes` [k, C], what lies along them counts less: a ridged Mahalanobis distance, where row i of the axes is
    √(λᵢ / (λᵢ + 1)) times a direction of unit length along which the variance is λᵢ.
    """
    terms = ((z - centre) * scale).clamp(-MOST, MOST).nan_to_num()
    squares = terms.square().sum(dim=1)
    if axes is not None:
        squares = (squares - (terms @ axes.T).square().sum(dim=1)).clamp(min=0)
    return (squares / (scale > 0).sum().clamp(min=1)).sqrt()


class ModalityPath(nn.Module, ABC):
    """What a modality's paths have in common: pooled features z [N, C] → shares of the logits [N, K].

    `offset` [K] stands in for the whole path where a patient lacks the modality. Bags of pictures [N, B, C] give the
    patients' shares: `attends` averages what a bag's pictures become by gated attention, otherwise their features are
    averaged alike, before anything else.
    """

    bounds: Bounds | None

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.inputs, self.width = features, width
        self.bounds = None

    def end(self, classes: int, attends: bool) -> None:
        """Makes what follows v: last, as a network's first weights are drawn in the order in which it is made."""
        self.classify = nn.Linear(self.width, classes, bias=False)
        self.offset = nn.Parameter(torch.zeros(classes))
        self.attention = GatedAttention(self.width) if attends else None

    @abstractmethod
    def embed_each(self, z: Tensor) -> Tensor:
        """Features z [..., C] within their bounds → v [..., W], before dropout."""

    def within(self, z: Tensor) -> Tensor:
        """Features z [..., C], each brought within its bounds, where it has some."""
        return z if self.bounds is None else self.bounds(z)

    def embed(self, z: Tensor) -> Tensor:
        """Pooled features z [N, C], or those of bags [N, B, C] → v [N, W], before dropout."""
        if z.ndim == 2:
            return self.embed_each(self.within(z))
        mean = weighted(*self.opened(z))
        return self.embed_each(mean) if self.attention is None else mean

    def opened(self, bags: Tensor) -> tuple[Tensor, Tensor]:
        """What is averaged of each picture of bags [N, B, C], features [N, B, C] or with attention v [N, B, W]; and how
        much each weighs [N, B]. A bag's weights add up to 1."""
        each, there = self.within(bags).nan_to_num(), pictures_there(bags)
        if self.attention is None:
            return each, equal_weights(there)
        v = self.embed_each(each)
        return v, self.attention(v, there)

    def shares_of_each(self, bags: Tensor) -> tuple[Tensor, Tensor]:
        """What each picture of bags [N, B, C] says for itself, [N, B, K], and how much it weighs [N, B]: so weighted
        they add up to the patient's shares. Where features are averaged no picture says anything for itself, and each
        counts as its patient."""
        each, weights = self.opened(bags)
        if self.attention is not None:
            return self.shares(each), weights
        whole = self.shares(self.embed_each(weighted(each, weights)))
        return whole[:, None].expand(-1, bags.shape[1], -1), weights

    def shares(self, v: Tensor, keep: Tensor | None = None) -> Tensor:
        """The path's share of the logits, A v [..., K], from v [..., W].

        `keep` [..., W] is a dropout mask over v, already scaled by 1 / (1 − p).
        """
        share: Tensor = self.classify(v if keep is None else v * keep)
        return share

    def forward(self, z: Tensor, keep: Tensor | None = None) -> Tensor:
        """Pooled features z [N, C], or those of bags [N, B, C] → the path's share of the logits [N, K].

        `keep` [N, W] is a dropout mask over v, already scaled by 1 / (1 − p).
        """
        return self.shares(self.embed(z), keep)


class Stream(ModalityPath):
    """Pooled features z [N, C] → shares of the logits [N, K].

    What the reduction and the squeeze-excitation bring is measured without them: not `reduces`, u = z, and not `gated`,
    v = u.
    """

    def __init__(
        self,
        features: int,
        classes: int,
        reduce: int = 256,
        se_reduction: int = 16,
        reduces: bool = True,
        gated: bool = True,
        attends: bool = False,
    ) -> None:
        width = reduce if reduces else features
        hidden = max(1, width // se_reduction)
        super().__init__(features, width)
        self.reduces, self.gated = reduces, gated
        self.reduce = nn.Linear(features, width) if reduces else nn.Identity()
        self.squeeze = nn.Linear(width, hidden) if gated else nn.Identity()
        self.excite = nn.Linear(hidden, width) if gated else nn.Identity()
        self.end(classes, attends)

    def embed_each(self, z: Tensor) -> Tensor:
        """Features z [..., C] → v [..., W], before dropout."""
        u: Tensor = self.reduce(z)
        if not self.gated:
            return u
        gate = torch.sigmoid(self.excite(F.relu(self.squeeze(u))))
        return gate * u


class PlainStream(ModalityPath):
    """Pooled features z [N, C] → shares of the logits [N, K] by one linear layer, for networks that end in one.

    v = z − `centre`, which is zero unless the layer was fitted on centred features.
    """

    def __init__(self, features: int, classes: int, attends: bool = False) -> None:
        super().__init__(features, features)
        self.centre: Tensor
        self.register_buffer("centre", torch.zeros(features))
        self.end(classes, attends)

    def embed_each(self, z: Tensor) -> Tensor:
        """Features z [..., C] → v = z − `centre` [..., C]."""
        return z - self.centre


def dropout_mask(shape: tuple[int, ...], p: float, rng: np.random.Generator) -> Tensor:
    """A float32 mask [*shape] of zeros and 1 / (1 − p), so that the expectation of a masked value is the value.

    It is drawn from 16-bit integers, several times faster than `Tensor.bernoulli_`, which would otherwise dominate
    the fit of a small head; p is met to 2⁻¹⁶ and the scale is that of the p really drawn.
    """
    dropped = round(p * 65536)
    kept = rng.integers(0, 65536, size=shape, dtype=np.uint16) >= dropped
    return torch.from_numpy(kept).float().mul_(65536 / (65536 - dropped))
