"""What a model's probabilities at a cut would say after recalibration for a site, told honestly.

A map that is fitted to patients and judged on the same ones flatters itself. So patients are divided, each part is
mapped by a fit to the others, and the figures are of these: "in the large" moves all logits by one number, "slope"
stretches them too (Cox 1958; Steyerberg 2019, chapter 20; Van Calster et al. 2019).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from fibrostage.ground.draws import Draws
from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.auc import check_labels
from fibrostage.stats.calibration import check_probabilities, intercept_of, slope_of
from fibrostage.stats.estimate import Estimate, undefined
from fibrostage.stats.operating import mean_interval
from fibrostage.stats.recalibration import EDGE, Mapped, fit_logistic, logit, mapped_by_others

PARTS = 5
FEWEST = 10  # patients on either side of a cut, below which nothing is recalibrated

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ProbabilityFigures:
    """Calibration in the large, slope and Brier score of probabilities at a cut."""

    intercept: Estimate
    slope: Estimate
    brier: Estimate


@dataclass(frozen=True)
class Recalibrated:
    """The probabilities as they come, moved in the large, and stretched too, each on patients its fit had not seen."""

    n: int
    positives: int
    carried: ProbabilityFigures
    in_the_large: ProbabilityFigures
    with_slope: ProbabilityFigures


def recalibrated_for_site(
    positive: ArrayLike, probabilities: ArrayLike, seed: int = 0, confidence: float = 0.95
) -> Recalibrated:
    """Judges probabilities [n] of patients with labels `positive` [n] before and after recalibration for their site.

    Where fewer than `FEWEST` patients are on a side, the recalibrated figures are undefined and say so. Raises
    `StatisticsError` where labels or probabilities are not what they must be.
    """
    labels = check_labels(positive)
    p = np.clip(check_probabilities(probabilities, len(labels)), EDGE, 1 - EDGE)
    positives = int(labels.sum())
    few = min(positives, len(labels) - positives)
    carried = figures_of(labels, p, confidence)
    if few < FEWEST:
        none = undefined(f"{few} patients on one side of the cut, {FEWEST} are needed to recalibrate")
        nothing = ProbabilityFigures(none, none, none)
        return Recalibrated(len(labels), positives, carried, nothing, nothing)
    moved, stretched = (
        figures_of(labels, cross_mapped(labels, p, fit, seed), confidence) for fit in (moved_by, mapped_by)
    )
    return Recalibrated(len(labels), positives, carried, moved, stretched)


def figures_of(labels: NDArray[np.bool_], p: Floats, confidence: float) -> ProbabilityFigures:
    """Intercept, slope and Brier score of probabilities [n] strictly between 0 and 1; each says why it is undefined."""
    y, logits = labels.astype(np.float64), logit(p)
    if labels.all() or not labels.any():
        none = undefined("all patients are on one side of the cut")
        return ProbabilityFigures(none, none, mean_or_why((y - p) ** 2, confidence))
    try:
        intercept, slope = intercept_of(y, logits, confidence), slope_of(y, logits, confidence)
    except StatisticsError as error:
        intercept = slope = undefined(str(error))
    return ProbabilityFigures(intercept, slope, mean_or_why((y - p) ** 2, confidence))


def mean_or_why(values: Floats, confidence: float) -> Estimate:
    """The mean of squared errors [n] with its interval, or why there is none."""
    try:
        return mean_interval(values, confidence)
    except StatisticsError as error:
        return undefined(str(error))


Fit = Callable[[Floats, Floats], Mapped]


def cross_mapped(labels: NDArray[np.bool_], p: Floats, fit: Fit, seed: int) -> Floats:
    """Probabilities [n], each mapped by a fit to the patients of the other parts; parts are drawn within labels."""
    rng, parts = Draws.SITE_RECALIBRATION.of(seed), np.empty(len(labels), dtype=np.int64)
    for side in (True, False):
        rows = rng.permutation(np.flatnonzero(labels == side))
        parts[rows] = np.arange(len(rows)) % PARTS
    mapped = mapped_by_others(p, parts, lambda rest: fit(labels[rest].astype(np.float64), p[rest]))
    return np.clip(mapped, EDGE, 1 - EDGE)


def moved_by(y: Floats, p: Floats) -> Mapped:
    """The map that moves all logits by the calibration in the large of labels y [n] and probabilities p [n]."""
    by = intercept_of(y, logit(p), 0.95).value or 0.0
    return lambda told: np.asarray(expit(logit(told) + by))


def mapped_by(y: Floats, p: Floats) -> Mapped:
    """The logistic map fitted to labels y [n] and probabilities p [n], held as `recalibration` holds it."""
    return fit_logistic(y, p)
