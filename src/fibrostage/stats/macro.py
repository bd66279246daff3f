"""The average of the one-vs-rest AUCs of all classes, with a patient bootstrap.

Scores are sorted once a class; the AUC of a resample is then a cumulative sum over how often each patient was drawn.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fibrostage.ground.draws import Draws
from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.auc import auc, check_binary
from fibrostage.stats.bootstrap import Method, blocks, interval, stratified_counts
from fibrostage.stats.concordance import Difference, against_none, placements
from fibrostage.stats.estimate import Estimate

FEWEST = 4  # patients of a stage; with fewer, 95 % intervals hold the truth in .34 to .90 of simulated test sets


def classes_present(stages: NDArray[np.int64], classes: int) -> list[int]:
    """Returns the classes for which a one-vs-rest AUC exists: those that occur among `stages` [n].

    Raises `StatisticsError` where fewer than two of the K `classes` occur.
    """
    present = [k for k in range(classes) if (stages == k).any()]
    if len(present) < 2:
        raise StatisticsError(f"an AUC needs patients of two classes, got {len(present)}")
    return present


def macro_auc(stages: ArrayLike, probabilities: ArrayLike) -> float:
    """Averages the one-vs-rest AUCs of the classes present, from stage indices [n] and probabilities [n, K].

    Raises `StatisticsError` where fewer than two classes occur, or a probability is not finite.
    """
    labels, table = np.asarray(stages, dtype=np.int64), np.asarray(probabilities, dtype=np.float64)
    present = classes_present(labels, table.shape[1])
    return float(np.mean([auc(labels == k, table[:, k]) for k in present]))


class SortedScores:
    """One class's scores, sorted once, so that the AUC of any resample is a cumulative sum."""

    def __init__(self, positive: NDArray[np.bool_], scores: NDArray[np.float64]) -> None:
        order = np.argsort(scores, kind="stable")
        sorted_scores = scores[order]
        is_positive = positive[order]
        self.positives = order[is_positive]
        self.negatives = order[~is_positive]
        negative_scores = sorted_scores[~is_positive]
        own = sorted_scores[is_positive]
        self.below = np.searchsorted(negative_scores, own, side="left")
        self.upto = np.searchsorted(negative_scores, own, side="right")
        self.tied = not np.array_equal(self.below, self.upto)

    def weighted(self, counts: NDArray[np.float32]) -> NDArray[np.float64]:
        """AUC of each resample [B] from counts [B, n]."""
        cumulative = np.zeros((len(counts), len(self.negatives) + 1))
        np.cumsum(counts[:, self.negatives], axis=1, out=cumulative[:, 1:])
        weights = counts[:, self.positives].astype(np.float64)
        placed = cumulative[:, self.below]
        if self.tied:
            placed += cumulative[:, self.upto]
            placed /= 2
        wins = np.einsum("bp,bp->b", weights, placed)
        return np.asarray(wins / (weights.sum(axis=1) * cumulative[:, -1]))


def bootstrap_macro_auc(
    stages: ArrayLike, probabilities: ArrayLike, resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Returns replicates [resamples] of the mean one-vs-rest AUC over patients resampled within their stage.

    `stages` [n] are indices and `probabilities` is [n, K]. Raises `StatisticsError` where fewer than two classes occur,
    or `resamples` is less than 1.
    """
    labels, table = np.asarray(stages, dtype=np.int64), np.asarray(probabilities, dtype=np.float64)
    present = classes_present(labels, table.shape[1])
    curves = [SortedScores(labels == k, table[:, k]) for k in present]
    replicates = []
    for size in blocks(len(labels), resamples):
        counts = stratified_counts(labels, size, rng)
        replicates.append(np.mean([curve.weighted(counts) for curve in curves], axis=0))
    return np.concatenate(replicates)


def macro_influences(labels: NDArray[np.int64], table: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Returns jackknife influence values of the macro AUC without refitting anything: a vector [its patients] a stage.

    `labels` [n] are stage indices and `table` [n, K] probabilities. Leaving a positive out of an AUC of m positives
    changes it by (AUC − its placement) / (m − 1), and so for the negatives; influence is (stage size − 1) × (mean over
    left-out values − value left out).
    """
    present = classes_present(labels, table.shape[1])
    left_out = np.zeros(len(labels))
    for k in present:
        positive = labels == k
        of_lower, of_upper = placements(table[~positive, k], table[positive, k])
        value = of_upper.mean()
        for rows, placed in ((positive, of_upper), (~positive, of_lower)):
            left_out[rows] += (value + (value - placed) / max(rows.sum() - 1, 1)) / len(present)
    stages = [left_out[labels == k] for k in present]
    return [(len(own) - 1) * (own.mean() - own) for own in stages]


def macro_auc_interval(
    stages: ArrayLike,
    probabilities: ArrayLike,
    resamples: int,
    seed: int,
    confidence: float = 0.95,
    method: Method = "percentile",
) -> Estimate:
    """Computes the mean one-vs-rest AUC with a bootstrap interval over patients, drawn within their stage.

    `stages` [n] are indices and `probabilities` is [n, K]. Where a stage has fewer than `FEWEST` patients an
    interval would claim more than it knows, so there is none, and `why` says it. Raises `StatisticsError`
    where fewer than two classes occur, a probability is not finite, `resamples` is less than 1, or `method` is unknown.
    """
    labels, table = np.asarray(stages, dtype=np.int64), np.asarray(probabilities, dtype=np.float64)
    value = macro_auc(labels, table)
    fewest = min(int((labels == k).sum()) for k in classes_present(labels, table.shape[1]))
    if fewest < FEWEST:
        return Estimate(value, None, None, f"no interval: a stage has {fewest} of the {FEWEST} patients it takes")
    replicates = bootstrap_macro_auc(labels, table, resamples, Draws.MACRO_AUC.of(seed))
    return interval(value, replicates, confidence, method, lambda: macro_influences(labels, table))


def macro_difference(stages: ArrayLike, first: ArrayLike, second: ArrayLike, confidence: float = 0.95) -> Difference:
    """Computes the first mean one-vs-rest AUC minus the second, of the same patients, with interval and paired test.

    `stages` [n] are indices; `first` and `second` are probabilities [n, K]. The error is the jackknife's over patients
    within their stage, which of two classes is DeLong's, digit for digit. Where a stage has fewer than `FEWEST`
    patients there is no test, and `why` says it. Raises `StatisticsError` where fewer than two classes occur, or a
    probability is not finite.
    """
    labels = np.asarray(stages, dtype=np.int64)
    tables = [np.asarray(table, dtype=np.float64) for table in (first, second)]
    value = macro_auc(labels, tables[0]) - macro_auc(labels, tables[1])
    fewest = min(int((labels == k).sum()) for k in classes_present(labels, tables[0].shape[1]))
    if fewest < FEWEST:
        why = f"no interval: a stage has {fewest} of the {FEWEST} patients it takes"
        return Difference(value, None, None, None, None, None, why=why)
    influences = zip(*(macro_influences(labels, table) for table in tables), strict=True)
    variance = sum(float(((a - b) ** 2).sum()) / (len(a) * (len(a) - 1)) for a, b in influences)
    return against_none(value, math.sqrt(variance), confidence)


def bootstrap_auc_interval(
    positive: ArrayLike,
    scores: ArrayLike,
    resamples: int,
    seed: int,
    confidence: float = 0.95,
    method: Method = "percentile",
) -> Estimate:
    """Computes the AUC of scores [n] for labels `positive` [n], with a bootstrap interval over patients.

    Patients are drawn within positives and negatives. Raises `StatisticsError` where the AUC does not exist (see
    `check_binary`), `resamples` is less than 1, or `method` is unknown.
    """
    labels, values = check_binary(positive, scores)
    strata = labels.astype(np.int64)
    curve = SortedScores(labels, values)
    rng = Draws.MACRO_DIFFERENCE.of(seed)
    replicates = [curve.weighted(stratified_counts(strata, size, rng)) for size in blocks(len(labels), resamples)]

    def influences() -> list[NDArray[np.float64]]:
        of_lower, of_upper = placements(values[~labels], values[labels])
        return [own - own.mean() for own in (of_lower, of_upper)]

    return interval(auc(labels, values), np.concatenate(replicates), confidence, method, influences)
