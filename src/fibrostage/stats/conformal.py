"""Sets of stages that hold the true one as often as they say, of every stage alike.

Patients whom the model had not seen tell, stage by stage, how strange their own stage looked to it. A stage stays
possible for a new patient while it looks no stranger than it did to the share of them that is asked for
(class-conditional conformal prediction, Vovk 2012): so cirrhoses are covered as often as F0, which one limit for all
stages does not do. Strangeness follows the order of stages (Lu et al. 2022): from the most probable stage outwards,
always to the likelier neighbour, it is how much probability was passed before a stage was reached, and half of its own;
so a set has no gap. Of a stage with too few patients nothing can be excluded, and it stays in every set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fibrostage.ground.errors import StatisticsError

DIGITS = 6  # of a score that is kept


@dataclass(frozen=True)
class StageSets:
    """How strange their own stage looked to patients whom the model had not seen: `scores` by stage, ascending."""

    scores: tuple[tuple[float, ...], ...]

    def limits(self, coverage: float) -> NDArray[np.float64]:
        """The strangeness [K] up to which a stage stays possible, infinite where its patients are too few to say.

        Raises `StatisticsError` for a coverage outside (0, 1).
        """
        if not 0 < coverage < 1:
            raise StatisticsError(f"coverage lies between 0 and 1, got {coverage}")
        return np.array([limit(own, coverage) for own in self.scores])


def limit(scores: Sequence[float], coverage: float) -> float:
    """The score that ⌈(n + 1) · coverage⌉ of n, ascending, do not exceed; infinite where that is more than n."""
    rank = math.ceil((len(scores) + 1) * coverage - 1e-9)
    return math.inf if rank > len(scores) else float(scores[rank - 1])


def stage_sets(stages: ArrayLike, probabilities: ArrayLike) -> StageSets:
    """Learns from true stages [n], as indices 0 … K − 1, and probabilities [n, K] of patients whom the model had not
    seen; raises `StatisticsError` where they do not fit each other."""
    truth, table = np.asarray(stages, dtype=np.int64), np.asarray(probabilities, dtype=np.float64)
    if table.ndim != 2 or len(table) != len(truth):
        raise StatisticsError(f"sets need stages [n] and probabilities [n, K], got {truth.shape} and {table.shape}")
    own = strangeness(table)[np.arange(len(truth)), truth]
    return StageSets(tuple(tuple(np.sort(own[truth == k]).round(DIGITS).tolist()) for k in range(table.shape[1])))


def possible(probabilities: ArrayLike, limits: ArrayLike) -> NDArray[np.bool_]:
    """Which stages [n, K] stay possible under limits [K], of probabilities [n, K]: the most probable one always, and
    whatever lies between two that are."""
    table = np.asarray(probabilities, dtype=np.float64)
    inside = strangeness(table) <= np.asarray(limits, dtype=np.float64) + 10.0**-DIGITS
    inside[np.arange(len(table)), table.argmax(axis=1)] = True
    from_below = np.maximum.accumulate(inside, axis=1)
    from_above = np.maximum.accumulate(inside[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(from_below & from_above)


def strangeness(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """How strange each stage looks [n, K], 0 to 1, of probabilities [n, K]."""
    n, classes = table.shape
    result, rows = np.empty_like(table), np.arange(n)
    low = high = table.argmax(axis=1)
    reached = low
    passed = np.zeros(n)
    walled = np.concatenate([np.full((n, 1), -1.0), table, np.full((n, 1), -1.0)], axis=1)
    for _ in range(classes):
        own = table[rows, reached]
        result[rows, reached] = passed + own / 2
        passed = passed + own
        below, above = walled[rows, low], walled[rows, high + 2]  # one left of the first column is the wall
        down = below >= above
        low, high = np.where(down, np.maximum(low - 1, 0), low), np.where(down, high, np.minimum(high + 1, classes - 1))
        reached = np.where(down, low, high)
    return result
