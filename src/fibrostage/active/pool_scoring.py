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
from fibrostage.active.logit_tables import PoolTables, build_tables, table_rows
from fibrostage.active.modifiers.spec import Reweigh, gumbel
from fibrostage.active.pool import BLOCK, Pool, contains
from fibrostage.active.strategies.spec import Known, Strategy
from fibrostage.active.top_items import Picker
from fibrostage.ground.draws import Draws
from fibrostage.learn.learner import Learner

GUMBEL = 2**33  # added to the seed: other noise than RAND's


@dataclass(frozen=True)
class UnitScores:
    """Scores of the candidates of each unit (an image, a patient), all [units]: their mean, largest and number. A unit
    without candidates has NaN, −∞ and 0."""

    mean: NDArray[np.float64]
    largest: NDArray[np.float64]
    count: NDArray[np.int64]


@dataclass(frozen=True)
class Scorer:
    """A strategy's scores of candidates, and what a modifier makes of them with noise of their own."""

    strategy: Strategy
    seed: int
    round_: int
    cut: int = 1
    reweigh: Reweigh | None = None
    coldness: float = 1.0

    def __call__(
        self,
        ids: NDArray[np.int64],
        probabilities: NDArray[np.float32] | None,
        entropies: NDArray[np.float32] | None,
    ) -> NDArray[np.float64]:
        noise = uniform(self.seed, self.round_, ids) if self.strategy.needs == "noise" else None
        return self.drawn(ids, self.strategy.score(Known(noise, probabilities, entropies, self.cut)))

    def drawn(self, ids: NDArray[np.int64], scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns `scores` [n] of candidates `ids` [n] as the modifier reweighs them with its own noise [n]; without a
        modifier they are returned as they are."""
        if self.reweigh is None:
            return scores
        return self.reweigh(scores, gumbel(uniform(self.seed + GUMBEL, self.round_, ids)), self.coldness)


def unit_scores(learner: Learner, pool: Pool, scorer: Scorer, passes: int) -> tuple[dict[str, UnitScores], UnitScores]:
    """Scores of every image, by modality, and of every patient, over their candidates in the pool."""
    space = learner.space
    tables = tables_for(learner, scorer.strategy, passes, scorer.seed, scorer.round_)
    firsts, starts = table_rows(space)
    by_image, by_patient = empty(int(starts[-1])), empty(len(space.counts))
    for ids, scores, _ in scored(tables, pool, scorer):
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
    """Returns sums, largest scores and counts of nothing yet, [units] each: 0, −∞ and 0."""
    return np.zeros(units), np.full(units, -np.inf), np.zeros(units, dtype=np.int64)


def unit(sums: NDArray[np.float64], largest: NDArray[np.float64], counts: NDArray[np.int64]) -> UnitScores:
    """Makes unit scores of `sums`, `largest` and `counts`, [units] each; the mean of a unit without candidates is
    NaN."""
    mean = np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0)
    return UnitScores(mean, largest, counts)


def tables_for(
    learner: Learner, strategy: Strategy, passes: int, seed: int, round_: int, guesses: bool = False
) -> PoolTables | None:
    """The tables a strategy needs; None when it needs no probabilities and nobody wants guessed stages."""
    if strategy.needs == "noise" and not guesses:
        return None
    dropout = strategy.needs in ("passes", "entropies")
    rng = Draws.PASSES.within(seed, round_) if dropout else None
    return build_tables(learner.head, learner.features, learner.space, passes, rng)


Block = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64] | None]


def scored(
    tables: PoolTables | None,
    pool: Pool,
    scorer: Scorer,
    best: Picker | None = None,
    size: int = BLOCK,
    cores: int | None = None,
    guess: bool = False,
) -> Iterator[Block]:
    """Yields the unasked candidates of a pool a block at a time in ascending order: ids [n], scores [n] and, with
    `guess`, likeliest stages [n] (else None). The blocks are computed on all cores.

    With `best`, candidates that can no longer be among them are left out.
    """
    if tables is not None and scorer.strategy.needs == "entropies":
        _ = tables.logs  # made once, before threads share it

    def work(low: int, high: int) -> Block:
        ids = np.arange(low, high, dtype=np.int64)
        fresh = ~contains(pool.asked, ids)
        probabilities = entropies = None
        if tables is not None and scorer.strategy.needs == "entropies":
            probabilities, entropies = tables.with_entropies(low, high)
            entropies = entropies[fresh]
        elif tables is not None:
            probabilities = tables.probabilities(low, high)
        if not fresh.all():
            ids = ids[fresh]
            probabilities = None if probabilities is None else probabilities[fresh]
        scores = scorer(ids, probabilities, entropies)
        if best is not None:
            worth = ~(scores < best.worst)
            ids, scores = ids[worth], scores[worth]
            probabilities = None if probabilities is None else probabilities[worth]
        return ids, scores, probabilities.argmax(axis=1) if guess and probabilities is not None else None

    cores = cores or torch.get_num_threads()  # a study's workers have one each
    if cores == 1:
        yield from (work(low, high) for low, high in pool.spans(size))
        return
    waiting: deque[Future[Block]] = deque()
    with ThreadPoolExecutor(cores) as workers:
        for low, high in pool.spans(size):
            waiting.append(workers.submit(work, low, high))
            if len(waiting) > 2 * cores:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def uniform(seed: int, round_: int, ids: NDArray[np.int64]) -> NDArray[np.float64]:
    """Returns a uniform number in [0, 1) for each candidate of `ids` [n], as [n] float64, whatever the blocks:
    SplitMix64 of seed, round and id."""
    state = np.uint64((seed * 0x9E3779B97F4A7C15 + round_ * 0xD1B54A32D192ED03) % 2**64)
    with np.errstate(over="ignore"):
        z = mix(mix(ids.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)) ^ mix(np.atleast_1d(state)))
    return np.asarray((z >> np.uint64(11)).astype(np.float64) / 2.0**53)


def mix(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Mixes the bits of `z` [n] uint64 by SplitMix64's output function (Steele et al. 2014); returns [n]."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)))
