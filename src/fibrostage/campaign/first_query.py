"""The first query, when nothing is labelled and there is no fitted network to ask."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fibrostage.active.pool import Pool
from fibrostage.active.query_selector import NOTHING, UNFITTED, Query, Selector
from fibrostage.active.strategies import STRATEGIES
from fibrostage.active.strategy_expression import ALL, choose_strategy
from fibrostage.ground.draws import Draws
from fibrostage.ground.errors import PlanError, nearest


def first_query(selector: Selector, pool: Pool, stages: NDArray[np.int64], count: int) -> Query:
    """Makes the first query, of `count` items, as `active.start` says; "auto" needs no label and no model.

    `stages` [patients] are the cohort's stage indices, −1 where unlabelled; only a stratified start reads them. The
    strategy "all" asks for the whole pool. Raises `PlanError` where `active.start` cannot begin a run.
    """
    start = selector.plan.start
    if selector.plan.strategy == ALL:
        return Query(pool.ids())
    if start == "stratified":
        return Query(stratified(selector, pool, stages, count))
    if start == "auto":
        start = "random" if selector.chosen.base.name == "random" else "typiclust"
    check_start(start)
    postponing = "".join(f"+{modifier.name}" for modifier in selector.chosen.postponing)
    return drawn_by(start + postponing, selector, pool, count)


def check_start(name: str) -> None:
    """Raises `PlanError` for a strategy that cannot begin a run, as it needs a fitted model."""
    able = [s.name for s in STRATEGIES if not s.needs_model]
    if name not in able:
        ways = ", ".join(["auto", "stratified", *able])
        raise PlanError(f"active.start = {name!r}{nearest(name, able)} cannot begin a run; what can: {ways}")


def drawn_by(strategy: str, selector: Selector, pool: Pool, count: int, before: NDArray[np.int64] = NOTHING) -> Query:
    """Makes a first query by a strategy that needs no fitted model; `before` [b] are items chosen for it already."""
    plan = selector.plan.model_copy(update={"per_stage": None})  # nobody can guess a stage yet
    return replace(selector, chosen=choose_strategy(strategy), plan=plan).query(
        pool, count, 0, replace(UNFITTED, before=before)
    )


def stratified(selector: Selector, pool: Pool, stages: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Draws a random start [n] in which every stage of the pool's patients occurs at least once, if `count` allows.

    `stages` [patients] are the cohort's stage indices. One item of each stage comes first, then random ones.
    """
    if (stages[pool.patients] < 0).any():
        raise PlanError(
            'active.start = "stratified" looks at stages that nobody has given yet; leave it "auto", or "random"'
        )
    rng = Draws.FIRST_QUERY.of(selector.seed)
    offsets, firsts = selector.units.offsets, []
    for stage in np.unique(stages[pool.patients]):
        patient = int(rng.choice(pool.patients[stages[pool.patients] == stage]))
        low, high = int(offsets[patient]), int(offsets[patient + 1])
        first = low + int(rng.integers(high - low))
        if first not in pool.asked:  # somebody told of it before it was asked for
            firsts.append(first)
    firsts = firsts[:count]
    taken = np.union1d(pool.asked, np.array(firsts, dtype=np.int64))
    rest = Pool(selector.units, pool.patients, taken)
    filler = drawn_by("random", selector, rest, count - len(firsts), np.sort(np.array(firsts, dtype=np.int64)))
    return np.concatenate([np.array(firsts, dtype=np.int64), filler.items])
