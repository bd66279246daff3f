"""TypiClust: the most typical item of each cluster that has none yet, largest clusters first (Hacohen et al. 2022).

Made for few labels: it needs no fitted network, and asks for what stands for many others, not for outliers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from fibrostage.active.embedded_pool import Items
from fibrostage.active.strategies.spec import BatchStrategy

NEIGHBOURS = 20
CLUSTERS = 500  # at most; more labels than that are several a cluster
SMALLEST = 5  # a cluster of fewer items stands for nothing


def select(items: Items, count: int, rng: np.random.Generator) -> list[int]:
    """Returns the positions of up to `count` items: the most typical available one of the cluster with the fewest
    labels, of these the largest, again and again."""
    from sklearn.cluster import KMeans, MiniBatchKMeans

    points = items.dense()
    labelled = items.dense_labelled()
    everything = np.concatenate([points, labelled])
    clusters = min(len(labelled) + count, CLUSTERS, len(points))
    kind = KMeans if clusters <= 50 else MiniBatchKMeans
    with threadpool_limits(1):  # sums of several threads depend on who is first
        found = kind(clusters, n_init=1, random_state=int(rng.integers(2**31))).fit(everything).labels_
    own = found[: len(points)]
    covered = np.bincount(found[len(points) :], minlength=clusters)
    sizes = np.bincount(own, minlength=clusters)
    typical = typicality(points, own, clusters)
    chosen: list[int] = []
    while len(chosen) < count:
        # clusters with fewest labels first, of these the largest; those too small to matter last
        order = np.lexsort((-sizes, covered, sizes < SMALLEST))
        position = next((p for c in order if (p := items.best(np.where(own == c, typical, -np.inf))) is not None), None)
        if position is None:
            break
        chosen.append(items.take(position))
        covered[own[position]] += 1
        sizes[own[position]] -= 1
    return chosen


def typicality(points: NDArray[np.float32], own: NDArray[np.int64], clusters: int) -> NDArray[np.float64]:
    """Returns for each item one over its mean distance to its NEIGHBOURS nearest within its cluster [n]; 0 for an item
    alone in it. `points` is [n, D], `own` [n] the cluster of each item."""
    from sklearn.neighbors import NearestNeighbors

    result = np.zeros(len(points))
    for cluster in range(clusters):
        members = np.flatnonzero(own == cluster)
        if len(members) < 2:
            continue
        near = min(NEIGHBOURS, len(members) - 1)
        distances, _ = NearestNeighbors(n_neighbors=near + 1).fit(points[members]).kneighbors(points[members])
        mean = distances[:, 1:].mean(axis=1)
        result[members] = 1 / np.maximum(mean, 1e-12)
    return result


STRATEGY = BatchStrategy("typiclust", "TypiClust", select, needs_model=False)
