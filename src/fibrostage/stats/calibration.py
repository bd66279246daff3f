"""Calibration: do patients given a probability of 0.3 have the stage three times in ten?

Intercept (calibration in the large) and slope are of the logistic recalibration logit P(y) = a + b · logit(p):
0 and 1 when perfect; a slope below 1 says that probabilities are too extreme (Van Calster et al. 2019).
Probabilities of exactly 0 or 1 have no logit; they are an error, never nudged inwards.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fibrostage.ground.draws import Draws
from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.auc import check_labels
from fibrostage.stats.estimate import Estimate, quantile, undefined, wilson
from fibrostage.stats.operating import mean_interval


@dataclass(frozen=True)
class CalibrationBin:
    """Patients of like probability: their mean, and the share that is positive."""

    n: int
    mean_probability: float
    observed: Estimate


@dataclass(frozen=True)
class Calibration:
    """`scaled_brier` is 1 − Brier / Brier of always saying the prevalence; `ece` weighs the bins' gaps by size."""

    n: int
    positives: int
    intercept: Estimate
    slope: Estimate
    brier: Estimate
    scaled_brier: Estimate
    ece: Estimate
    bins: tuple[CalibrationBin, ...]


def check_probabilities(probabilities: ArrayLike, n: int) -> NDArray[np.float64]:
    """Returns probabilities [n] as numbers; raises `StatisticsError` for another shape or a value outside 0–1."""
    p = np.asarray(probabilities, dtype=np.float64)
    if p.shape != (n,):
        raise StatisticsError(f"labels and probabilities must be equally long vectors, got {(n,)} and {p.shape}")
    outside = ~((p >= 0) & (p <= 1))
    if outside.any():
        raise StatisticsError(f"{int(outside.sum())} of {n} probabilities lie outside 0–1 or are not numbers")
    return p


def calibrate(
    positive: ArrayLike,
    probabilities: ArrayLike,
    bins: int = 10,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Calibration:
    """Computes how well probabilities are calibrated: intercept, slope, Brier scores, ECE, and the bins of a curve.

    `positive` [n] are labels and `probabilities` [n] lie in 0–1; rows are patients. The scaled Brier score and the ECE
    have percentile bootstrap intervals. Intercept and slope are undefined, and say why, where a probability is exactly
    0 or 1. Raises `StatisticsError` where there are no positives or no negatives, lengths differ, a label is not true
    or false (1 or 0), a probability lies outside 0–1, `bins` or `resamples` is less than 1, or the logistic fit does
    not converge.
    """
    labels = check_labels(positive)
    p = check_probabilities(probabilities, len(labels))
    positives = int(labels.sum())
    if positives in (0, len(labels)):
        raise StatisticsError(f"calibration needs positives and negatives, got {positives} positives of {len(labels)}")
    y = labels.astype(np.float64)
    inside = bool(((p > 0) & (p < 1)).all())
    if inside:
        logits = np.log(p) - np.log1p(-p)
        intercept, slope = intercept_of(y, logits, confidence), slope_of(y, logits, confidence)
    else:
        extreme = int(((p == 0) | (p == 1)).sum())
        intercept = slope = undefined(f"{extreme} probabilities are exactly 0 or 1 and have no logit")
    if resamples < 1:
        raise StatisticsError(f"a bootstrap needs one resample or more, got {resamples}")
    edges = bin_edges(p, bins)
    rng = Draws.CALIBRATION.of(seed)
    replicates = np.array([scaled_and_ece(y[rows], p[rows], edges) for rows in resampled(len(y), resamples, rng)])
    scaled, ece = scaled_and_ece(y, p, edges)
    tail = (1 - confidence) / 2
    lows, highs = np.nanquantile(replicates, [tail, 1 - tail], axis=0)
    return Calibration(
        len(y), positives, intercept, slope, mean_interval((y - p) ** 2, confidence),
        Estimate(scaled, float(lows[0]), float(highs[0])),
        Estimate(ece, float(lows[1]), float(highs[1])),
        calibration_bins(labels, p, edges, confidence),
    )  # fmt: skip


def resampled(n: int, resamples: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draws row numbers 0 … n−1 with replacement, one resample a row: [resamples, n]."""
    return rng.integers(0, n, size=(resamples, n))


def bin_edges(p: NDArray[np.float64], bins: int) -> NDArray[np.float64]:
    """Returns the inner edges [at most bins − 1] between bins, which lie at quantiles of the probabilities `p` [n].

    Bins hold equally many patients where probabilities do not tie. Raises `StatisticsError` where `bins` is less than
    1.
    """
    if bins < 1:
        raise StatisticsError(f"a calibration curve needs one bin or more, got {bins}")
    return np.unique(np.quantile(p, np.arange(1, bins) / bins))


def calibration_bins(
    labels: NDArray[np.bool_], p: NDArray[np.float64], edges: NDArray[np.float64], confidence: float
) -> tuple[CalibrationBin, ...]:
    """Summarises the patients of each bin that has any, from the lowest probability up.

    `labels` [n] are booleans, `p` [n] probabilities, and `edges` [E] the inner edges of E + 1 bins.
    """
    which = np.searchsorted(edges, p, side="right")
    made = []
    for b in np.unique(which):
        rows = which == b
        observed = wilson(int(labels[rows].sum()), int(rows.sum()), confidence)
        made.append(CalibrationBin(int(rows.sum()), float(p[rows].mean()), observed))
    return tuple(made)


def scaled_and_ece(y: NDArray[np.float64], p: NDArray[np.float64], edges: NDArray[np.float64]) -> tuple[float, float]:
    """Computes the scaled Brier score and the expected calibration error of probabilities `p` [n].

    `y` [n] is 1 for positives and 0 for negatives, and `edges` [E] are the inner edges of the bins. The scaled Brier
    score is NaN where all labels are equal.
    """
    prevalence = y.mean()
    base = prevalence * (1 - prevalence)
    scaled = 1 - float(np.mean((y - p) ** 2)) / base if base > 0 else math.nan
    gaps = np.bincount(np.searchsorted(edges, p, side="right"), y - p)
    return scaled, float(np.abs(gaps).sum() / len(y))


def intercept_of(y: NDArray[np.float64], logits: NDArray[np.float64], confidence: float) -> Estimate:
    """Fits a of logit P(y) = a + logit(p) to labels `y` [n] of 0 and 1 and to `logits` [n] of the probabilities.

    It is undefined, and says so, where the fit is singular. Raises `StatisticsError` where the fit does not converge.
    """
    try:
        coefficients, covariance = logistic(np.ones((len(y), 1)), y, logits)
    except np.linalg.LinAlgError:
        return undefined("the probabilities are too extreme for a logistic fit")
    return wald(coefficients[0], covariance[0, 0], confidence)


def slope_of(y: NDArray[np.float64], logits: NDArray[np.float64], confidence: float) -> Estimate:
    """Fits b of logit P(y) = a + b · logit(p) to labels `y` [n] of 0 and 1 and to `logits` [n] of the probabilities.

    It is undefined, and says so, where p separates the labels, is the same for all, or makes the fit singular. Raises
    `StatisticsError` where the fit does not converge.
    """
    if logits.max() - logits.min() < 1e-12:
        return undefined("all probabilities are equal")
    low, high = logits[y == 1], logits[y == 0]
    if low.min() >= high.max() or low.max() <= high.min():
        return undefined("the probabilities separate the labels: the slope has no finite value")
    try:
        coefficients, covariance = logistic(np.stack([np.ones(len(y)), logits], axis=1), y, np.zeros(len(y)))
    except np.linalg.LinAlgError:
        return undefined("the probabilities are too extreme for a logistic fit")
    return wald(coefficients[1], covariance[1, 1], confidence)


def wald(value: float, variance: float, confidence: float) -> Estimate:
    """Returns a coefficient with its normal interval; raises `StatisticsError` for a confidence outside (0, 1)."""
    half = quantile(confidence) * math.sqrt(variance)
    return Estimate(float(value), float(value - half), float(value + half), se=math.sqrt(variance))


def logistic(
    design: NDArray[np.float64], y: NDArray[np.float64], offset: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fits a logistic regression by maximum likelihood; returns the coefficients [c] and their covariance [c, c].

    `design` is [n, c], `y` [n] holds 0 and 1, and `offset` [n] is added to the linear predictor. The method is
    Newton's, with steps halved until they help. Raises `StatisticsError` where 100 steps do not converge, and numpy's
    `LinAlgError` where the information matrix is singular.
    """
    beta = np.zeros(design.shape[1])

    def loss(at: NDArray[np.float64]) -> float:
        eta = design @ at + offset
        return float(np.sum(np.logaddexp(0, eta) - y * eta))

    current = loss(beta)
    for _ in range(100):
        p = 1 / (1 + np.exp(-(design @ beta + offset)))
        information = design.T @ (design * (p * (1 - p))[:, None])
        step = np.linalg.solve(information, design.T @ (y - p))
        size = 1.0
        while (proposed := loss(beta + size * step)) > current and size > 1e-10:
            size /= 2
        beta, current = beta + size * step, min(current, proposed)
        if np.abs(size * step).max() < 1e-12:
            break
    else:
        raise StatisticsError("logistic recalibration did not converge; are the labels separated by the probabilities?")
    p = 1 / (1 + np.exp(-(design @ beta + offset)))
    covariance = np.linalg.inv(design.T @ (design * (p * (1 - p))[:, None]))
    return beta, np.asarray(covariance, dtype=np.float64)
