"""How many items are asked for, round after round."""

from __future__ import annotations

from fibrostage.active.strategy_expression import ALL
from fibrostage.plan.asking import ActivePlan


def schedule(capacity: int, stages: int, plan: ActivePlan) -> list[int]:
    """Items asked for by the end of each round: the initial share (at least one a stage), then equal steps to all of
    the pool, steps of `active.query`, or the shares of `active.shares`."""
    if plan.strategy == ALL:
        return [capacity]
    least = min(capacity, stages)
    if plan.shares is not None:
        targets = [max(least, round(share * capacity)) for share in plan.shares]
        return list(dict.fromkeys(targets))
    initial = min(capacity, max(least, round(plan.initial * capacity)))
    if plan.rounds == 0:
        return [initial]
    if plan.query is not None:
        step = max(1, round(plan.query * capacity))
        targets = [min(capacity, initial + step * r) for r in range(plan.rounds + 1)]
    else:
        targets = [initial + round((capacity - initial) * r / plan.rounds) for r in range(plan.rounds + 1)]
    return list(dict.fromkeys(targets))
