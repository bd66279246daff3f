"""Accuracy for ordered stages: Obuchowski's index, and the plain mean of pairwise AUCs.

θ = 1 − Σ_{i<j} w_ij L_ij (1 − AUC_ij) (Obuchowski, Acad. Radiol. 2006): w_ij is how often a pair of patients
is of stages i and j, L_ij in [0, 1] what confusing the two costs. One comparison instead of one a cut, and,
with reference weights, one that does not move with the stage mix of a study.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.auc import check_clusters, check_scores
from fibrostage.stats.concordance import Concordance, concordance, placements

Penalty = Literal["linear", "unit"]


def penalties(penalty: Penalty | ArrayLike, classes: int) -> NDArray[np.float64]:
    """Returns L [K, K]: |i − j| / (K − 1) for "linear", 1 off the diagonal for "unit", or the caller's own [K, K].

    Raises `StatisticsError` where the name is another, or the matrix has another shape, is not symmetric, leaves 0–1,
    or has a diagonal that is not 0.
    """
    distance = np.abs(np.subtract.outer(np.arange(classes), np.arange(classes)))
    if isinstance(penalty, str):
        if penalty == "linear":
            return distance / max(classes - 1, 1)
        if penalty == "unit":
            return (distance > 0).astype(np.float64)
        raise StatisticsError(f"penalty {penalty!r} is not 'linear', 'unit' or a matrix")
    table = np.asarray(penalty, dtype=np.float64)
    if table.shape != (classes, classes):
        raise StatisticsError(f"penalties must be a {classes}×{classes} matrix, got shape {table.shape}")
    if not ((table >= 0) & (table <= 1)).all() or not np.array_equal(table, table.T) or np.diag(table).any():
        raise StatisticsError("penalties must be symmetric, between 0 and 1, and 0 on the diagonal")
    return table


def pair_weights(shares: ArrayLike) -> NDArray[np.float64]:
    """Returns w [K, K], how often a pair of patients is of stages i < j, from how common each stage is, `shares` [K].

    Weights stand above the diagonal and sum to 1. Raises `StatisticsError` where shares are no vector, one is negative
    or not finite, or fewer than two are above 0.
    """
    share = np.asarray(shares, dtype=np.float64)
    if share.ndim != 1 or not np.isfinite(share).all() or (share < 0).any():
        raise StatisticsError(f"stage shares must be finite and not negative, got {np.asarray(shares).tolist()}")
    pairs = np.triu(np.outer(share, share), 1)
    if pairs.sum() == 0:
        raise StatisticsError("an index over stages needs patients of two stages")
    return pairs / pairs.sum()


def obuchowski(
    stages: ArrayLike,
    scores: ArrayLike,
    classes: int,
    penalty: Penalty | ArrayLike = "linear",
    prevalence: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    names: Sequence[str] = (),
) -> Concordance:
    """Computes Obuchowski's index of scores [n] or [k, n] for stages [n] in 0 … K−1, with variance and covariance.

    Pairs are weighed by the stages found, or by `prevalence` [K] of a reference population. `clusters` [n] names the
    patient of each row. Raises `StatisticsError` where a stage that weighs anything has fewer than two patients (it is
    named by `names`), where a shape does not fit, or where a stage, score, penalty or prevalence is not allowed.
    """
    truth = np.asarray(stages, dtype=np.int64)
    table = check_scores(scores, len(truth))
    if len(truth) and (truth.min() < 0 or truth.max() >= classes):
        raise StatisticsError(f"stages must be 0 … {classes - 1}, got {truth.min()} … {truth.max()}")
    counts = np.bincount(truth, minlength=classes)
    if prevalence is not None and np.shape(prevalence) != (classes,):
        raise StatisticsError(f"prevalence needs {classes} shares, one a stage, got shape {np.shape(prevalence)}")
    shares = counts if prevalence is None else np.asarray(prevalence, dtype=np.float64)
    weights = pair_weights(shares) * penalties(penalty, classes)
    units = counts
    if clusters is not None:
        clusters = check_clusters(clusters, len(truth))
        units = np.array([len(np.unique(clusters[truth == k])) for k in range(classes)])
    for k in np.flatnonzero((shares > 0) & (units < 2)).tolist():
        name = names[k] if names else k
        raise StatisticsError(f"the index needs two patients of every stage it weighs; stage {name} has {units[k]}")
    used = np.flatnonzero(shares > 0)  # stages without weight take no part
    kept = np.isin(truth, used)
    return concordance(
        np.searchsorted(used, truth[kept]),
        table[:, kept],
        weights[np.ix_(used, used)],
        None if clusters is None else clusters[kept],
    )


def pairwise_aucs(stages: ArrayLike, scores: ArrayLike) -> dict[tuple[int, int], float]:
    """Returns the AUC of each pair of stages that occur, the higher stage positive, by (lower, higher) stage.

    `stages` [n] are indices and `scores` is [n]. Raises `StatisticsError` where lengths differ or a score is not
    finite.
    """
    truth = np.asarray(stages, dtype=np.int64)
    values = check_scores(scores, len(truth))[0]
    present = np.unique(truth)
    return {
        (int(i), int(j)): float(placements(values[truth == i], values[truth == j])[1].mean())
        for a, i in enumerate(present)
        for j in present[a + 1 :]
    }


def mean_pairwise_auc(stages: ArrayLike, scores: ArrayLike, turn_pairs: bool = False) -> float:
    """Computes Hand and Till's M (2001) of scores [n] for stages [n]: the unweighted mean AUC over pairs of stages.

    `turn_pairs` counts each pair the way its two medians point, as pROC's multiclass.roc does: it flatters a score that
    puts two stages in the wrong order. Raises `StatisticsError` where fewer than two stages occur, lengths differ, or a
    score is not finite.
    """
    truth, values = np.asarray(stages, dtype=np.int64), np.asarray(scores, dtype=np.float64)
    pairs = pairwise_aucs(truth, values)
    if not pairs:
        raise StatisticsError("a mean over pairs of stages needs patients of two stages")
    medians = {k: np.median(values[truth == k]) for k in np.unique(truth)}
    turned = [1 - area if turn_pairs and medians[i] > medians[j] else area for (i, j), area in pairs.items()]
    return float(np.mean(turned))
