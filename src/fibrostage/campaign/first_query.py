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
    """`count` items by `active.start`; "auto" is a cold start that needs no label and no model."""
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
    """A first query by a strategy without a model."""
    plan = selector.plan.model_copy(update={"per_stage": None})  # nobody can guess a stage yet
    return replace(selector, chosen=choose_strategy(strategy), plan=plan).query(
        pool, count, 0, replace(UNFITTED, before=before)
    )


def stratified(selector: Selector, pool: Pool, stages: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """A random start in which every stage of the pool's patients occurs at least once."""
    rng = Draws.FIRST_QUERY.of(selector.seed)
    offsets, firsts = selector.units.offsets, []
    for stage in np.unique(stages[pool.patients]):
        patient = int(rng.choice(pool.patients[stages[pool.patients] == stage]))
        low, high = int(offsets[patient]), int(offsets[patient + 1])
        firsts.append(low + int(rng.integers(high - low)))
    firsts = firsts[:count]
    rest = Pool(selector.units, pool.patients, np.sort(np.array(firsts, dtype=np.int64)))
    filler = drawn_by("random", selector, rest, count - len(firsts), rest.asked)
    return np.concatenate([np.array(firsts, dtype=np.int64), filler.items])
