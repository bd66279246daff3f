"""From a patient's probabilities to the stage that is called. A rule is chosen before anybody is staged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.recalibration import at_or_above

MODE, THRESHOLDS = "mode", "thresholds"
RULES = (MODE, "median", "least_error", THRESHOLDS, "least_cost")


@dataclass(frozen=True)
class Decision:
    """How stages are called: by `rule`, with `costs` [K][K] (a row a true stage, a column a called one) for
    "least_cost", and with `thresholds` [K − 1] of P(stage ≥ k) for "thresholds"."""

    rule: str = MODE
    costs: tuple[tuple[float, ...], ...] = ()
    thresholds: tuple[float, ...] = ()

    def __call__(self, probabilities: ArrayLike) -> NDArray[np.int64]:
        """The stage called [n], as an index, of each of the probabilities [n, K]: the most probable one, the middle
        one, the one with the least expected distance in stages or the least expected cost, or as many stages up as
        thresholds are reached one after another. Raises `StatisticsError` for an unknown rule, or costs or thresholds
        of another number of stages."""
        table = np.asarray(probabilities, dtype=np.float64)
        classes = table.shape[1]
        if self.rule == MODE:
            return np.asarray(table.argmax(axis=1))
        if self.rule == "median":
            return np.asarray((np.cumsum(table, axis=1) >= 0.5 - 1e-12).argmax(axis=1))
        if self.rule == "least_error":
            stages = np.arange(classes)
            return np.asarray((table @ np.abs(stages[:, None] - stages)).argmin(axis=1))
        if self.rule == "least_cost":
            return np.asarray((table @ costs_of(self.costs, classes)).argmin(axis=1))
        if self.rule == THRESHOLDS:
            if len(self.thresholds) != classes - 1:
                raise StatisticsError(f"{classes} stages have {classes - 1} thresholds, got {len(self.thresholds)}")
            return np.asarray(np.cumprod(at_or_above(table) >= np.array(self.thresholds), axis=1).sum(axis=1))
        raise StatisticsError(f"a rule is one of {', '.join(RULES)}, not {self.rule!r}")


USUAL = Decision()


def costs_of(costs: Sequence[Sequence[float]], classes: int) -> NDArray[np.float64]:
    """Costs [K, K] of calling a stage (column) that is another (row); raises `StatisticsError` for another shape, a
    negative one, or a right call that costs something."""
    if len(costs) != classes or any(len(row) != classes for row in costs):
        raise StatisticsError(
            f"costs are {classes} rows of {classes} numbers, a row a true stage, a column a called one"
        )
    table = np.array(costs, dtype=np.float64)
    if not np.isfinite(table).all() or (table < 0).any() or np.diag(table).any():
        raise StatisticsError("costs are not negative, and those of the right stage are 0")
    return table
