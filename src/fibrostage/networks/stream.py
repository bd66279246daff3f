"""One modality's path after its backbone: pooled features → point-wise reduction → squeeze-excitation → logits.

The paper (§3.2.1) writes the point-wise convolution and the squeeze-excitation on feature maps and pools last.
With nothing non-linear between, pooling commutes with the convolution, and the gate scales each map by one
number, so pooling first is exact and needs one vector per image instead of maps. A test asserts the equality.

Notation of the paper: u = W z + b, s = σ(W₁ ReLU(W₀ u)), v = s ⊗ u, and this stream's share of the logits A v.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

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


class Stream(nn.Module):
    """Pooled features z [N, C] → shares of the logits [N, K].

    `offset` [K] stands in for the whole stream where a patient lacks the modality. What the reduction and the
    squeeze-excitation bring is measured without them: not `reduces`, u = z, and not `gated`, v = u.
    """

    def __init__(
        self,
        features: int,
        classes: int,
        reduce: int = 256,
        se_reduction: int = 16,
        reduces: bool = True,
        gated: bool = True,
    ) -> None:
        super().__init__()
        self.reduces, self.gated = reduces, gated
        self.inputs, self.width = features, reduce if reduces else features
        reduce = self.width
        hidden = max(1, reduce // se_reduction)
        self.reduce = nn.Linear(features, reduce) if reduces else nn.Identity()
        self.squeeze = nn.Linear(reduce, hidden) if gated else nn.Identity()
        self.excite = nn.Linear(hidden, reduce) if gated else nn.Identity()
        self.classify = nn.Linear(reduce, classes, bias=False)
        self.offset = nn.Parameter(torch.zeros(classes))
        self.bounds: Bounds | None = None

    def embed(self, z: Tensor) -> Tensor:
        """Pooled features z [N, C] → v [N, reduce], before dropout."""
        u = self.reduce(z if self.bounds is None else self.bounds(z))
        if not self.gated:
            return u
        gate = torch.sigmoid(self.excite(F.relu(self.squeeze(u))))
        return gate * u

    def shares(self, v: Tensor, keep: Tensor | None = None) -> Tensor:
        """The stream's share of the logits, A v [N, K], from v [N, reduce].

        `keep` [N, reduce] is a dropout mask over v, already scaled by 1 / (1 − p).
        """
        return self.classify(v if keep is None else v * keep)

    def forward(self, z: Tensor, keep: Tensor | None = None) -> Tensor:
        """Pooled features z [N, C] → the stream's share of the logits [N, K].

        `keep` [N, reduce] is a dropout mask over v, already scaled by 1 / (1 − p).
        """
        return self.shares(self.embed(z), keep)


class PlainStream(nn.Module):
    """Pooled features z [N, C] → shares of the logits [N, K] by one linear layer, for networks that end in one.

    v = z − `centre`, which is zero unless the layer was fitted on centred features.
    """

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.inputs = self.width = features
        self.centre: Tensor
        self.register_buffer("centre", torch.zeros(features))
        self.classify = nn.Linear(features, classes, bias=False)
        self.offset = nn.Parameter(torch.zeros(classes))
        self.bounds: Bounds | None = None

    def embed(self, z: Tensor) -> Tensor:
        """Pooled features z [N, C] → v = z − `centre` [N, C]."""
        return (z if self.bounds is None else self.bounds(z)) - self.centre

    def shares(self, v: Tensor, keep: Tensor | None = None) -> Tensor:
        """The stream's share of the logits, A v [N, K], from v [N, C].

        `keep` [N, C] is a dropout mask over v, already scaled by 1 / (1 − p).
        """
        return self.classify(v if keep is None else v * keep)

    def forward(self, z: Tensor, keep: Tensor | None = None) -> Tensor:
        """Pooled features z [N, C] → the stream's share of the logits [N, K].

        `keep` [N, C] is a dropout mask over v, already scaled by 1 / (1 − p).
        """
        return self.shares(self.embed(z), keep)


def dropout_mask(shape: tuple[int, ...], p: float, rng: np.random.Generator) -> Tensor:
    """A float32 mask [*shape] of zeros and 1 / (1 − p), so that the expectation of a masked value is the value.

    It is drawn from 16-bit integers, several times faster than `Tensor.bernoulli_`, which would otherwise dominate
    the fit of a small head; p is met to 2⁻¹⁶ and the scale is that of the p really drawn.
    """
    dropped = round(p * 65536)
    kept = rng.integers(0, 65536, size=shape, dtype=np.uint16) >= dropped
    return torch.from_numpy(kept).float().mul_(65536 / (65536 - dropped))
