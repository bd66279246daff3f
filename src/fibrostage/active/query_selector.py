"""One query: the items of a pool that a strategy wants most, within the plan's quotas, with their scores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fibrostage.active.embed_pool import SHORTLIST, item_probabilities, make_items
from fibrostage.active.modifiers.spec import ItemFacts
from fibrostage.active.pool import BLOCK, Pool
from fibrostage.active.pool_scoring import Block, Scorer, scored, tables_for, uniform, unit_scores
from fibrostage.active.query_units.spec import QueryUnit
from fibrostage.active.strategies.spec import BatchStrategy, Strategy
from fibrostage.active.strategy_expression import ChosenStrategy
from fibrostage.active.top_items import UNLIMITED, Best, Choosable, Picker, Quotas, WithinQuotas, turns
from fibrostage.ground.draws import Draws
from fibrostage.learn.learner import Learner
from fibrostage.plan.asking import ActivePlan, CostPlan

BY_BIOPSY = CostPlan()  # a patient costs one, whatever is read
NOTHING = np.empty(0, dtype=np.int64)


def nothing() -> NDArray[np.int64]:
    """No items: [0] int64."""
    return NOTHING


@dataclass(frozen=True)
class Query:
    """Items [n], first wanted first, and their scores [n]; a strategy that chooses items together gives none."""

    items: NDArray[np.int64]
    scores: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Answered:
    """What a query may know: the items [L] labelled so far, the latest last, and their stages [L]; whether the model
    was fitted to them; and the items [b] chosen for the same round already, which count in the quotas."""

    items: NDArray[np.int64] = field(default_factory=nothing)
    stages: NDArray[np.int64] = field(default_factory=nothing)
    fitted: bool = True
    before: NDArray[np.int64] = field(default_factory=nothing)


UNFITTED = Answered(fitted=False)


@dataclass(frozen=True)
class Turn:
    """A part of a query: how many items of which part of the pool, after what was taken.

    `postponed` is whether they are items that a modifier moves to the end; None where no modifier does.
    """

    pool: Pool
    count: int
    round_: int
    quotas: Quotas
    postponed: bool | None = None
    taken: NDArray[np.int64] = field(default_factory=nothing)


@dataclass(frozen=True)
class Selector:
    """Everything a query depends on but the round and what has been asked.

    `bad` are, by modality, the images [images] that intake found bad; `cut` is the first stage of the boundary
    strategy.
    """

    learner: Learner
    units: QueryUnit
    chosen: ChosenStrategy
    plan: ActivePlan
    seed: int
    bad: tuple[NDArray[np.bool_], ...]
    cut: int = 1
    cost: CostPlan = BY_BIOPSY

    def query(self, pool: Pool, count: int, round_: int, known: Answered) -> Query:
        """The `count` items of the pool that are wanted most; fewer when the quotas or the pool leave no more."""
        count = max(0, min(count, len(pool)))
        quotas = Quotas(self.plan.per_patient or UNLIMITED, self._per_stage(count))
        quotas.count(self.units.patient_of(known.before))
        if not self.chosen.postponing:
            return self._part(Turn(pool, count, round_, quotas, None, known.before), known)
        first = self._part(Turn(pool, count, round_, quotas, False, known.before), known)
        taken = np.concatenate([known.before, first.items])
        rest = self._part(Turn(pool, count - len(first.items), round_, quotas, True, taken), known)
        scores = None
        if first.scores is not None and rest.scores is not None:
            scores = np.concatenate([first.scores, rest.scores])
        return Query(np.concatenate([first.items, rest.items]), scores)

    def _part(self, turn: Turn, known: Answered) -> Query:
        if isinstance(self.chosen.base, BatchStrategy):
            return self._together(self.chosen.base, turn, known)
        return self._by_score(self.chosen.base, turn)

    def _per_stage(self, count: int) -> int:
        share = self.plan.per_stage
        return UNLIMITED if share is None else max(1, round(share * count))

    def _by_score(self, strategy: Strategy, turn: Turn) -> Query:
        if not turn.count:
            return Query(NOTHING, np.empty(0))
        picker = self._picker(turn)
        blocks = self._stream(strategy, picker, turn) if self.units.scored_alone else self._by_unit(strategy, turn)
        for ids, scores, guesses in blocks:
            keep = slice(None) if turn.postponed is None else self.postponed(ids) == turn.postponed
            picker.add(ids[keep], scores[keep], None if guesses is None else guesses[keep])
        query = Query(*picker.picked())
        turn.quotas.count(self.units.patient_of(query.items))
        if isinstance(picker, WithinQuotas):
            turn.quotas.stages = picker.of_stage
        return query

    def _picker(self, turn: Turn) -> Picker:
        pool, quotas = turn.pool, turn.quotas
        if quotas.per_patient == quotas.per_stage == UNLIMITED and not self.chosen.in_turn:
            return Best(turn.count)
        patients = len(self.units.offsets) - 1
        limits = np.zeros(patients, dtype=np.int64)
        limits[pool.patients] = np.minimum(pool.left_of(pool.patients), quotas.left_of(pool.patients))
        had = None
        if self.chosen.in_turn:
            asked = np.concatenate([pool.asked, turn.taken])
            had = np.bincount(self.units.patient_of(asked), minlength=patients)
            if quotas.per_stage == UNLIMITED and turn.postponed is None:
                limits = turns(limits, had, turn.count)
        return WithinQuotas(turn.count, self.units.offsets, limits, quotas.per_stage, had, quotas.stages)

    def _scorer(self, strategy: Strategy, round_: int) -> Scorer:
        return Scorer(strategy, self.seed, round_, self.cut, self.chosen.reweigh(), self.plan.coldness)

    def _stream(self, strategy: Strategy, picker: Picker, turn: Turn) -> Iterator[Block]:
        """Items that are scored by themselves, block by block."""
        guess = self.plan.per_stage is not None
        tables = tables_for(self.learner, strategy, self.plan.passes, self.seed, turn.round_, guess)
        return scored(tables, turn.pool, self._scorer(strategy, turn.round_), picker, guess=guess)

    def _by_unit(self, strategy: Strategy, turn: Turn) -> Iterator[Block]:
        """Items whose score is made of those of their candidates: their mean."""
        ids, pool, scorer = turn.pool.ids(), turn.pool, self._scorer(strategy, turn.round_)
        if strategy.needs == "noise":
            scores = scorer(ids, None, None)
        else:
            candidates = Pool(self.units.space, pool.patients[pool.left_of(pool.patients) > 0], NOTHING)
            plain = Scorer(strategy, self.seed, turn.round_, self.cut)
            images, patients = unit_scores(self.learner, candidates, plain, self.plan.passes)
            scores = scorer.drawn(ids, self.units.scores(ids, images, patients))
        guesses = None
        if self.plan.per_stage is not None:
            guesses = item_probabilities(self.learner, self.units, ids).argmax(axis=1)
        yield ids, scores, guesses

    def _together(self, strategy: BatchStrategy, turn: Turn, known: Answered) -> Query:
        ids = self._shortlist(turn) if turn.count else NOTHING
        if not len(ids):
            return Query(NOTHING)
        patients = self.units.patient_of(ids)
        choice = Choosable(patients, turn.quotas.left_of(patients) > 0, turn.quotas)
        items = make_items(self.learner, self.units, known.items, known.stages, choice, ids, known.fitted, self.cost)
        if self.plan.per_stage is not None and items.probabilities is not None:
            choice.guess(items.probabilities.argmax(axis=1))
        picked = strategy.select(items, turn.count, Draws.TOGETHER.within(self.seed, turn.round_))
        return Query(ids[picked])

    def _shortlist(self, turn: Turn) -> NDArray[np.int64]:
        """What a batch strategy looks at: all of its part of the pool, or as many as it may."""
        best = Best(max(SHORTLIST, turn.count))
        for ids in turn.pool.blocks(BLOCK):
            some = ids if turn.postponed is None else ids[self.postponed(ids) == turn.postponed]
            best.add(some, uniform(self.seed, turn.round_, some))
        return np.sort(best.ids())

    def is_bad(self, items: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which items [n] intake found bad."""
        return self.units.is_bad(items, self.bad)

    def postponed(self, items: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which items [n] a modifier wants asked last."""
        facts, result = ItemFacts(self.units, items, self.bad), np.zeros(len(items), dtype=bool)
        for modifier in self.chosen.postponing:
            assert modifier.postpones is not None
            result |= modifier.postpones(facts)
        return result
