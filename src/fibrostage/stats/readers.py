"""Agreement of several readers who did not all read everything: Krippendorff's alpha and Gwet's AC2, with intervals.

Both compare the agreement of pairs of readings of the same item with that expected by chance, weighted by how far apart
the stages are. Items that fewer than two readers read say nothing of agreement; of AC2 they still say how often each
stage is called. (Krippendorff 2011; Gwet 2014, with missing ratings; Klein 2018.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fibrostage.ground.draws import Draws
from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.bootstrap import interval
from fibrostage.stats.estimate import Estimate, undefined

Weights = Literal["quadratic", "linear", "none"]
UNREAD = -1
FEWEST = 3  # items that two readers read, below which nothing is said


def ratings_table(readings: ArrayLike, classes: int) -> NDArray[np.float64]:
    """How many readers called each item each stage, [n, K], from `readings` [n, R]: a stage's index, −1 where unread.

    Raises `StatisticsError` where a reading is neither.
    """
    table = np.asarray(readings, dtype=np.int64)
    if table.ndim != 2 or (table.size and (table.min() < UNREAD or table.max() >= classes)):
        raise StatisticsError(f"readings must be [items, readers] of stages 0 … {classes - 1}, or −1 where unread")
    return np.stack([(table == stage).sum(axis=1) for stage in range(classes)], axis=1).astype(np.float64)


def stage_weights(classes: int, weights: Weights) -> NDArray[np.float64]:
    """How far two stages agree, [K, K]: 1 for the same, less the farther they are apart; raises `StatisticsError`."""
    distance = np.abs(np.subtract.outer(np.arange(classes), np.arange(classes))) / max(classes - 1, 1)
    if weights == "none":
        return np.eye(classes)
    if weights not in ("linear", "quadratic"):
        raise StatisticsError(f"weights are quadratic, linear or none, got {weights!r}")
    return np.asarray(1 - (distance if weights == "linear" else distance**2))


def gwet_ac2(readings: ArrayLike, classes: int, weights: Weights = "quadratic") -> float:
    """Computes Gwet's AC2 (AC1 with weights "none") of `readings` [n, R], −1 where unread.

    Raises `StatisticsError` where no item was read by two readers, or a reading is no stage.
    """
    counts, agree = ratings_table(readings, classes), stage_weights(classes, weights)
    each = counts.sum(axis=1)
    observed = observed_agreement(counts, agree)
    read = each >= 1
    share = (counts[read] / each[read, None]).mean(axis=0)
    chance = agree.sum() * (share * (1 - share)).sum() / (classes * (classes - 1))
    return (observed - chance) / (1 - chance)


def krippendorff_alpha(readings: ArrayLike, classes: int, weights: Weights = "quadratic") -> float:
    """Computes Krippendorff's alpha of `readings` [n, R], −1 where unread; quadratic weights are his interval metric.

    Raises `StatisticsError` where no item was read by two readers, all readings are one stage, or one is none.
    """
    counts, agree = ratings_table(readings, classes), stage_weights(classes, weights)
    counts = counts[counts.sum(axis=1) >= 2]
    each = counts.sum(axis=1)
    observed_agreement(counts, agree)
    within = counts[:, :, None] * counts[:, None, :] - counts[:, :, None] * np.eye(classes)
    disagree, total = 1 - agree, counts.sum(axis=0)
    observed = ((within / (each - 1)[:, None, None]).sum(axis=0) * disagree).sum() / total.sum()
    n = total.sum()
    expected = (np.outer(total, total) * disagree).sum() / (n * (n - 1))
    if expected == 0:
        raise StatisticsError("all readings are of one stage: there is no disagreement to expect")
    return float(1 - observed / expected)


def observed_agreement(counts: NDArray[np.float64], agree: NDArray[np.float64]) -> float:
    """The weighted share of pairs of readings that agree, averaged over items, from counts [n, K] and weights [K, K].

    Raises `StatisticsError` where no item was read by two readers.
    """
    several = counts[counts.sum(axis=1) >= 2]
    if not len(several):
        raise StatisticsError("agreement needs an item that two readers read")
    each = several.sum(axis=1)
    pairs = (several * (several @ agree - 1)).sum(axis=1) / (each * (each - 1))
    return float(pairs.mean())


Figure = Callable[[ArrayLike, int, Weights], float]


def with_interval(
    figure: Figure,
    readings: ArrayLike,
    patients: ArrayLike,
    classes: int,
    weights: Weights = "quadratic",
    resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Estimate:
    """A figure of agreement with an interval from resampled patients, all of whose items are drawn together.

    `readings` is [n, R], `patients` [n] names whose each item is. Undefined, with the reason, where fewer than three
    items were read by two readers, or the figure does not exist; resamples in which it does not are left out.
    """
    table, owners = np.asarray(readings, dtype=np.int64), np.asarray(patients)
    several = int(((table != UNREAD).sum(axis=1) >= 2).sum()) if table.size else 0
    if several < FEWEST:
        return undefined(f"agreement needs {FEWEST} items that two readers read, there are {several}")
    try:
        value = figure(table, classes, weights)
    except StatisticsError as error:
        return undefined(str(error))
    rng, names = Draws.READERS.of(seed), np.unique(owners)
    rows = [np.flatnonzero(owners == name) for name in names]
    found = []
    for _ in range(resamples):
        drawn = np.concatenate([rows[k] for k in rng.integers(0, len(names), len(names))])
        try:
            found.append(figure(table[drawn], classes, weights))
        except StatisticsError:
            continue
    if len(found) < resamples / 2:
        return Estimate(value, None, None, "too few resamples define it")
    return interval(value, np.array(found), confidence, "percentile", list)
