"""One query: the items of a pool that a strategy wants most, within the plan's quotas, with their scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fibrostage.active.chosen import Chosen
from fibrostage.active.embedding import SHORTLIST, item_probabilities, make_items
from fibrostage.active.picker import UNLIMITED, Best, Picker, Quota, WithinQuotas, turns
from fibrostage.active.pool import BLOCK, Pool
from fibrostage.active.score import Scorer, scored, tables_for, uniform, unit_scores
from fibrostage.active.strategies.spec import BatchStrategy, Strategy
from fibrostage.active.units import Units
from fibrostage.learn.learner import Learner
from fibrostage.plan import ActivePlan


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
    ) -> Query:
        """The `count` items of the pool that are wanted most; fewer when the quotas or the pool leave no more."""
        count = min(count, len(pool))
        if isinstance(self.chosen.base, BatchStrategy):
            return self._together(self.chosen.base, pool, count, round_, labelled, stages, fitted)
        picker = self._picker(pool, count)
        if self.units.kind == "candidate":
            self._stream(self.chosen.base, picker, pool, round_)
        else:
            self._by_unit(self.chosen.base, picker, pool, round_)
        return Query(*picker.picked())

    def _per_stage(self, count: int) -> int:
        share = self.plan.per_stage
        return UNLIMITED if share is None else max(1, round(share * count))

    def _picker(self, pool: Pool, count: int) -> Picker:
        per_patient, per_stage = self.plan.per_patient or UNLIMITED, self._per_stage(count)
        if per_patient == per_stage == UNLIMITED and not self.chosen.in_turn:
            return Best(count)
        patients = len(self.units.offsets) - 1
        limits = np.zeros(patients, dtype=np.int64)
        limits[pool.patients] = np.minimum(pool.left_of(pool.patients), per_patient)
        had = None
        if self.chosen.in_turn:
            had = np.bincount(self.units.patient_of(pool.asked), minlength=patients)
            if per_stage == UNLIMITED:
                limits = turns(limits, had, count)
        return WithinQuotas(count, self.units.offsets, limits, per_stage, had)

    def _scorer(self, strategy: Strategy, round_: int) -> Scorer:
        reweigh = next((m.reweigh for m in self.chosen.modifiers if m.reweigh is not None), None)
        return Scorer(strategy, self.seed, round_, self.cut, reweigh, self.plan.coldness)

    def _stream(self, strategy: Strategy, picker: Picker, pool: Pool, round_: int) -> None:
        scorer = self._scorer(strategy, round_)
        guess = self.plan.per_stage is not None
        tables = tables_for(self.learner, strategy, self.plan.passes, self.seed, round_, guess)
        for ids, scores, guesses in scored(tables, pool, scorer, picker, guess=guess):
            picker.add(ids, self._in_order(ids, scores), guesses)

    def _by_unit(self, strategy: Strategy, picker: Picker, pool: Pool, round_: int) -> None:
        """Images and patients: the mean score of their candidates."""
        ids = pool.ids()
        if strategy.needs == "noise":
            scores = self._scorer(strategy, round_)(ids, None, None)
        else:
            candidates = Pool(self.units.space, pool.patients[pool.left_of(pool.patients) > 0], pool.asked[:0])
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
        picker.add(ids, self._in_order(ids, scores), guesses)

    def _together(
        self,
        strategy: BatchStrategy,
        pool: Pool,
        count: int,
        round_: int,
        labelled: NDArray[np.int64],
        stages: NDArray[np.int64],
        fitted: bool,
    ) -> Query:
        ids = self._shortlist(pool, round_)
        rng = np.random.default_rng([self.seed, round_, 12])
        quota = Quota(
            self.units.patient_of(ids),
            ~self.put_off(ids),
            self.plan.per_patient or UNLIMITED,
            self._per_stage(count),
        )
        items = make_items(self.learner, self.units, labelled, stages, quota, ids, fitted)
        if self.plan.per_stage is not None and items.probabilities is not None:
            quota.guesses = items.probabilities.argmax(axis=1)
        picked = strategy.select(items, count, rng)
        if self.chosen.puts_off and len(picked) < count:  # the others are used up
            rest = np.setdiff1d(np.arange(len(ids)), picked)
            picked += rest[np.argsort(uniform(self.seed, round_, ids[rest]))][: count - len(picked)].tolist()
        return Query(ids[picked])

    def _shortlist(self, pool: Pool, round_: int) -> NDArray[np.int64]:
        if len(pool) <= SHORTLIST:
            return pool.ids()
        best = Best(SHORTLIST)
        for ids in pool.blocks(BLOCK):
            best.add(ids, uniform(self.seed, round_, ids))
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

    def _in_order(self, items: NDArray[np.int64], scores: NDArray[np.float64]) -> NDArray[np.float64]:
        if not self.chosen.puts_off:
            return scores
        return np.where(self.put_off(items), -np.inf, scores)
