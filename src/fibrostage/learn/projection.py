"""Frozen features in the coordinates a small head learns well in: standardised, on principal components.

A head on raw 1280-d features overfits and spends its time on arithmetic. Standardising and projecting on the
training images' components is linear, so it folds into the point-wise reduction afterwards: the saved network
is the paper's, no more. Components are not whitened: leaving the small ones small is a useful prior (measured;
docs/lab-notes.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fibrostage.networks.fusion import AnyStream
from fibrostage.networks.stream import Bounds, PlainStream, Stream, distance

NEAR, REACH = 0.99, 1.25  # of the training images' distances the quantile, and how much further an image is far
MARGIN = 3.0  # of a feature's range in training, that it may lie beyond it
SQUARED_NORM = 400.0  # of a projected image on average, whatever the backbone: what frozen_l2 is tuned to


@dataclass(frozen=True)
class Projection:
    """z ↦ (z − mean) · matrixᵀ, with mean [C] and matrix [P, C].

    A network that leaves its run is asked about any picture: it brings features between `low` and `high` [C], and those
    further than `reach` from the mean, in units of `scale` [C], are far from those of training.
    """

    mean: NDArray[np.float32]
    matrix: NDArray[np.float32]
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    scale: NDArray[np.float32]
    reach: float

    def __call__(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray((features - self.mean) @ self.matrix.T, dtype=np.float32)

    @property
    def bounds(self) -> Bounds:
        low, high, centre, scale = map(torch.from_numpy, (self.low, self.high, self.mean, self.scale))
        return Bounds(low, high, centre, scale, torch.tensor([self.reach]))


def fit_projection(features: NDArray[np.float32], components: int) -> Projection:
    """The projection of training images [n, C] on at most `components` principal components."""
    mean = features.mean(axis=0, dtype=np.float64)
    spread = features.std(axis=0, dtype=np.float64)
    # a feature that never varies in training says nothing: it gets weight 0, not 1/0
    inverse = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 1e-8)
    least, most = features.min(axis=0), features.max(axis=0)
    margin = MARGIN * (most - least)
    standard = (features - mean) * inverse
    _, singular, axes = np.linalg.svd(standard, full_matrices=False)
    rank = int((singular > singular[0] * 1e-6).sum()) if len(singular) and singular[0] > 0 else 0
    kept = max(1, min(components, rank))
    scale = np.sqrt(SQUARED_NORM / max(1, int((inverse > 0).sum())))
    matrix = (axes[:kept] * inverse * scale).astype(np.float32)
    found = torch.from_numpy(features), torch.from_numpy(mean).float(), torch.from_numpy(inverse).float()
    reach = REACH * float(np.quantile(distance(*found).numpy(), NEAR))
    ends = least - margin, most + margin
    return Projection(mean.astype(np.float32), matrix, *ends, inverse.astype(np.float32), reach)


def fold(stream: AnyStream, projection: Projection) -> AnyStream:
    """The stream on raw features that equals `stream` on projected ones, as long as they lie within the bounds."""
    matrix = torch.from_numpy(projection.matrix)
    if isinstance(stream, PlainStream):
        plain = PlainStream(matrix.shape[1], len(stream.offset))
        plain.offset = stream.offset
        plain.bounds = projection.bounds
        with torch.no_grad():
            plain.centre.copy_(torch.from_numpy(projection.mean))
            plain.classify.weight.copy_(stream.classify.weight.cpu() @ matrix)
        return plain
    reduce = stream.reduce
    assert isinstance(reduce, nn.Linear), "a plan without the reduction trains its backbone"
    folded = Stream(matrix.shape[1], len(stream.offset), reduce.out_features, 1, gated=stream.gated)
    own = folded.reduce
    assert isinstance(own, nn.Linear)
    folded.squeeze, folded.excite = stream.squeeze, stream.excite
    folded.classify, folded.offset = stream.classify, stream.offset
    folded.bounds = projection.bounds
    with torch.no_grad():
        weight = reduce.weight.cpu() @ matrix
        own.weight.copy_(weight)
        own.bias.copy_(reduce.bias.cpu() - weight @ torch.from_numpy(projection.mean))
    return folded
