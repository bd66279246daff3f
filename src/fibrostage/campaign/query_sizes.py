"""How many items are asked for, round after round."""

from __future__ import annotations

from fibrostage.active.strategy_expression import ALL
from fibrostage.plan.asking import ActivePlan


def items_of(asked: float | int, capacity: int) -> int:
    """How many of `capacity` items are asked for, one at least: a whole number is that many, another a share."""
    return max(1, min(asked, capacity) if isinstance(asked, int) else round(asked * capacity))


def schedule(capacity: int, stages: int, plan: ActivePlan) -> list[int]:
    """Items asked for by the end of each round: `active.initial` (at least one a stage), then equal steps to all of
    the pool, steps of `active.query`, or the shares of `active.shares`."""
    if plan.strategy == ALL:
        return [capacity]
    least = min(capacity, stages)
    if plan.shares is not None:
        targets = [max(least, round(share * capacity)) for share in plan.shares]
        return list(dict.fromkeys(targets))
    initial = min(capacity, max(least, items_of(plan.initial, capacity)))
    if plan.rounds == 0:
        return [initial]
    if plan.query is not None:
        step = items_of(plan.query, capacity)
        targets = [min(capacity, initial + step * r) for r in range(plan.rounds + 1)]
    else:
        targets = [initial + round((capacity - initial) * r / plan.rounds) for r in range(plan.rounds + 1)]
    return list(dict.fromkeys(targets))
