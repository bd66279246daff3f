"""From what the networks of a model see of patients to what is told: probabilities, the stage called, which stages stay
possible, and which cuts are ruled in or out; for each patient by what was learned of patients with the same
modalities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fibrostage.ground.stage import Staging
from fibrostage.learn.lacking import Member, kinds_of
from fibrostage.learn.soundness import never_certain
from fibrostage.plan.calibration import DecisionPlan
from fibrostage.results.staged import CANNOT_SAY, RULED_IN, RULED_OUT
from fibrostage.stats.calling import Calling, cut_limits_together, limits_together, together
from fibrostage.stats.conformal import possible

Table = NDArray[np.float64]


@dataclass(frozen=True)
class Telling:
    """What is told of patients: `probabilities` [P, K], the stage `called` [P], which stages stay `possible` [P, K]
    (none where that was not learned), and by patient and cut whether it is ruled in (1), out (−1) or neither (0), as
    `ruled` [P, K − 1] says."""

    probabilities: Table
    called: NDArray[np.int64]
    possible: NDArray[np.bool_]
    ruled: NDArray[np.int64]

    def rules(self, index: int, staging: Staging) -> dict[str, str]:
        """By cut what is said of a patient in words."""
        words = {1: RULED_IN, -1: RULED_OUT, 0: CANNOT_SAY}
        return {cut: words[int(self.ruled[index, staging.threshold(cut) - 1])] for cut in staging.cuts}


def tell(
    members: Sequence[Member],
    pooled: Sequence[Table],
    sums: Sequence[Table],
    lacking: NDArray[np.bool_],
    asked: DecisionPlan,
) -> Telling:
    """What is told of patients who lack the modalities that `lacking` [P, M] marks: each member has `pooled` [P, K] its
    answers over their candidates, and has `sums` [P, outputs] of their shares. Of `asked`, the coverage and predictive
    values hold."""
    n, classes = pooled[0].shape
    told = Telling(
        np.empty((n, classes)),
        np.empty(n, dtype=np.int64),
        np.zeros((n, classes), dtype=bool),
        np.zeros((n, classes - 1), dtype=np.int64),
    )
    for kind, rows in kinds_of(lacking).items():
        learned = [one.calling_for(kind) for one in members]
        callings = tuple(each for each in learned if each is not None)
        if len(callings) == len(members):
            seen = [one.pooled(own[rows]) for one, own in zip(members, sums, strict=True)]
        else:
            callings, seen = tuple(one.calling for one in members), [own[rows] for own in pooled]
        tell_alike(told, rows, callings, seen, asked)
    return told


def tell_alike(
    told: Telling, rows: NDArray[np.int64], callings: tuple[Calling, ...], seen: Sequence[Table], asked: DecisionPlan
) -> None:
    """Writes what is told of patients (rows [r]) who lack the same, of whom each member says what was `seen` [r, K]."""
    each = [calling.probabilities(table) for calling, table in zip(callings, seen, strict=True)]
    table = never_certain(np.asarray(np.sum(each, axis=0) / len(each)))
    told.probabilities[rows] = table
    told.called[rows] = together(callings)(table)
    limits = limits_together(callings, asked.coverage)
    if limits is None:
        return
    told.possible[rows] = possible(table, limits)
    cuts = cut_limits_together(callings, asked.npv, asked.ppv)
    if cuts is not None:
        told.ruled[rows] = cuts.ruled(table, told.possible[rows])
