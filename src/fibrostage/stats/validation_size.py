"""How many patients it takes to validate a model on patients it has not seen, after Riley et al. 2021.

Four figures are to be known well enough: the ratio of observed to expected positives, the slope of the calibration, the
AUC, and, where a threshold is to be used, the net benefit. (Riley RD, Debray TPA, Collins GS, et al. Minimum sample
size for external validation of a clinical prediction model with a binary outcome. Stat Med 2021;40:4230.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.estimate import quantile
from fibrostage.stats.linear_predictor import LinearPredictor, check_share
from fibrostage.stats.sample_size import Criterion, Needed, fewest

SOURCE = "Riley et al. 2021"


@dataclass(frozen=True)
class Widths:
    """How wide the intervals may be: of O/E, of the calibration slope and of the AUC."""

    observed_over_expected: float = 0.4
    slope: float = 0.4
    auc: float = 0.1


@dataclass(frozen=True)
class Benefit:
    """A threshold of the probability, what it is hoped to do, and how wide the standardised net benefit may be."""

    threshold: float
    sensitivity: float
    specificity: float
    width: float = 0.2


def size_of_validation(
    auc: float,
    predictor: LinearPredictor,
    widths: Widths | None = None,
    benefit: Benefit | None = None,
    prevalence: float | None = None,
    confidence: float = 0.95,
) -> Needed:
    """The patients for an external validation whose intervals are as narrow as asked for.

    The model is taken to be calibrated. `prevalence` is that of `predictor` where it is not given. Raises
    `StatisticsError` where a share does not lie between 0 and 1 or a width is not above 0.
    """
    asked = widths or Widths()
    phi = predictor.prevalence if prevalence is None else prevalence
    check_share(auc=auc, prevalence=phi)
    for name, value in (("O/E", asked.observed_over_expected), ("slope", asked.slope), ("AUC", asked.auc)):
        if not value > 0:
            raise StatisticsError(f"the width of the interval of {name} must be above 0, got {value:g}")
    z = quantile(confidence)
    criteria = [
        Criterion(
            "O/E",
            f"observed over expected 1 in an interval {asked.observed_over_expected:g} wide",
            math.ceil((1 - phi) / (phi * se_of_log_ratio(asked.observed_over_expected, z) ** 2)),
            f"{SOURCE}, criterion 1",
        ),
        Criterion(
            "calibration slope",
            f"slope 1 in an interval {asked.slope:g} wide",
            size_of_slope(predictor, asked.slope / (2 * z)),
            f"{SOURCE}, criterion 2",
        ),
        Criterion(
            "AUC",
            f"AUC {auc:g} in an interval {asked.auc:g} wide",
            fewest(lambda n: 2 * z * math.sqrt(newcombe_variance(auc, n, phi)) <= asked.auc),
            f"{SOURCE}, criterion 3; Newcombe 2006",
        ),
    ]
    if benefit is not None:
        criteria.append(of_benefit(benefit, phi, z))
    return Needed(tuple(criteria), phi)


def se_of_log_ratio(width: float, z: float) -> float:
    """The standard error of ln(O/E) whose interval about 1 is `width` wide: exp(z·se) − exp(−z·se) = width."""
    return math.asinh(width / 2) / z


def size_of_slope(predictor: LinearPredictor, se: float) -> int:
    """The patients for whom the calibration slope of a calibrated model has this standard error.

    n = I_α / (SE² (I_α I_β − I_αβ²)) (Riley et al. 2021, equation 6). Raises `StatisticsError` where all patients have
    one probability.
    """
    of_intercept, of_both, of_slope = predictor.information()
    told = of_intercept * of_slope - of_both**2
    if told <= 0:
        raise StatisticsError("a slope needs patients of different probabilities")
    return math.ceil(of_intercept / (se * se * told))


def newcombe_variance(auc: float, n: float, prevalence: float) -> float:
    """The variance of an AUC of `n` patients (Newcombe 2006, Stat Med 25:559, method 4; Riley et al. 2021, eq. 8)."""
    half = n / 2 - 1
    spread = 1 + half * (1 - auc) / (2 - auc) + half * auc / (1 + auc)
    return auc * (1 - auc) * spread / (n * n * prevalence * (1 - prevalence))


def of_benefit(benefit: Benefit, prevalence: float, z: float) -> Criterion:
    """The patients for the standardised net benefit at a threshold (Riley et al. 2021, equations 10 and 11).

    Raises `StatisticsError` where a share does not lie between 0 and 1 or the width is not above 0.
    """
    check_share(threshold=benefit.threshold, sensitivity=benefit.sensitivity, specificity=benefit.specificity)
    if not benefit.width > 0:
        raise StatisticsError(f"the width of the interval of the net benefit must be above 0, got {benefit.width:g}")
    odds = (1 - prevalence) / prevalence * benefit.threshold / (1 - benefit.threshold)
    se = benefit.width / (2 * z)
    hit, passed = benefit.sensitivity, benefit.specificity
    spread = (
        hit * (1 - hit) / prevalence
        + odds**2 * passed * (1 - passed) / (1 - prevalence)
        + odds**2 * (1 - passed) ** 2 / (prevalence * (1 - prevalence))
    )
    value = hit - (1 - passed) * odds
    target = f"standardised net benefit {value:.2f} at {benefit.threshold:g} in an interval {benefit.width:g} wide"
    return Criterion("net benefit", target, math.ceil(spread / se**2), f"{SOURCE}, criterion 4")
