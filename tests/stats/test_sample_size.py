"""Sample sizes against R (pmsampsize, pmvalsampsize, prop.test, pROC, mvtnorm) and against simulated studies."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import ndtri

from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.auc import auc_interval, delong
from fibrostage.stats.calibration import logistic
from fibrostage.stats.clustered import clustered_share
from fibrostage.stats.development_size import size_of_development
from fibrostage.stats.estimate import wilson
from fibrostage.stats.linear_predictor import normal_predictor, predictor_of_auc
from fibrostage.stats.sample_size import (
    design_effect,
    fewest,
    narrow,
    patients_of_pictures,
    power_of_difference,
    size_of_auc,
    size_of_difference,
    size_of_rates,
    variance_of_difference,
)
from fibrostage.stats.validation_size import Benefit, Widths, newcombe_variance, size_of_validation
from tests.stats.test_golden import GOLDEN, golden

R = golden(GOLDEN / "planning.csv")


def sizes(needed) -> list[int]:  # type: ignore[no-untyped-def]
    return [criterion.n for criterion in needed.criteria]


def of_r(key: str, count: int) -> list[float]:
    return [R[f"{key}.{k}"] for k in range(1, count + 1)]


def test_development_is_pmsampsizes() -> None:
    """The first is the worked example of Riley et al. 2019: 662 patients."""
    assert sizes(size_of_development(24, 0.174, r2=0.288)) == of_r("development.r2", 3) == [623, 662, 221]
    assert sizes(size_of_development(8, 0.27, r2=0.1, shrinkage=0.95)) == of_r("development.shrinkage", 3)


@pytest.mark.parametrize(
    ("key", "parameters", "prevalence", "auc"), [("auc", 24, 0.174, 0.89), ("liver", 10, 0.3, 0.85)]
)
def test_development_from_an_auc_is_pmsampsizes_within_its_simulation(
    key: str, parameters: int, prevalence: float, auc: float
) -> None:
    """pmsampsize draws a million patients and fits them; here R² is a sum, so it agrees as far as they draw."""
    assert predictor_of_auc(auc, prevalence).cox_snell() == pytest.approx(R[f"development.{key}.r2"], abs=0.0015)
    found = sizes(size_of_development(parameters, prevalence, auc))
    assert found == pytest.approx(of_r(f"development.{key}", 3), rel=0.005)


def test_validation_is_pmvalsampsizes_within_its_simulation() -> None:
    """The first is the worked example of Riley et al. 2021 (mechanical heart valves). pmvalsampsize walks in steps of
    0.0001 to the standard error of O/E and draws a million patients for the slope."""
    heart = size_of_validation(0.8, normal_predictor(-5, 2.5), Widths(1, 0.2, 0.1), prevalence=0.018)
    liver = size_of_validation(
        0.85, normal_predictor(-1.2, 1.9), Widths(0.4, 0.4, 0.1), Benefit(0.3, 0.85, 0.7), prevalence=0.3
    )
    hoped = size_of_validation(0.85, predictor_of_auc(0.85, 0.3), Widths(0.4, 0.4, 0.1))
    for found, key, count in ((heart, "heart", 3), (liver, "liver", 4), (hoped, "cstat", 3)):
        expected = of_r(f"validation.{key}", count)
        assert sizes(found)[:3] == pytest.approx(expected[:3], rel=0.01), key
        assert sizes(found)[2] == pytest.approx(expected[2], abs=1), key
        assert sizes(found)[3:] == pytest.approx(expected[3:], rel=0.01), key


def test_rates_are_those_of_rs_wilson_intervals() -> None:
    for key in (key for key in R if key.startswith("wilson.")):
        share, width = map(float, key.removeprefix("wilson.").split(";"))
        assert fewest(lambda n, p=share, w=width: narrow(p, w, 0.95, n), 1) == R[key], key


def test_a_difference_has_delongs_variance_and_procs_test_finds_it() -> None:
    """The powers are of pROC's own test on 1,000 simulated studies of that size each."""
    for key in (key.removesuffix(".n") for key in R if key.startswith("difference.") and key.endswith(".n")):
        first, second, correlation, prevalence = map(float, key.removeprefix("difference.").split(";"))
        assert variance_of_difference(first, second, correlation, prevalence) == pytest.approx(
            R[f"{key}.variance"], 1e-4
        )
        needed = size_of_difference(first, second, correlation, prevalence)
        assert needed.n == pytest.approx(R[f"{key}.n"], abs=1)
        assert R[f"{key}.power"] == pytest.approx(0.8, abs=0.04)
        assert power_of_difference(needed.n, first, second, correlation, prevalence) == pytest.approx(0.8, abs=0.005)


def test_as_many_patients_find_the_difference_as_often_as_promised() -> None:
    rng, n, share = np.random.default_rng(0), size_of_difference(0.9, 0.8, 0.6, 0.4, power=0.9).n, 0.4
    found = []
    for _ in range(400):
        positive = np.arange(n) < round(n * share)
        common = rng.normal(size=n)
        scores = [
            math.sqrt(2) * z * positive + math.sqrt(0.6) * common + math.sqrt(0.4) * rng.normal(size=n)
            for z in (1.2815516, 0.8416212)
        ]
        found.append((delong(positive, np.stack(scores)).difference(0, 1).p or 0) < 0.05)
    assert 0.85 < np.mean(found) < 0.95


def test_the_auc_of_as_many_patients_has_the_interval_promised() -> None:
    rng, needed = np.random.default_rng(1), size_of_auc(0.85, 0.3, 0.1)
    positive = np.arange(needed.n) < needed.positives
    made = [auc_interval(positive, rng.normal(size=needed.n) + 1.4657 * positive) for _ in range(200)]
    assert 0.085 < np.median([one.hi - one.lo for one in made]) <= 0.1
    assert np.mean([one.lo < 0.85 < one.hi for one in made]) > 0.9


def test_the_rates_of_as_many_patients_have_the_interval_promised() -> None:
    rng, needed = np.random.default_rng(2), size_of_rates(0.9, 0.95, 0.3, 0.12)
    hits = rng.binomial(needed.positives, 0.9, 400)
    made = [wilson(int(hit), needed.positives) for hit in hits]
    assert np.median([one.hi - one.lo for one in made]) == pytest.approx(0.12, abs=0.004)
    assert np.mean([one.lo < 0.9 < one.hi for one in made]) > 0.92


def test_pictures_of_a_patient_count_as_the_design_effect_says() -> None:
    """Hits of a patient's pictures share a probability (beta-binomial), so that they are alike by the ICC."""
    rng, share, icc, pictures = np.random.default_rng(3), 0.85, 0.4, 5
    counted = fewest(lambda n: narrow(share, 0.1, 0.95, n), 1)
    patients = patients_of_pictures(counted, pictures, icc)
    width = []
    for _ in range(200):
        own = rng.beta(share * (1 / icc - 1), (1 - share) * (1 / icc - 1), patients)
        made = clustered_share(rng.binomial(pictures, own), np.full(patients, pictures), np.arange(patients))
        width.append(made.hi - made.lo)
    assert np.median(width) == pytest.approx(0.1, abs=0.006)
    assert design_effect(5, 0) == 1
    assert design_effect(5, 1) == 5
    assert design_effect(5, 0.1, 0.5) == pytest.approx(1 + (1.25 * 5 - 1) * 0.1)
    assert size_of_auc(0.85, 0.3, 0.1).of_pictures(1, 0.5).n == size_of_auc(0.85, 0.3, 0.1).n


def test_as_many_patients_validate_as_well_as_promised() -> None:
    predictor, widths = predictor_of_auc(0.85, 0.3), Widths(0.4, 0.5, 0.1)
    needed = size_of_validation(0.85, predictor, widths)
    rng, made = np.random.default_rng(4), []
    for n, _ in zip([criterion.n for criterion in needed.criteria], "rsa", strict=True):
        figures = []
        for _ in range(100):
            logits = rng.choice(predictor.logits, n, p=predictor.weights)
            p = 1 / (1 + np.exp(-logits))
            y = (rng.random(n) < p).astype(float)
            _, covariance = logistic(np.stack([np.ones(n), logits], axis=1), y, np.zeros(n))
            area = auc_interval(y, logits)
            se = math.sqrt((1 - y.mean()) / y.sum())
            figures.append([2 * math.sinh(1.96 * se), 2 * 1.96 * math.sqrt(covariance[1, 1]), area.hi - area.lo])
        made.append(np.median(figures, axis=0))
    assert made[0][0] == pytest.approx(0.4, rel=0.06)
    assert made[1][1] == pytest.approx(0.5, rel=0.06)
    assert made[2][2] == pytest.approx(0.1, rel=0.12)  # Newcombe's variance is a little more than a normal score has
    assert made[2][2] < 0.1


@pytest.mark.parametrize(("auc", "slope"), [(0.65, 0.9), (0.8, 0.85)])
def test_a_model_of_as_many_patients_shrinks_nearly_as_promised(auc: float, slope: float) -> None:
    """Ten candidates of which each tells as much as the others, asked for a shrinkage of 0.9: the mean slope on new
    patients is that where predictors are weak, and less where they are strong (Pavlou et al. 2024 found so too)."""
    count, prevalence, studies = 10, 0.3, 120
    n = size_of_development(count, prevalence, auc).criteria[0].n
    rng, slopes = np.random.default_rng(5), []
    step = math.sqrt(2 / count) * float(ndtri(auc))

    def drawn(number: int) -> tuple[np.ndarray, np.ndarray]:
        y = (rng.random(number) < prevalence).astype(float)
        return np.column_stack([np.ones(number), rng.normal(size=(number, count)) + step * y[:, None]]), y

    for _ in range(studies):
        fitted, _ = logistic(*drawn(n), np.zeros(n))
        design, y = drawn(3000)
        found, _ = logistic(np.column_stack([np.ones(3000), design @ fitted]), y, np.zeros(3000))
        slopes.append(found[1])
    assert np.mean(slopes) == pytest.approx(slope, abs=0.03)


def test_newcombes_variance_is_between_the_extremes() -> None:
    assert newcombe_variance(0.8, 200, 0.5) > newcombe_variance(0.8, 400, 0.5) > 0


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: size_of_difference(0.8, 0.8, 0.5, 0.3), "do not differ"),
        (lambda: size_of_difference(0.9, 0.8, 1.5, 0.3), "correlation lies between -1 and 1, got 1.5"),
        (lambda: size_of_difference(0.9, 0.8, 0.5, 0.0), "prevalence lies between 0 and 1"),
        (lambda: size_of_rates(1.2, 0.8, 0.3, 0.1), "sensitivity lies between 0 and 1, got 1.2"),
        (lambda: size_of_rates(0.9, 0.8, 0.3, 1e-6), "more than 1,000,000,000"),
        (lambda: predictor_of_auc(0.5, 0.3), "between 0.5 and 1"),
        (lambda: normal_predictor(0, 0), "standard deviation above 0"),
        (lambda: size_of_development(5, 0.3), "either the AUC"),
        (lambda: size_of_development(0, 0.3, 0.8), "one parameter or more"),
        (lambda: size_of_development(5, 0.3, r2=0.95), "R² lies between 0 and 0."),
        (lambda: size_of_validation(0.8, predictor_of_auc(0.8, 0.3), Widths(slope=0)), "slope must be above 0"),
        (lambda: design_effect(0.5, 0.1), "0.5 pictures"),
        (lambda: design_effect(5, 1.1), "ICC of 1.1"),
    ],
)
def test_what_cannot_be_is_said(ask, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(StatisticsError, match=message):
        ask()
