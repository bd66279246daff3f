"""Figures of patients who were not drawn alike: each counts as many times as patients like it were left out.

A strategy's answers are no random sample. Where the chance is known with which each patient came to be answered, its
inverse is the weight that makes a figure speak of everybody (Horvitz & Thompson 1952, Hájek 1971; for labels that a
model chose, Farquhar, Gal & Rainforth 2021, Kossen et al. 2021).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fibrostage.ground.draws import Draws
from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.bootstrap import blocks, interval, stratified_counts
from fibrostage.stats.estimate import Estimate, wilson_share
from fibrostage.stats.macro import FEWEST, SortedScores, classes_present


def chance_of_answer(patients: int, kept: int, audited: int, wanted: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The chance [n] with which each of n patients came to be answered; `wanted` [n] are those a strategy asks for.

    Of so many `patients` so many were `kept` from the strategy at random, and of these so many are `audited` by now:
    anybody is with the chance audited / patients, and who is wanted is also asked unless kept. Raises `StatisticsError`
    where the counts do not fit each other.
    """
    if not 0 <= audited <= kept <= patients or not patients:
        raise StatisticsError(f"of {patients} patients {kept} cannot be kept and {audited} of them audited")
    drawn = audited / patients
    return np.where(wanted, 1 - kept / patients + drawn, drawn)


def effective_n(weights: NDArray[np.float64]) -> float:
    """How many equally weighted patients say as much as these weights [n] (Kish 1965)."""
    return float(weights.sum() ** 2 / (weights**2).sum())


def weighted_accuracy(right: ArrayLike, weights: ArrayLike, confidence: float = 0.95) -> Estimate:
    """The share of patients called right, each counted by weight, with Wilson's interval at the effective number.

    `right` and `weights` are [n]. Raises `StatisticsError` where they are of different length, empty, or a weight is
    not above 0.
    """
    hits, table = np.asarray(right, dtype=np.float64), check_weights(weights)
    if hits.shape != table.shape:
        raise StatisticsError(f"weights must be as many as patients, got {table.shape} for {hits.shape}")
    return wilson_share(float((hits * table).sum() / table.sum()), effective_n(table), confidence)


def weighted_macro_auc(
    stages: ArrayLike,
    probabilities: ArrayLike,
    weights: ArrayLike,
    resamples: int,
    seed: int,
    confidence: float = 0.95,
) -> Estimate:
    """The mean one-vs-rest AUC, each pair of patients counted by their weights, with a bootstrap interval.

    `stages` [n] are indices, `probabilities` [n, K], `weights` [n]. Patients are resampled within their stage with
    their weights; with fewer than four of a stage there is no interval, and `why` says so. Raises `StatisticsError`
    where fewer than two classes occur, or a weight is not above 0.
    """
    labels, table = np.asarray(stages, dtype=np.int64), np.asarray(probabilities, dtype=np.float64)
    own = check_weights(weights).astype(np.float32)
    present = classes_present(labels, table.shape[1])
    curves = [SortedScores(labels == k, table[:, k]) for k in present]
    value = float(np.mean([curve.weighted(own[None])[0] for curve in curves]))
    fewest = min(int((labels == k).sum()) for k in present)
    if fewest < FEWEST:
        return Estimate(value, None, None, f"no interval: a stage has {fewest} of the {FEWEST} patients it takes")
    rng, replicates = Draws.MACRO_AUC.of(seed), []
    for size in blocks(len(labels), resamples):
        counts = stratified_counts(labels, size, rng) * own
        replicates.append(np.mean([curve.weighted(counts) for curve in curves], axis=0))
    return interval(value, np.concatenate(replicates), confidence, "percentile", list)


def check_weights(weights: ArrayLike) -> NDArray[np.float64]:
    """Weights [n] as numbers; raises `StatisticsError` where there are none, or one is not above 0."""
    table = np.asarray(weights, dtype=np.float64)
    if not table.size or not np.isfinite(table).all() or (table <= 0).any():
        raise StatisticsError("weights must be one or more numbers above 0")
    return table
