"""What has been spent, and how much of a query a budget still allows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fibrostage.active.query_units.spec import QueryUnit
from fibrostage.plan.asking import BudgetPlan, CostPlan
from fibrostage.results.metrics import Cost


def within_budget(
    units: QueryUnit,
    paid: NDArray[np.int64],
    items: NDArray[np.int64],
    budget: BudgetPlan,
    cost: CostPlan,
    aside: NDArray[np.int64],
) -> NDArray[np.int64]:
    """The longest part [m] of a query's items [n], from its beginning, that the budget allows.

    `paid` [p] are the items answered before; `aside` [a] are the patients' rows who are labelled for validation.
    """

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


def total_cost(units: QueryUnit, paid: NDArray[np.int64], cost: CostPlan, aside: NDArray[np.int64]) -> Cost:
    """What the answered items [p] and the validation patients [a], all of whose items are labelled, cost together."""
    if not len(aside):
        return units.cost(paid, cost)
    numbers = [np.arange(units.offsets[p], units.offsets[p + 1], dtype=np.int64) for p in aside]
    return units.cost(np.union1d(paid, np.concatenate(numbers)), cost)
