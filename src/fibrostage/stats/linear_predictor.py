"""How a model's linear predictor (the logit of its probability) is spread over patients, as sample sizes need it.

A distribution is held as points with weights, so that every mean over patients is a sum: nothing is simulated, and the
same question always has the same answer. Where only prevalence and AUC are hoped for, the predictor is normal among
negatives and among positives with one standard deviation σ = √2 Φ⁻¹(AUC) and means σ² apart; such a predictor is
calibrated exactly (Riley et al. 2021, Statistics in Medicine 40:4230, §5; Austin & Steyerberg 2012).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtri, xlogy

from fibrostage.ground.errors import StatisticsError

POINTS = 4001  # of a normal distribution
REACH = 9.0  # standard deviations to either side


@dataclass(frozen=True)
class LinearPredictor:
    """Logits [g] and the share of patients at each, `weights` [g], which sum to 1."""

    logits: NDArray[np.float64]
    weights: NDArray[np.float64]

    @property
    def prevalence(self) -> float:
        """The share of positives that the probabilities stand for."""
        return float(self.weights @ expit(self.logits))

    def information(self) -> tuple[float, float, float]:
        """What a patient tells of the calibration's intercept, of intercept and slope together, and of the slope.

        They are the elements of Fisher's information of logit P(y) = a + b · logit at a = 0 and b = 1 (Riley et al.
        2021, equation 7).
        """
        p = expit(self.logits)
        told = self.weights * p * (1 - p)
        return float(told.sum()), float(told @ self.logits), float(told @ self.logits**2)

    def cox_snell(self) -> float:
        """Cox and Snell's R² that a model with these probabilities has, 1 − exp(−LR / n)."""
        p, q = expit(self.logits), expit(-self.logits)
        fitted = float(self.weights @ (xlogy(p, p) + xlogy(q, q)))
        return 1 - math.exp(2 * (log_likelihood_of_none(self.prevalence) - fitted))


def log_likelihood_of_none(prevalence: float) -> float:
    """A patient's log-likelihood where everybody is given the prevalence."""
    return float(xlogy(prevalence, prevalence) + xlogy(1 - prevalence, 1 - prevalence))


def check_share(**shares: float) -> None:
    """Raises `StatisticsError` for a share, named by its keyword, that does not lie between 0 and 1."""
    for name, value in shares.items():
        if not 0 < value < 1:
            raise StatisticsError(f"{name.replace('_', ' ')} lies between 0 and 1, got {value:g}")


def normal_predictor(mean: float, sd: float) -> LinearPredictor:
    """A linear predictor that is normal over all patients, as published distributions are often told.

    Raises `StatisticsError` where `sd` is not above 0 or one of the two is not finite.
    """
    if not (math.isfinite(mean) and math.isfinite(sd) and sd > 0):
        raise StatisticsError(
            f"a linear predictor has a finite mean and a standard deviation above 0, got {mean}, {sd}"
        )
    steps = np.linspace(-REACH, REACH, POINTS)
    weights = np.exp(-steps * steps / 2)
    return LinearPredictor(mean + sd * steps, weights / weights.sum())


def predictor_of_auc(auc: float, prevalence: float) -> LinearPredictor:
    """The calibrated linear predictor that has this AUC at this prevalence, normal among negatives and positives.

    Raises `StatisticsError` where `prevalence` does not lie between 0 and 1, or `auc` between 0.5 and 1.
    """
    check_share(prevalence=prevalence)
    if not 0.5 < auc < 1:
        raise StatisticsError(f"an AUC hoped for lies between 0.5 and 1, got {auc:g}")
    sd = math.sqrt(2) * float(ndtri(auc))
    middle = math.log(prevalence / (1 - prevalence))
    below, above = (normal_predictor(middle + side * sd * sd / 2, sd) for side in (-1, 1))
    return LinearPredictor(
        np.concatenate([below.logits, above.logits]),
        np.concatenate([(1 - prevalence) * below.weights, prevalence * above.weights]),
    )
