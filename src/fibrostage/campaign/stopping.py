"""When to stop asking: a budget, and rules over the closed rounds that a plan combines with any or all.

Every rule looks at what the training side knows: costs, validation patients, predictions on the pool. None sees a
test patient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fibrostage.active.query_units import Cost, Units
from fibrostage.plan.run_plan import BudgetPlan, CostPlan, StoppingPlan

Rounds = Sequence[dict[str, Any]]
SLOPE_ROUNDS = 4  # over which the validated metric's slope is taken


def within_budget(
    units: Units,
    paid: NDArray[np.int64],
    items: NDArray[np.int64],
    budget: BudgetPlan,
    cost: CostPlan,
    aside: NDArray[np.int64],
) -> NDArray[np.int64]:
    """The longest part of a query, from its beginning, that the budget allows; `aside` is labelled for validation."""

    def affordable(count: int) -> bool:
        spent = total_cost(units, np.union1d(paid, items[:count]), cost, aside)
        return all(limit is None or getattr(spent, name) <= limit for name, limit in budget)

    if affordable(len(items)):
        return items
    low, high = 0, len(items)  # affordable(low) or nothing is, not affordable(high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if affordable(middle) else (low, middle)
    return items[:low]


def total_cost(units: Units, paid: NDArray[np.int64], cost: CostPlan, aside: NDArray[np.int64]) -> Cost:
    """What the asked items and the validation patients, all of whose items are labelled, cost together."""
    if not len(aside):
        return units.cost(paid, cost)
    numbers = [np.arange(units.offsets[p], units.offsets[p + 1], dtype=np.int64) for p in aside]
    return units.cost(np.union1d(paid, np.concatenate(numbers)), cost)


def plateau(rounds: Rounds, plan: StoppingPlan) -> bool:
    """No round of the last `plateau` was `improvement` better than the best before them."""
    assert plan.plateau is not None
    seen = values(rounds, "validation_auc")
    if len(seen) <= plan.plateau:
        return False
    return bool(max(seen[-plan.plateau :]) < max(seen[: -plan.plateau]) + plan.improvement)


def stable(rounds: Rounds, plan: StoppingPlan) -> bool:
    """The last `stable` rounds each agreed with the round before (Bloodgood & Vijay-Shanker 2009)."""
    assert plan.stable is not None
    seen = values(rounds, "agreement")
    return len(seen) >= plan.stable and min(seen[-plan.stable :]) >= plan.agreement


def no_gain(rounds: Rounds, plan: StoppingPlan) -> bool:
    """The validated AUC's slope over log labels promises less than `gain` by the next query."""
    assert plan.gain is not None
    known = [(r["asked"], r["validation_auc"], r["next_items"]) for r in rounds if r.get("validation_auc") is not None]
    if len(known) < SLOPE_ROUNDS:
        return False
    labels, scores, following = (
        np.array(column, dtype=np.float64) for column in zip(*known[-SLOPE_ROUNDS:], strict=True)
    )
    if following[-1] <= labels[-1]:
        return False
    slope = float(np.polyfit(np.log(labels), scores, 1)[0])
    return slope * float(np.log(following[-1] / labels[-1])) < plan.gain


RULES: dict[str, Callable[[Rounds, StoppingPlan], bool]] = {"plateau": plateau, "stable": stable, "gain": no_gain}


def reason_to_stop(rounds: Rounds, plan: StoppingPlan) -> str | None:
    """Which rules say that it is enough, by name; None to go on."""
    asked = [name for name in RULES if getattr(plan, name) is not None]
    said = [name for name in asked if RULES[name](rounds, plan)]
    enough = said and (plan.combine == "any" or len(said) == len(asked))
    return " and ".join(said) if enough else None


def values(rounds: Rounds, key: str) -> list[float]:
    return [record[key] for record in rounds if record.get(key) is not None]


def kappa(before: NDArray[np.int64], now: NDArray[np.int64], classes: int) -> float:
    """Cohen's κ of two lists of stages; 1 where both are the same single stage throughout."""
    table = np.zeros((classes, classes))
    np.add.at(table, (before, now), 1)
    table /= max(1, len(now))
    agreed, chance = float(np.trace(table)), float(table.sum(1) @ table.sum(0))
    return 1.0 if chance >= 1 else (agreed - chance) / (1 - chance)
