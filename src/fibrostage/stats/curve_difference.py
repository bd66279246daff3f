"""Whether one strategy's learning curve lies above another's: a bootstrap of the patients who test, and of the starts.

Two strategies are tested on the same patients, division by division, from several starts (seeds) each. A figure of a
curve (the area under it, or the AUC at a budget) is a weighted sum of its rounds' AUCs, and every AUC a mean over pairs
of patients; so rounds and starts can be added up before anything is resampled: one matrix of pairs a figure, and a
replicate is a product with two vectors of counts. Thousands of resampled curves take seconds.

What varies, and how it is drawn: patients within their division and stage, n − 1 of n with weights n / (n − 1), which
makes the variance unbiased (Rao & Wu 1988); they are the same patients for every start and strategy. Starts differ
because other items were asked and fitted. Part of how figures of starts differ is the patients' interaction with them,
which resampled patients show already; what goes beyond it (two-way analysis of variance, as for readers and cases)
is added from draws of S − 1 of the S starts, shrunk to that part. It says nothing of other training patients: that is
what the corrected resampled t-test over divisions is for, which takes divisions for a sample of all possible ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fibrostage.ground.draws import Draws
from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.estimate import Estimate
from fibrostage.stats.macro import FEWEST, classes_present

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ToldCurve:
    """A run's learning curve on n test patients: `probabilities` [R, n, K] of each round, and `weights` [E, R] with
    which each of E figures adds up the rounds' AUCs."""

    probabilities: Floats
    weights: Floats


@dataclass(frozen=True)
class PatientPairs:
    """What runs of one division say of its n patients: the means over starts of how often each pair is in order.

    By class present, `wins` is [E, m, n − m] (1, ½ or 0, added up by a figure's weights). By start, `values` is [S, E]
    and `parts` [S, E, n]: each patient's share in how far a value is off.
    """

    stages: NDArray[np.int64]
    wins: tuple[Floats, ...]
    values: Floats
    parts: Floats

    def minus(self, other: PatientPairs) -> PatientPairs:
        """The difference to what other runs say of the same patients, start by start."""
        wins = tuple(own - its for own, its in zip(self.wins, other.wins, strict=True))
        return PatientPairs(self.stages, wins, self.values - other.values, self.parts - other.parts)


@dataclass(frozen=True)
class Drawn:
    """A figure, its replicates [B] under resampled patients and starts, and why there are none where there are not."""

    value: float
    replicates: Floats
    why: str = ""

    def estimate(self, confidence: float = 0.95) -> Estimate:
        """The figure with its percentile interval; [v, v] where every resample gives the same."""
        if self.why:
            return Estimate(self.value, None, None, self.why)
        lo, hi = np.quantile(self.replicates, [(1 - confidence) / 2, (1 + confidence) / 2])
        return Estimate(self.value, float(lo), float(hi))

    @property
    def p(self) -> float | None:
        """Twice the share of replicates on the far side of zero, counting one more: the smallest is 2 / (B + 1)."""
        if self.why:
            return None
        below, above = (self.replicates <= 0).sum(), (self.replicates >= 0).sum()
        return float(min(1.0, 2 * (1 + min(below, above)) / (1 + len(self.replicates))))


def pairs_of(stages: NDArray[np.int64], curves: Sequence[ToldCurve]) -> PatientPairs:
    """The pairs of one division's patients with `stages` [n], told by the curves of one strategy, one a start.

    The AUC is the mean of the one-vs-rest AUCs of the classes that are present. Raises `StatisticsError` where fewer
    than two are, where there is no curve, or shapes do not fit.
    """
    if not curves:
        raise StatisticsError("a curve is compared from one start or more, got none")
    for curve in curves:
        rounds, n, _ = curve.probabilities.shape
        if n != len(stages) or curve.weights.shape[1] != rounds or not np.isfinite(curve.probabilities).all():
            raise StatisticsError(
                f"probabilities must be finite [{curve.weights.shape[1]}, {len(stages)}, K], got {(rounds, n)}"
            )
    figures = len(curves[0].weights)
    present = classes_present(stages, curves[0].probabilities.shape[2])
    values = np.zeros((len(curves), figures))
    parts = np.zeros((len(curves), figures, len(stages)))
    wins = []
    for k in present:
        upper, lower = np.flatnonzero(stages == k), np.flatnonzero(stages != k)
        total = np.zeros((figures, len(upper), len(lower)))
        for start, curve in enumerate(curves):
            own = in_order(curve, k, upper, lower)
            value = own.mean(axis=(1, 2))
            values[start] += value / len(present)
            parts[start][:, upper] += (own.mean(axis=2) - value[:, None]) / (len(upper) * len(present))
            parts[start][:, lower] += (own.mean(axis=1) - value[:, None]) / (len(lower) * len(present))
            total += own
        wins.append(total / len(curves))
    return PatientPairs(stages, tuple(wins), values, parts)


def in_order(curve: ToldCurve, k: int, upper: NDArray[np.int64], lower: NDArray[np.int64]) -> Floats:
    """Whether each patient of class k (`upper` [m]) is said to be likelier of it than each other (`lower` [n − m]),
    added up over rounds by each figure's weights: [E, m, n − m]."""
    total = np.zeros((len(curve.weights), len(upper), len(lower)))
    for probabilities, weights in zip(curve.probabilities, curve.weights.T, strict=True):
        if weights.any():
            apart = np.sign(probabilities[upper, k][:, None] - probabilities[lower, k])
            total += weights[:, None, None] * ((apart + 1) / 2)
    return total


def resampled(divisions: Sequence[PatientPairs], resamples: int, seed: int) -> list[Drawn]:
    """Draws patients and starts of `divisions` (of one strategy, or the difference of two) `resamples` times: one
    figure after another, each the mean over all runs.

    With one start there is none to draw, and the replicates are of patients alone. There is no interval, and `why` says
    so, where a division tests a single patient of a stage or all of them together fewer than four of one. Raises
    `StatisticsError` without a division, or where `resamples` is less than 1.
    """
    if not divisions or resamples < 1:
        raise StatisticsError(f"one division and one resample are needed, got {len(divisions)} and {resamples}")
    runs = np.array([len(own.values) for own in divisions], dtype=np.float64)
    shares = runs / runs.sum()
    value = sum(share * own.values.mean(axis=0) for share, own in zip(shares, divisions, strict=True))
    why = too_few(divisions)
    replicates = np.zeros((resamples, divisions[0].values.shape[1]))
    shrink = beyond_patients(divisions, shares)
    for number, (share, own) in enumerate(zip(shares, divisions, strict=True) if not why else ()):
        rng = Draws.CURVES.of(seed, number)
        replicates += share * of_patients(own, resamples, rng)
        starts = len(own.values)
        if starts > 1:
            counts = rng.multinomial(starts - 1, np.full(starts, 1 / starts), size=resamples) / (starts - 1)
            replicates += share * shrink * (counts @ (own.values - own.values.mean(axis=0)))
    return [Drawn(float(value[e]), replicates[:, e], why) for e in range(replicates.shape[1])]


def of_patients(own: PatientPairs, resamples: int, rng: np.random.Generator) -> Floats:
    """Replicates [B, E] of a division's figures over its patients, drawn within their stage."""
    counts = np.empty((resamples, len(own.stages)))
    for stage in np.unique(own.stages):
        members = np.flatnonzero(own.stages == stage)
        size = len(members)
        drawn = rng.multinomial(size - 1, np.full(size, 1 / size), size=resamples)
        counts[:, members] = drawn * (size / (size - 1))
    result = np.zeros((resamples, own.values.shape[1]))
    for k, wins in zip(classes_present(own.stages, int(own.stages.max()) + 1), own.wins, strict=True):
        upper, lower = counts[:, own.stages == k], counts[:, own.stages != k]
        for e, table in enumerate(wins):
            result[:, e] += np.einsum("bn,bn->b", upper @ table, lower) / (table.size * len(own.wins))
    return result


def beyond_patients(divisions: Sequence[PatientPairs], shares: Floats) -> Floats:
    """By what factor [E] deviations of starts from their mean are shrunk, so that what patients' interaction with
    starts explains of them is not counted twice: 0 where it explains all."""
    figures = divisions[0].values.shape[1]
    own_part, whole = np.zeros(figures), np.zeros(figures)
    for share, own in zip(shares, divisions, strict=True):
        starts = len(own.values)
        if starts < 2:
            continue
        apart = own.values.var(axis=0, ddof=1)
        each, together = variance(own.parts, own.stages).mean(axis=0), variance(own.parts.mean(axis=0), own.stages)
        interaction = (each - together) * starts / (starts - 1)
        own_part += share**2 * (apart - interaction) / starts
        whole += share**2 * apart / starts
    return np.sqrt(np.divide(np.maximum(own_part, 0), whole, out=np.zeros(figures), where=whole > 0))


def variance(parts: Floats, stages: NDArray[np.int64]) -> Floats:
    """The variance […] of a figure whose patients' parts are `parts` […, n], over patients drawn within their stage."""
    total = np.zeros(parts.shape[:-1])
    for stage in np.unique(stages):
        own = parts[..., stages == stage]
        if own.shape[-1] > 1:
            total += own.var(axis=-1, ddof=1) * own.shape[-1]
    return total


def too_few(divisions: Sequence[PatientPairs]) -> str:
    """Why patients cannot be drawn; empty where they can."""
    counts = [np.unique(own.stages, return_counts=True) for own in divisions]
    if any(number.min() < 2 for _, number in counts):
        return "no interval: a division tests a single patient of a stage"
    together: dict[int, int] = {}
    for stages, numbers in counts:
        for stage, number in zip(stages.tolist(), numbers.tolist(), strict=True):
            together[stage] = together.get(stage, 0) + number
    fewest = min(together.values())
    return f"no interval: a stage has {fewest} of the {FEWEST} patients it takes" if fewest < FEWEST else ""
