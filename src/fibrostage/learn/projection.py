"""Frozen features in the coordinates a small head learns well in: standardised, on principal components.

A head on raw 1280-d features overfits and spends its time on arithmetic. Standardising and projecting on the
training images' components is linear, so it folds into the point-wise reduction afterwards: the saved network
is the paper's, no more. Components are not whitened: leaving the small ones small is a useful prior (measured;
docs/lab-notes.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fibrostage.ground.draws import Draws
from fibrostage.networks.stream import Bounds, ModalityPath, PlainStream, Stream, distance

PARTS = 10  # of the training patients, each measured from the others
KEPT_DISTANCES = 512  # at most, evenly among those in order
AXES = 32  # directions along which training pictures vary, that count less in how far another lies
MARGIN = 3.0  # of a feature's range in training, that it may lie beyond it
SQUARED_NORM = 400.0  # of a projected image on average, whatever the backbone: what frozen_l2 is tuned to


@dataclass(frozen=True)
class Projection:
    """z ↦ (z − mean) · matrixᵀ, with mean [C] and matrix [P, C].

    A network that leaves its run is asked about any picture: it brings features between `low` and `high` [C], and knows
    by `distances`, in units of `scale` [C] from the mean and less along `axes` [k, C], how far training pictures lie
    from those of other patients.
    """

    mean: NDArray[np.float32]
    matrix: NDArray[np.float32]
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    scale: NDArray[np.float32]
    distances: NDArray[np.float32]
    axes: NDArray[np.float32]

    def __call__(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        centred = np.nan_to_num(features - self.mean)  # what is missing of a table counts as the mean
        return np.asarray(centred @ self.matrix.T, dtype=np.float32)

    @property
    def bounds(self) -> Bounds:
        told = (self.low, self.high, self.mean, self.scale, self.distances, self.axes)
        return bounds_of(*map(torch.from_numpy, told))


def bounds_of(low: Tensor, high: Tensor, centre: Tensor, scale: Tensor, distances: Tensor, axes: Tensor) -> Bounds:
    """Bounds of features [C] that know the `distances` [n] of training images, measured less along `axes` [k, C]."""
    return Bounds(low, high, centre, scale, distances[-1:].clone(), distances, axes)


def fit_projection(
    features: NDArray[np.float32], components: int, owners: NDArray[np.int64] | None = None
) -> Projection:
    """The projection of training images [n, C] on at most `components` principal components; `owners` [n] say whose
    they are, each somebody else's where they do not."""
    mean = mean_of(features)
    inverse = inverse_spread(features)
    known = np.where(np.isnan(features), mean, features).astype(features.dtype) if lacks_some(features) else features
    least, most = known.min(axis=0), known.max(axis=0)
    margin = MARGIN * (most - least)
    standard = (known - mean) * inverse
    _, singular, axes = np.linalg.svd(standard, full_matrices=False)
    rank = int((singular > singular[0] * 1e-6).sum()) if len(singular) and singular[0] > 0 else 0
    kept = max(1, min(components, rank))
    scale = np.sqrt(SQUARED_NORM / max(1, int((inverse > 0).sum())))
    matrix = (axes[:kept] * inverse * scale).astype(np.float32)
    ends = least - margin, most + margin
    distances = distances_of(features, np.arange(len(features)) if owners is None else owners)
    return Projection(mean.astype(np.float32), matrix, *ends, inverse.astype(np.float32), distances, axes_of(standard))


def lacks_some(features: NDArray[np.float32]) -> bool:
    """Whether a value of features [n, C] is missing, as only those of a table can be."""
    return bool(np.isnan(features).any())


def mean_of(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """The mean [C] of features [n, C] of what is there; 0 where nothing is."""
    if not lacks_some(features):
        return np.asarray(features.mean(axis=0, dtype=np.float64))
    present = ~np.isnan(features)
    return np.asarray(
        np.where(present, features, 0.0).sum(axis=0, dtype=np.float64) / np.maximum(present.sum(axis=0), 1)
    )


def inverse_spread(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """1 / standard deviation [C] of features [n, C]. One that never varies in training says nothing: it has weight 0,
    not 1/0."""
    if not lacks_some(features):
        spread = features.std(axis=0, dtype=np.float64)
        return np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 1e-8)
    present = ~np.isnan(features)
    centred = np.where(present, features - mean_of(features), 0.0)
    spread = np.sqrt((centred**2).sum(axis=0) / np.maximum(present.sum(axis=0), 1))
    return np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 1e-8)


def axes_of(standard: NDArray[np.floating]) -> NDArray[np.float32]:
    """The `axes` [≤ AXES, C] of `distance`, of standardised features [n, C], NaN where one is missing."""
    known = np.nan_to_num(np.asarray(standard, dtype=np.float64))
    images, features = known.shape
    wide = features > images
    square = (known @ known.T if wide else known.T @ known) / images
    kept = min(AXES, len(square))
    variances, vectors = scipy.linalg.eigh(square, subset_by_index=(len(square) - kept, len(square) - 1))
    kept_ones = variances > 1e-6 * max(float(variances[-1]), 1e-12)
    variances, vectors = variances[kept_ones], vectors[:, kept_ones]
    directions = vectors.T @ known / np.sqrt(variances * images)[:, None] if wide else vectors.T
    return (directions * np.sqrt(variances / (variances + 1))[:, None]).astype(np.float32)


def distances_of(features: NDArray[np.float32], owners: NDArray[np.int64]) -> NDArray[np.float32]:
    """How far training images lie from those of other patients, ascending, at most KEPT_DISTANCES: features [n, C] of
    each tenth of the `owners` [n] are measured from the mean of the rest, in their spread and less along their axes."""
    people, whose = np.unique(owners, return_inverse=True)
    parts = (Draws.MEASURED_APART.of(0).permutation(len(people)) % PARTS)[whose]
    found = np.empty(len(features), dtype=np.float32)
    for part in np.unique(parts):
        own = parts == part
        rest = features if own.all() else features[~own]
        centre, scale = mean_of(rest), inverse_spread(rest)
        told = (features[own], centre, scale, axes_of((rest - centre) * scale))
        found[own] = distance(*(torch.from_numpy(np.asarray(each, dtype=np.float32)) for each in told)).numpy()
    found.sort()
    kept = np.linspace(0, len(found) - 1, min(len(found), KEPT_DISTANCES)).round().astype(np.int64)
    return found[kept]


def fold(stream: ModalityPath, projection: Projection) -> ModalityPath:
    """The stream on raw features that equals `stream` on projected ones, as long as they lie within the bounds."""
    matrix = torch.from_numpy(projection.matrix)
    if isinstance(stream, PlainStream):
        plain = PlainStream(matrix.shape[1], len(stream.offset))
        plain.offset = stream.offset
        plain.bounds = projection.bounds
        with torch.no_grad():
            plain.centre.copy_(torch.from_numpy(projection.mean))
            plain.classify.weight.copy_(stream.classify.weight.cpu() @ matrix)
        if stream.attention is not None:
            plain.attention = stream.attention.before(matrix)
        return plain
    assert isinstance(stream, Stream)
    reduce = stream.reduce
    assert isinstance(reduce, nn.Linear), "a plan without the reduction trains its backbone"
    folded = Stream(matrix.shape[1], len(stream.offset), reduce.out_features, 1, gated=stream.gated)
    own = folded.reduce
    assert isinstance(own, nn.Linear)
    folded.squeeze, folded.excite = stream.squeeze, stream.excite
    folded.classify, folded.offset, folded.attention = stream.classify, stream.offset, stream.attention
    folded.bounds = projection.bounds
    with torch.no_grad():
        weight = reduce.weight.cpu() @ matrix
        own.weight.copy_(weight)
        own.bias.copy_(reduce.bias.cpu() - weight @ torch.from_numpy(projection.mean))
    return folded
