"""Scoring a pool: per-image tables once, then products, block by block on all cores, keeping only the best k.

With Monte-Carlo dropout there is one mask per stream and pass, so a pass is a table too (networks.mmfn): the
cost of a pool is its images through the head T times, and the kernel. Memory is the tables and a block a core,
whatever the pool. The answer does not depend on the blocks, nor on how many cores there are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from fibrostage.active.kernel import spread
from fibrostage.active.picker import Best
from fibrostage.active.pool import BLOCK, Pool, contains
from fibrostage.active.strategies.spec import Known, Strategy
from fibrostage.active.tables import PoolTables, build_tables, table_rows
from fibrostage.learn.learner import Learner


@dataclass(frozen=True)
class UnitScores:
    """Scores of the candidates of a unit (an image, a patient): their mean, largest and number; NaN, −∞, 0 for none."""

    mean: NDArray[np.float64]
    largest: NDArray[np.float64]
    count: NDArray[np.int64]


def choose(
    learner: Learner, pool: Pool, strategy: Strategy, count: int, passes: int, seed: int, round_: int
) -> NDArray[np.int64]:
    """The `count` candidates of the pool that score highest, best first, ties by candidate id."""
    best = Best(count)
    for ids, scores in scored(tables_for(learner, strategy, passes, seed, round_), pool, strategy, seed, round_, best):
        best.add(ids, scores)
    return best.ids()


def unit_scores(
    learner: Learner, pool: Pool, strategy: Strategy, passes: int, seed: int, round_: int
) -> tuple[dict[str, UnitScores], UnitScores]:
    """Scores of every image, by modality, and of every patient, over their candidates in the pool."""
    space = pool.space
    tables = tables_for(learner, strategy, passes, seed, round_)
    firsts, starts = table_rows(space)
    by_image, by_patient = empty(int(starts[-1])), empty(len(space.counts))
    for ids, scores in scored(tables, pool, strategy, seed, round_):
        spread(ids, scores, space.offsets, space.radices, firsts, *by_image)
        patients, first = np.unique(space.patient_of(ids), return_index=True)
        by_patient[0][patients] += np.add.reduceat(scores, first)
        by_patient[1][patients] = np.maximum(by_patient[1][patients], np.maximum.reduceat(scores, first))
        by_patient[2][patients] += np.diff(np.append(first, len(ids)))
    images = {}
    for column, name in enumerate(space.modalities):
        part = slice(starts[column], starts[column + 1] - 1)  # without the absent image
        sums, largest, counts = by_image
        images[name] = unit(sums[part], largest[part], counts[part])
    return images, unit(*by_patient)


def empty(units: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Sums, largest and counts of nothing yet."""
    return np.zeros(units), np.full(units, -np.inf), np.zeros(units, dtype=np.int64)


def unit(sums: NDArray[np.float64], largest: NDArray[np.float64], counts: NDArray[np.int64]) -> UnitScores:
    mean = np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0)
    return UnitScores(mean, largest, counts)


def tables_for(learner: Learner, strategy: Strategy, passes: int, seed: int, round_: int) -> PoolTables | None:
    """The tables a strategy needs; None when it needs no probabilities."""
    if strategy.needs == "noise":
        return None
    rng = np.random.default_rng([seed, round_, 10]) if strategy.needs == "passes" else None
    return build_tables(learner.head, learner.features, learner.space, passes, rng)


def scored(
    tables: PoolTables | None,
    pool: Pool,
    strategy: Strategy,
    seed: int,
    round_: int,
    best: Best | None = None,
    size: int = BLOCK,
    cores: int | None = None,
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Unlabelled candidates with their scores, a block at a time in ascending order, computed on all cores.

    With `best`, candidates that can no longer be among them are left out.
    """

    def work(low: int, high: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        ids = np.arange(low, high, dtype=np.int64)
        fresh = ~contains(pool.labelled, ids)
        probabilities = tables.probabilities(low, high) if tables is not None else None
        if not fresh.all():
            ids = ids[fresh]
            probabilities = None if probabilities is None else probabilities[fresh]
        noise = uniform(seed, round_, ids) if strategy.needs == "noise" else None
        scores = strategy.score(Known(noise, probabilities))
        if best is not None:
            worth = ~(scores < best.worst)
            ids, scores = ids[worth], scores[worth]
        return ids, scores

    cores = cores or torch.get_num_threads()  # a study's workers have one each
    waiting: deque[Future[tuple[NDArray[np.int64], NDArray[np.float64]]]] = deque()
    with ThreadPoolExecutor(cores) as workers:
        for low, high in pool.spans(size):
            waiting.append(workers.submit(work, low, high))
            if len(waiting) > 2 * cores:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def uniform(seed: int, round_: int, ids: NDArray[np.int64]) -> NDArray[np.float64]:
    """A uniform number in [0, 1) per candidate, whatever the blocks: SplitMix64 of seed, round and id."""
    state = np.uint64((seed * 0x9E3779B97F4A7C15 + round_ * 0xD1B54A32D192ED03) % 2**64)
    with np.errstate(over="ignore"):
        z = mix(mix(ids.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)) ^ mix(np.atleast_1d(state)))
    return np.asarray((z >> np.uint64(11)).astype(np.float64) / 2.0**53)


def mix(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's output function (Steele et al. 2014)."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)))
