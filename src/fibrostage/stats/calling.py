"""From what a network says of a patient to what a reader is told: calibrated probabilities, and a stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fibrostage.ground.errors import StatisticsError
from fibrostage.ground.files import Json
from fibrostage.stats.conformal import StageSets, stage_sets
from fibrostage.stats.decisions import THRESHOLDS, USUAL, Decision
from fibrostage.stats.recalibration import (
    Recalibration,
    mapped_by_others,
    recalibrate,
    recalibration_from,
    youden_thresholds,
)
from fibrostage.stats.rule_in_out import CutLimits, CutScores, cut_limits, cut_scores


@dataclass(frozen=True)
class Calling:
    """What was settled on the training patients: a recalibration, or None, how a stage is called, and how strange their
    own stage looked to them, or None. `cuts` are the probabilities at each cut that patients had whom the model had not
    seen, empty where that was not learned."""

    recalibration: Recalibration | None = None
    decision: Decision = USUAL
    sets: StageSets | None = None
    cuts: tuple[CutScores, ...] = ()

    def probabilities(self, pooled: ArrayLike) -> NDArray[np.float64]:
        """A patient's probabilities [P, K] of those that the network's answers were pooled to [P, K]."""
        table = np.asarray(pooled, dtype=np.float64)
        return table if self.recalibration is None else self.recalibration(table)

    def as_dict(self) -> dict[str, Json]:
        """What JSON holds."""
        return {
            "recalibration": None if self.recalibration is None else self.recalibration.as_dict(),
            "rule": self.decision.rule,
            "costs": [list(row) for row in self.decision.costs],
            "thresholds": list(self.decision.thresholds),
            "strangeness": None if self.sets is None else [list(own) for own in self.sets.scores],
            "cuts": [one.as_dict() for one in self.cuts],
        }


def calibrated(stages: ArrayLike, pooled: ArrayLike, parts: ArrayLike, rule: Decision, kind: str = "auto") -> Calling:
    """How answers are told, learned from true stages [n], as indices, and what a network that had not seen them said of
    those patients [n, K]; `kind` is of `recalibrate`.

    How strange a stage looks, and what predictive value a probability has, is learned of each of the `parts` [n]
    through maps that were fitted to the others (`mapped_by_others`). Raises `StatisticsError` where the tables do not
    fit each other.
    """
    truth, table = np.asarray(stages, dtype=np.int64), np.asarray(pooled, dtype=np.float64)
    maps = recalibrate(truth, table, kind)
    unseen = mapped_by_others(table, parts, lambda rest: recalibrate(truth[rest], table[rest], kind))
    return Calling(maps, decided(truth, maps(table), rule), stage_sets(truth, unseen), cut_scores(truth, unseen))


def decided(stages: ArrayLike, probabilities: ArrayLike, rule: Decision) -> Decision:
    """A rule with its thresholds, where it has any, chosen on true stages [n] and probabilities [n, K]."""
    thresholds = youden_thresholds(stages, probabilities) if rule.rule == THRESHOLDS else ()
    return Decision(rule.rule, rule.costs, thresholds)


def calling_from(content: Mapping[str, Json]) -> Calling:
    """The calling that JSON holds; raises `StatisticsError` where it holds none."""
    try:
        told = content["recalibration"]
        maps = None if told is None else recalibration_from(told)  # type: ignore[arg-type]
        costs = tuple(tuple(float(each) for each in row) for row in content["costs"])  # type: ignore[union-attr,arg-type]
        thresholds = tuple(float(each) for each in content["thresholds"])  # type: ignore[union-attr,arg-type]
        scores = content["strangeness"]
        known = scores and StageSets(tuple(tuple(float(each) for each in own) for own in scores))  # type: ignore[union-attr,arg-type]
        cuts = tuple(
            CutScores(*(tuple(float(each) for each in one[side]) for side in ("below", "at")))  # type: ignore[arg-type,call-overload,index,union-attr]
            for one in content.get("cuts") or ()  # type: ignore[union-attr]
        )
        return Calling(maps, Decision(str(content["rule"]), costs, thresholds), known or None, cuts)
    except (KeyError, TypeError, ValueError) as error:
        raise StatisticsError(f"not how a stage is called: {error}") from None


def together(callings: tuple[Calling, ...]) -> Decision:
    """The decision of several models of one plan: the same rule, and the mean of their thresholds."""
    first = callings[0].decision if callings else USUAL
    if not first.thresholds:
        return first
    mean = np.mean([each.decision.thresholds for each in callings], axis=0)
    return Decision(first.rule, first.costs, tuple(mean.tolist()))


def limits_together(callings: tuple[Calling, ...], coverage: float) -> NDArray[np.float64] | None:
    """The limits [K] of several models of one plan: the mean of theirs; None where one has none."""
    each = [one.sets.limits(coverage) for one in callings if one.sets is not None]
    return np.mean(each, axis=0) if each and len(each) == len(callings) else None


def cut_limits_together(callings: tuple[Calling, ...], npv: float, ppv: float) -> CutLimits | None:
    """The limits of ruling in and out of several models of one plan: the middle one of theirs, so that one that can
    never rule does not silence the others; None where one has none."""
    each = [cut_limits(one.cuts, npv, ppv) for one in callings if one.cuts]
    if not each or len(each) < len(callings):
        return None
    out, within = (np.median([getattr(one, side) for one in each], axis=0) for side in ("out_up_to", "in_from"))
    return CutLimits(tuple(out.tolist()), tuple(within.tolist()))
