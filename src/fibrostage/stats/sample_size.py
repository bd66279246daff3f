"""How many patients a study needs: for a difference of two AUCs, and for sensitivity and specificity at a width.

What `stats.precision` expects of a number of patients is asked the other way round here. Every size is of patients;
where several pictures of a patient are counted, they are worth fewer than as many patients (`design_effect`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import multivariate_normal

from fibrostage.ground.errors import StatisticsError
from fibrostage.ground.files import Json
from fibrostage.stats.estimate import quantile
from fibrostage.stats.linear_predictor import check_share
from fibrostage.stats.precision import MOST, patients_for


@dataclass(frozen=True)
class Criterion:
    """One thing that a study is to show, the patients it takes, and where the formula is from."""

    name: str
    target: str
    n: int
    source: str

    def as_dict(self) -> dict[str, Json]:
        """What JSON holds."""
        return {"name": self.name, "target": self.target, "n": self.n, "source": self.source}


@dataclass(frozen=True)
class Needed:
    """The patients that a study needs: those of its most demanding criterion."""

    criteria: tuple[Criterion, ...]
    prevalence: float

    @property
    def n(self) -> int:
        return max(criterion.n for criterion in self.criteria)

    @property
    def positives(self) -> int:
        """Of them, how many are expected to be positive."""
        return round(self.n * self.prevalence)

    def of_pictures(self, pictures: float, icc: float, spread: float = 0.0) -> Needed:
        """The same where so many pictures of each patient are counted one by one (`patients_of_pictures`).

        Raises `StatisticsError` where `design_effect` does.
        """
        effect = design_effect(pictures, icc, spread)
        if pictures == 1:
            return self
        said = f" (from {pictures:g} pictures a patient, design effect {effect:.2f})"
        criteria = tuple(
            replace(one, target=one.target + said, n=patients_of_pictures(one.n, pictures, icc, spread))
            for one in self.criteria
        )
        return Needed(criteria, self.prevalence)

    def as_dict(self) -> dict[str, Json]:
        """What JSON holds."""
        return {
            "n": self.n,
            "positives": self.positives,
            "prevalence": self.prevalence,
            "criteria": [criterion.as_dict() for criterion in self.criteria],
        }


def fewest(enough: Callable[[int], bool], least: int = 2) -> int:
    """Finds the smallest n from `least` for which `enough` holds, which then holds for every larger n.

    Raises `StatisticsError` where not even `MOST` are enough.
    """
    low = high = least
    while not enough(high):
        if high >= MOST:
            raise StatisticsError(f"more than {MOST:,} patients would be needed; ask for less")
        low, high = high + 1, min(2 * high, MOST)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return high


def design_effect(pictures: float, icc: float, spread: float = 0.0) -> float:
    """How many pictures of patients say what one picture of as many patients would: 1 + ((1 + cv²) m − 1) ρ.

    `pictures` is m, the mean number of a patient's pictures, `icc` ρ, how alike they are (of hits for a share, of
    placements for an AUC, of which the correlation of scores is an upper bound), and `spread` cv, the coefficient of
    variation of m (Kish 1965, §8.2; Eldridge et al. 2006, Int J Epidemiol 35:1292). Raises `StatisticsError` where m is
    below 1, ρ outside 0–1 or cv below 0.
    """
    if not (math.isfinite(pictures) and pictures >= 1 and 0 <= icc <= 1 and math.isfinite(spread) and spread >= 0):
        raise StatisticsError(
            f"a patient has a picture or more, which are alike by 0 … 1 and vary by 0 or more, got {pictures:g} "
            f"pictures, an ICC of {icc:g} and a coefficient of variation of {spread:g}"
        )
    return 1 + ((1 + spread**2) * pictures - 1) * icc


def patients_of_pictures(n: int, pictures: float, icc: float, spread: float = 0.0) -> int:
    """The patients whose pictures say as much as `n` pictures of as many patients: n · design effect / m, rounded up.

    Raises `StatisticsError` where `design_effect` does.
    """
    return math.ceil(n * design_effect(pictures, icc, spread) / pictures - 1e-9)


def wilson_width(share: float, n: float, confidence: float = 0.95) -> float:
    """How wide Wilson's interval of a share is for `n` patients (Wilson 1927).

    Raises `StatisticsError` where `confidence` does not lie between 0 and 1.
    """
    z = quantile(confidence)
    return 2 * z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))


def size_of_auc(auc: float, prevalence: float, width: float, confidence: float = 0.95) -> Needed:
    """The patients for whom the interval of an AUC is expected to be no wider than `width` (`precision.patients_for`).

    Raises `StatisticsError` where a figure does not lie between 0 and 1.
    """
    n = patients_for(width, prevalence, auc, confidence)
    target = f"AUC {auc:g} in an interval {width:g} wide"
    return Needed((Criterion("AUC", target, n, "Hanley & McNeil 1982"),), prevalence)


def size_of_rates(
    sensitivity: float, specificity: float, prevalence: float, width: float, confidence: float = 0.95
) -> Needed:
    """The patients for whom Wilson's intervals of sensitivity and specificity are no wider than `width`.

    Sensitivity is of the positives alone and specificity of the negatives, so patients are divided by the prevalence
    (Buderer 1996, Acad Emerg Med 3:895, with Wilson's interval in place of Wald's). Raises `StatisticsError` where a
    figure does not lie between 0 and 1.
    """
    check_share(sensitivity=sensitivity, specificity=specificity, prevalence=prevalence, width=width)
    made = []
    asked = (
        ("sensitivity", sensitivity, prevalence, "positives"),
        ("specificity", specificity, 1 - prevalence, "negatives"),
    )
    for name, rate, share, whom in asked:
        counted = fewest(partial(narrow, rate, width, confidence), 1)
        target = f"{name} {rate:g} in an interval {width:g} wide: {counted} {whom}"
        made.append(Criterion(name, target, math.ceil(counted / share - 1e-9), "Wilson 1927; Buderer 1996"))
    return Needed(tuple(made), prevalence)


def narrow(rate: float, width: float, confidence: float, n: int) -> bool:
    """Whether Wilson's interval of a rate of `n` is no wider than `width`; raises as `wilson_width` does."""
    return wilson_width(rate, n, confidence) <= width


def variance_of_difference(first: float, second: float, correlation: float, prevalence: float) -> float:
    """n times the variance of the difference of two AUCs on the same n patients.

    The two scores are normal with one spread among positives and negatives, and correlate by `correlation` within each.
    A positive's placement then covaries between scores a and b by Φ₂(z_a, z_b; r) − A_a A_b, with z = Φ⁻¹(AUC) and r =
    ½ for a = b and ½ `correlation` otherwise, and a negative's alike; the variance is DeLong's (1988) of those. Raises
    `StatisticsError` where an AUC or `prevalence` does not lie between 0 and 1, or `correlation` between −1 and 1.
    """
    check_share(auc=first, second_auc=second, prevalence=prevalence)
    if not -1 < correlation < 1:
        raise StatisticsError(f"a correlation lies between -1 and 1, got {correlation:g}")
    areas = (first, second)

    def covariance(a: int, b: int) -> float:
        r = 0.5 if a == b else correlation / 2
        z = [float(ndtri(areas[k])) for k in (a, b)]
        joint = multivariate_normal.cdf(z, mean=[0, 0], cov=[[1, r], [r, 1]])
        return float(joint) - areas[a] * areas[b]

    spread = covariance(0, 0) + covariance(1, 1) - 2 * covariance(0, 1)
    return spread * (1 / prevalence + 1 / (1 - prevalence))


def power_of_difference(
    n: int, first: float, second: float, correlation: float, prevalence: float, confidence: float = 0.95
) -> float:
    """The probability that DeLong's paired test finds the difference of two AUCs on `n` patients.

    Raises `StatisticsError` where `variance_of_difference` does, the AUCs are equal, or `confidence` does not lie
    between 0 and 1.
    """
    check_different(first, second)
    se = math.sqrt(variance_of_difference(first, second, correlation, prevalence) / n)
    return float(ndtr(abs(first - second) / se - quantile(confidence)))


def size_of_difference(
    first: float, second: float, correlation: float, prevalence: float, power: float = 0.8, confidence: float = 0.95
) -> Needed:
    """The patients on whom DeLong's paired test finds the difference of two AUCs with probability `power`.

    n = (z_{1−α/2} + z_power)² V / (A₁ − A₂)² with V of `variance_of_difference`; Obuchowski and McClish (1997, Stat Med
    16:1529) have the same equation with V of fitted binormal curves. Raises `StatisticsError` where the AUCs are equal
    or a figure lies outside its range.
    """
    check_different(first, second)
    check_share(power=power)
    spread = variance_of_difference(first, second, correlation, prevalence)
    z = quantile(confidence) + float(ndtri(power))
    n = max(z, 0.0) ** 2 * spread / (first - second) ** 2
    least = math.ceil(2 / min(prevalence, 1 - prevalence))  # two of each, as DeLong's variance needs
    target = f"AUC {first:g} against {second:g}, correlated by {correlation:g}, found with power {power:g}"
    source = "DeLong 1988; Obuchowski & McClish 1997"
    return Needed((Criterion("difference", target, max(math.ceil(n), least), source),), prevalence)


def check_different(first: float, second: float) -> None:
    """Raises `StatisticsError` where two AUCs are equal: no number of patients finds a difference that is not."""
    if np.isclose(first, second):
        raise StatisticsError(f"two AUCs of {first:g} do not differ: no number of patients finds a difference")
