"""The average of the one-vs-rest AUCs of all classes, with a patient bootstrap.

The bootstrap is vectorised by weights: scores are sorted once per class, a resample is a vector of counts, and
a weighted AUC is a cumulative sum. Resampling is within each class, as pROC does, so every resample has all
classes and no replicate is undefined.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fibrostage.errors import StatisticsError
from fibrostage.stats.auc import auc
from fibrostage.stats.estimate import Estimate

BLOCK = 250  # resamples at once: bounds the memory


def classes_present(stages: NDArray[np.int64], classes: int) -> list[int]:
    """The classes for which a one-vs-rest AUC exists: those with at least one patient, when there are two."""
    present = [k for k in range(classes) if (stages == k).any()]
    if len(present) < 2:
        raise StatisticsError(f"an AUC needs patients of two classes, got {len(present)}")
    return present


def macro_auc(stages: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean one-vs-rest AUC over the classes present; probabilities [n, K]."""
    labels, table = np.asarray(stages, dtype=np.int64), np.asarray(probabilities, dtype=np.float64)
    present = classes_present(labels, table.shape[1])
    return float(np.mean([auc(labels == k, table[:, k]) for k in present]))


def stratified_counts(strata: NDArray[np.int64], resamples: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """How often each row occurs in each resample [resamples, n], drawn with replacement within strata."""
    counts = np.zeros((resamples, len(strata)), dtype=np.float32)
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        share = np.full(len(members), 1 / len(members))
        counts[:, members] = rng.multinomial(len(members), share, size=resamples)
    return counts


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

    def weighted(self, counts: NDArray[np.float32]) -> NDArray[np.float64]:
        """AUC of each resample [B] from counts [B, n]."""
        cumulative = np.zeros((len(counts), len(self.negatives) + 1), dtype=np.float64)
        np.cumsum(counts[:, self.negatives], axis=1, out=cumulative[:, 1:])
        weights = counts[:, self.positives].astype(np.float64)
        placed = cumulative[:, self.below]
        placed += cumulative[:, self.upto]
        wins = np.einsum("bp,bp->b", weights, placed) / 2
        return np.asarray(wins / (weights.sum(axis=1) * cumulative[:, -1]))


def bootstrap_macro_auc(
    stages: ArrayLike, probabilities: ArrayLike, resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Replicates [resamples] of the mean one-vs-rest AUC over patients resampled within their stage."""
    labels, table = np.asarray(stages, dtype=np.int64), np.asarray(probabilities, dtype=np.float64)
    present = classes_present(labels, table.shape[1])
    curves = [SortedScores(labels == k, table[:, k]) for k in present]
    blocks = []
    for start in range(0, resamples, BLOCK):
        counts = stratified_counts(labels, min(BLOCK, resamples - start), rng)
        blocks.append(np.mean([curve.weighted(counts) for curve in curves], axis=0))
    return np.concatenate(blocks)


def macro_auc_interval(
    stages: ArrayLike,
    probabilities: ArrayLike,
    resamples: int,
    seed: int,
    confidence: float = 0.95,
) -> Estimate:
    """Mean one-vs-rest AUC with a percentile bootstrap interval over patients."""
    value = macro_auc(stages, probabilities)
    replicates = bootstrap_macro_auc(stages, probabilities, resamples, np.random.default_rng([seed, 4]))
    tail = (1 - confidence) / 2
    lo, hi = np.quantile(replicates, [tail, 1 - tail])
    return Estimate(value, float(lo), float(hi))
