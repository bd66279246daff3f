"""Ruling a stage at or above a cut in or out, at the predictive value that is asked for, or saying that it cannot be.

Patients whom the model had not seen tell how often those whose probability is at most t are below the cut (NPV), and
how often those whose probability is at least t are at or above it (PPV). The widest t is taken at which even the lower
end of a one-sided 80 % interval (Clopper and Pearson 1934) reaches what is asked: the point estimate at the best of
many t often falls short. A predictive value holds at the share of ill patients among those who told. Sets of stages
that stay possible (`conformal`), which cover every stage alike, have the last word.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta

from fibrostage.ground.errors import StatisticsError
from fibrostage.ground.files import Json
from fibrostage.stats.recalibration import at_or_above

CONFIDENCE = 0.8  # one-sided
DIGITS = 5  # of a probability that is kept


@dataclass(frozen=True)
class CutScores:
    """P(stage ≥ cut) of patients whom the model had not seen, ascending: of those `below` the cut, and of those `at` it
    or above."""

    below: tuple[float, ...]
    at: tuple[float, ...]

    def out_up_to(self, npv: float) -> float:
        """The probability up to which the cut is ruled out at this NPV; −∞ where it never can be."""
        return widest(self.at, self.below, npv)

    def in_from(self, ppv: float) -> float:
        """The probability from which on the cut is ruled in at this PPV; ∞ where it never can be."""
        return -widest([-p for p in self.below], [-p for p in self.at], ppv)

    def as_dict(self) -> dict[str, Json]:
        """What JSON holds."""
        return {"below": list(self.below), "at": list(self.at)}


def cut_scores(stages: ArrayLike, probabilities: ArrayLike) -> tuple[CutScores, ...]:
    """The scores at each of K − 1 cuts, of true stages [n] (indices) and probabilities [n, K]; raises `StatisticsError`
    where they do not fit each other."""
    truth, table = np.asarray(stages, dtype=np.int64), np.asarray(probabilities, dtype=np.float64)
    if table.ndim != 2 or len(table) != len(truth):
        raise StatisticsError(f"scores need stages [n] and probabilities [n, K], got {truth.shape} and {table.shape}")
    upper = at_or_above(table).round(DIGITS)
    return tuple(
        CutScores(ascending(upper[truth <= k, k]), ascending(upper[truth > k, k])) for k in range(upper.shape[1])
    )


def ascending(values: NDArray[np.float64]) -> tuple[float, ...]:
    """Values [n] in order."""
    return tuple(np.sort(values).tolist())


def widest(wrong: Sequence[float], right: Sequence[float], value: float) -> float:
    """The largest t such that, of the scores up to it, the share of `right` ones is `value` with confidence; −∞ where
    there is none. Raises `StatisticsError` for a value outside (0, 1)."""
    if not 0 < value < 1:
        raise StatisticsError(f"a predictive value lies between 0 and 1, got {value}")
    scores = np.unique([*wrong, *right])
    errors = np.searchsorted(np.sort(wrong), scores, side="right")
    hits = np.searchsorted(np.sort(right), scores, side="right")
    with np.errstate(invalid="ignore"):
        surely = np.where(hits > 0, beta.ppf(1 - CONFIDENCE, np.maximum(hits, 1), errors + 1), 0.0)
    reached = np.flatnonzero(surely >= value)
    return float(scores[reached[-1]]) if len(reached) else -math.inf


@dataclass(frozen=True)
class CutLimits:
    """Up to which P(stage ≥ k) each of K − 1 cuts is ruled out, [K − 1], and from which on it is ruled in, [K − 1]."""

    out_up_to: tuple[float, ...]
    in_from: tuple[float, ...]

    def ruled(self, probabilities: ArrayLike, possible: ArrayLike) -> NDArray[np.int64]:
        """By patient and cut [n, K − 1]: −1 ruled out, 1 ruled in, 0 neither; of probabilities [n, K] and which stages
        stay `possible` [n, K].

        A stage that few have is below nearly every patient's, and so "ruled out" of anybody at a high predictive value;
        therefore no stage at or above the cut may be possible any more, nor one below it where it is ruled in.
        """
        slack = 10.0**-DIGITS
        upper, stays = at_or_above(np.asarray(probabilities, dtype=np.float64)), np.asarray(possible, dtype=bool)
        above = np.logical_or.accumulate(stays[:, ::-1], axis=1)[:, ::-1][:, 1:]
        below = np.logical_or.accumulate(stays, axis=1)[:, :-1]
        out = (upper <= np.array(self.out_up_to) + slack) & ~above
        within = (upper >= np.array(self.in_from) - slack) & ~below
        return within.astype(np.int64) - out.astype(np.int64)


def cut_limits(scores: Sequence[CutScores], npv: float, ppv: float) -> CutLimits:
    """The limits of every cut; raises `StatisticsError` for a value outside (0, 1)."""
    return CutLimits(tuple(one.out_up_to(npv) for one in scores), tuple(one.in_from(ppv) for one in scores))
