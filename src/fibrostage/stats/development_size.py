"""How many patients it takes to develop a model of a cut, after Riley et al. 2019.

The criteria are those of regression with so many candidate parameters: little shrinkage, little optimism of R², and the
overall risk well known. (Riley RD, Snell KIE, Ensor J, et al. Minimum sample size for developing a multivariable
prediction model: Part II. Stat Med 2019;38:1276; Riley et al. 2021, Stat Med 40:859, for R² from an AUC.) A head on
frozen features, or a network, has no number of parameters in their sense; there the sizes are no more than a bound from
below for the number of measurements that are fused.
"""

from __future__ import annotations

import math

from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.estimate import quantile
from fibrostage.stats.linear_predictor import check_share, log_likelihood_of_none, predictor_of_auc
from fibrostage.stats.sample_size import Criterion, Needed

SOURCE = "Riley et al. 2019"
SHRINKAGE = 0.9
OPTIMISM = 0.05  # of R², as a share of the most it can be
MARGIN = 0.05  # of the overall risk


def most_r2(prevalence: float) -> float:
    """The most that Cox and Snell's R² can be at a prevalence: 1 − (φ^φ (1 − φ)^(1−φ))² (Riley et al. 2019, eq. 23)."""
    return 1 - math.exp(2 * log_likelihood_of_none(prevalence))


def size_for_shrinkage(parameters: int, r2: float, shrinkage: float) -> int:
    """The patients for an expected shrinkage: P / ((S − 1) ln(1 − R²/S)) (Riley et al. 2019, equation 10).

    Raises `StatisticsError` where R² is not below the shrinkage.
    """
    if r2 >= shrinkage:
        raise StatisticsError(f"R² must lie below the shrinkage asked for, {shrinkage:g}, got {r2:g}")
    return math.ceil(parameters / ((shrinkage - 1) * math.log(1 - r2 / shrinkage)))


def size_of_development(
    parameters: int,
    prevalence: float,
    auc: float | None = None,
    r2: float | None = None,
    shrinkage: float = SHRINKAGE,
    confidence: float = 0.95,
) -> Needed:
    """The patients to develop a model of `parameters` candidate parameters for one cut.

    Cox and Snell's R² is given as `r2`, or follows from the `auc` hoped for. Raises `StatisticsError` where neither or
    both are given, a share does not lie between 0 and 1, R² is more than it can be, or there are no parameters.
    """
    if (auc is None) == (r2 is None):
        raise StatisticsError("a development needs either the AUC hoped for or Cox and Snell's R²")
    if parameters < 1:
        raise StatisticsError(f"a model has one parameter or more, got {parameters}")
    check_share(prevalence=prevalence, shrinkage=shrinkage)
    fit = r2 if r2 is not None else predictor_of_auc(float(auc or 0), prevalence).cox_snell()
    most = most_r2(prevalence)
    if not 0 < fit < most:
        raise StatisticsError(f"at a prevalence of {prevalence:g} R² lies between 0 and {most:.3f}, got {fit:g}")
    little = fit / (fit + OPTIMISM * most)
    z = quantile(confidence)
    criteria = (
        Criterion(
            "shrinkage",
            f"{parameters} parameters with R² {fit:.3f} shrunk by no more than {1 - shrinkage:g}",
            size_for_shrinkage(parameters, fit, shrinkage),
            f"{SOURCE}, criterion 1",
        ),
        Criterion(
            "optimism",
            f"R² apparent and adjusted no more than {OPTIMISM * most:.3f} apart",
            size_for_shrinkage(parameters, fit, little),
            f"{SOURCE}, criterion 2",
        ),
        Criterion(
            "overall risk",
            f"prevalence {prevalence:g} known to ±{MARGIN:g}",
            math.ceil((z / MARGIN) ** 2 * prevalence * (1 - prevalence)),
            f"{SOURCE}, criterion 3",
        ),
    )
    return Needed(criteria, prevalence)
