"""One query: the items of a pool that a strategy wants most, within the plan's quotas, with their scores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fibrostage.active.embed_pool import SHORTLIST, item_probabilities, make_items
from fibrostage.active.pool import BLOCK, Pool
from fibrostage.active.pool_scoring import Block, Scorer, scored, tables_for, uniform, unit_scores
from fibrostage.active.query_units import Units
from fibrostage.active.strategies.spec import BatchStrategy, Strategy
from fibrostage.active.strategy_expression import Chosen
from fibrostage.active.top_items import UNLIMITED, Best, Picker, Quota, Quotas, WithinQuotas, turns
from fibrostage.learn.learner import Learner
from fibrostage.plan.run_plan import ActivePlan

NOTHING = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Query:
    """Items, first wanted first, and their scores; a strategy that chooses items together gives none."""

    items: NDArray[np.int64]
    scores: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Selector:
    """Everything a query depends on but the round and what has been asked.

    `bad` are, by modality, the images that intake found bad; `cut` is the first stage of the boundary strategy.
    """

    learner: Learner
    units: Units
    chosen: Chosen
    plan: ActivePlan
    seed: int
    bad: tuple[NDArray[np.bool_], ...]
    cut: int = 1

    def query(
        self,
        pool: Pool,
        count: int,
        round_: int,
        labelled: NDArray[np.int64],
        stages: NDArray[np.int64],
        fitted: bool = True,
        before: NDArray[np.int64] = NOTHING,
    ) -> Query:
        """The `count` items of the pool that are wanted most; fewer when the quotas or the pool leave no more.

        `before` are items chosen for the same round already: they count in the quotas.
        """
        count = max(0, min(count, len(pool)))
        quota = Quotas(self.plan.per_patient or UNLIMITED, self._per_stage(count))
        quota.count(self.units.patient_of(before))

        def pick(wanted: int, put_off: bool | None, taken: NDArray[np.int64]) -> Query:
            if isinstance(self.chosen.base, BatchStrategy):
                return self._together(wanted, pool, round_, labelled, stages, fitted, put_off, quota)
            return self._by_score(self.chosen.base, wanted, pool, round_, put_off, quota, taken)

        if not self.chosen.puts_off:
            return pick(count, None, before)
        first = pick(count, False, before)
        rest = pick(count - len(first.items), True, np.concatenate([before, first.items]))
        scores = None
        if first.scores is not None and rest.scores is not None:
            scores = np.concatenate([first.scores, rest.scores])
        return Query(np.concatenate([first.items, rest.items]), scores)

    def _per_stage(self, count: int) -> int:
        share = self.plan.per_stage
        return UNLIMITED if share is None else max(1, round(share * count))

    def _by_score(
        self,
        strategy: Strategy,
        count: int,
        pool: Pool,
        round_: int,
        put_off: bool | None,
        quota: Quotas,
        taken: NDArray[np.int64],
    ) -> Query:
        if not count:
            return Query(NOTHING, np.empty(0))
        picker = self._picker(pool, count, put_off, quota, taken)
        if self.units.kind == "candidate":
            blocks = self._stream(strategy, picker, pool, round_)
        else:
            blocks = self._by_unit(strategy, pool, round_)
        for ids, scores, guesses in blocks:
            keep = slice(None) if put_off is None else self.put_off(ids) == put_off
            picker.add(ids[keep], scores[keep], None if guesses is None else guesses[keep])
        query = Query(*picker.picked())
        quota.count(self.units.patient_of(query.items))
        if isinstance(picker, WithinQuotas):
            quota.stages = picker.of_stage
        return query

    def _picker(self, pool: Pool, count: int, put_off: bool | None, quota: Quotas, taken: NDArray[np.int64]) -> Picker:
        if quota.per_patient == quota.per_stage == UNLIMITED and not self.chosen.in_turn:
            return Best(count)
        patients = len(self.units.offsets) - 1
        limits = np.zeros(patients, dtype=np.int64)
        limits[pool.patients] = np.minimum(pool.left_of(pool.patients), quota.left_of(pool.patients))
        had = None
        if self.chosen.in_turn:
            asked = np.concatenate([pool.asked, taken])
            had = np.bincount(self.units.patient_of(asked), minlength=patients)
            if quota.per_stage == UNLIMITED and put_off is None:
                limits = turns(limits, had, count)
        return WithinQuotas(count, self.units.offsets, limits, quota.per_stage, had, quota.stages)

    def _scorer(self, strategy: Strategy, round_: int) -> Scorer:
        reweigh = next((m.reweigh for m in self.chosen.modifiers if m.reweigh is not None), None)
        return Scorer(strategy, self.seed, round_, self.cut, reweigh, self.plan.coldness)

    def _stream(self, strategy: Strategy, picker: Picker, pool: Pool, round_: int) -> Iterator[Block]:
        guess = self.plan.per_stage is not None
        tables = tables_for(self.learner, strategy, self.plan.passes, self.seed, round_, guess)
        return scored(tables, pool, self._scorer(strategy, round_), picker, guess=guess)

    def _by_unit(self, strategy: Strategy, pool: Pool, round_: int) -> Iterator[Block]:
        """Images and patients: the mean score of their candidates."""
        ids = pool.ids()
        if strategy.needs == "noise":
            scores = self._scorer(strategy, round_)(ids, None, None)
        else:
            candidates = Pool(self.units.space, pool.patients[pool.left_of(pool.patients) > 0], NOTHING)
            plain = Scorer(strategy, self.seed, round_, self.cut)
            images, patients = unit_scores(self.learner, candidates, plain, self.plan.passes)
            if self.units.kind == "patient":
                scores = patients.mean[self.units.patient_of(ids)]
            else:
                column, row = self.units.image_rows(ids)
                table = [images[name].mean for name in self.units.space.modalities]
                scores = np.array([table[m][r] for m, r in zip(column, row, strict=True)])
            scores = self._scorer(strategy, round_).drawn(ids, scores)
        guesses = None
        if self.plan.per_stage is not None:
            guesses = item_probabilities(self.learner, self.units, ids).argmax(axis=1)
        yield ids, scores, guesses

    def _together(
        self,
        count: int,
        pool: Pool,
        round_: int,
        labelled: NDArray[np.int64],
        stages: NDArray[np.int64],
        fitted: bool,
        put_off: bool | None,
        quota: Quotas,
    ) -> Query:
        strategy = self.chosen.base
        assert isinstance(strategy, BatchStrategy)
        ids = self._shortlist(pool, round_, count, put_off) if count else NOTHING
        if not len(ids):
            return Query(NOTHING)
        patients = self.units.patient_of(ids)
        choice = Quota(patients, quota.left_of(patients) > 0, quota)
        items = make_items(self.learner, self.units, labelled, stages, choice, ids, fitted)
        if self.plan.per_stage is not None and items.probabilities is not None:
            choice.guesses = items.probabilities.argmax(axis=1)
        picked = strategy.select(items, count, np.random.default_rng([self.seed, round_, 12]))
        return Query(ids[picked])

    def _shortlist(self, pool: Pool, round_: int, count: int, put_off: bool | None) -> NDArray[np.int64]:
        """What a batch strategy looks at: all of the pool (or of its put-off or other part), or as many as it may."""
        most = max(SHORTLIST, count)
        best = Best(most)
        for ids in pool.blocks(BLOCK):
            some = ids if put_off is None else ids[self.put_off(ids) == put_off]
            best.add(some, uniform(self.seed, round_, some))
        return np.sort(best.ids())

    def is_bad(self, items: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Items with a bad image; a patient is bad when every image of a modality is."""
        result = np.zeros(len(items), dtype=bool)
        if self.units.kind == "patient":
            patients = self.units.patient_of(items)
            for column, bad in enumerate(self.bad):
                counts = self.units.space.counts[:, column]
                owners = np.repeat(np.arange(len(counts)), counts)
                good = np.bincount(owners[~bad], minlength=len(counts))
                result |= ((counts > 0) & (good == 0))[patients]
            return result
        rows = self.units.rows(items)
        for column, bad in enumerate(self.bad):
            present = rows[:, column] >= 0
            result[present] |= bad[rows[present, column]]
        return result

    def put_off(self, items: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Items that a modifier wants asked last."""
        result = np.zeros(len(items), dtype=bool)
        if self.chosen.clean:
            result |= self.is_bad(items)
        if self.chosen.complete:
            result |= (self.units.space.counts[self.units.patient_of(items)] == 0).any(axis=1)
        return result
