"""Calibration, rates, agreement and adjusted p-values as R has them (rms, glm, epiR, irr, psych, vcd, base)."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from fibrostage.stats.agreement import kappa, mcnemar
from fibrostage.stats.auc import auc
from fibrostage.stats.calibration import calibrate
from fibrostage.stats.multiplicity import holm
from fibrostage.stats.operating import operating_point
from fibrostage.stats.readers import UNREAD, krippendorff_alpha
from tests.stats.test_golden import GOLDEN, columns, golden, numbers

R = golden(GOLDEN / "calls.csv")
DIGITS = 1e-8  # relative, of figures that are fitted; closed forms agree to 1e-12


def table() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True stages [n], probabilities [n] and the two tests' stages [2, n] as the R script makes them."""
    rows = columns(GOLDEN / "ordinal_168.csv")
    one, two = numbers(rows, "test1"), numbers(rows, "test2")
    edges = [np.quantile(x, [0.25, 0.5, 0.7, 0.85]) for x in (one, two)]
    staged = np.stack([np.searchsorted(own, x, side="left") for own, x in zip(edges, (one, two), strict=True)])
    return numbers(rows, "stage").astype(int), 1 / (1 + np.exp(0.3 - 0.9 * (one - 8))), staged


@pytest.mark.parametrize("cut", [2, 3, 4])
def test_calibration_is_that_of_val_prob_and_glm(cut: int) -> None:
    stages, p, _ = table()
    positive, key = stages >= cut, f"F{cut}"
    found = calibrate(positive, p, resamples=1)
    assert found.slope.value == pytest.approx(R[f"{key}.slope"], rel=1e-6)  # lrm stops at its own tolerance
    assert found.slope.se == pytest.approx(R[f"{key}.slope.se"], rel=DIGITS)
    assert found.intercept.value == pytest.approx(R[f"{key}.intercept"], rel=DIGITS)
    assert found.intercept.se == pytest.approx(R[f"{key}.intercept.se"], rel=DIGITS)
    assert found.brier.value == pytest.approx(R[f"{key}.brier"], rel=1e-12)
    assert auc(positive, p) == pytest.approx(R[f"{key}.auc"], abs=1e-3)  # lrm counts in bins of the probability


@pytest.mark.parametrize("cut", [2, 3, 4])
def test_rates_and_their_wilson_intervals_are_epirs(cut: int) -> None:
    stages, p, _ = table()
    point = operating_point(stages >= cut, p, 0.5)
    figures = {
        "se": point.sensitivity, "sp": point.specificity, "pv.pos": point.ppv, "pv.neg": point.npv,
        "lr.pos": point.lr_positive,
    }  # fmt: skip
    if cut < 4:  # with no false negative the ratio is 0, and R's interval not a number
        figures["lr.neg"] = point.lr_negative
    for name, found in figures.items():
        expected = [R[f"F{cut}.{name}.{what}"] for what in ("est", "lower", "upper")]
        assert [found.value, found.lo, found.hi] == pytest.approx(expected, rel=1e-10), name


def test_kappa_is_that_of_irr_with_the_errors_of_psych_and_vcd() -> None:
    with (GOLDEN / "calls_counts.csv").open(encoding="utf-8") as file:
        counts = np.array([[int(cell) for cell in row] for row in csv.reader(file)])
    _, _, staged = table()
    assert (np.bincount(staged[0] * 5 + staged[1], minlength=25).reshape(5, 5) == counts).all()
    for ours, theirs in (("none", "unweighted"), ("linear", "equal"), ("quadratic", "squared")):
        found = kappa(counts, ours)  # type: ignore[arg-type]
        assert found.value == pytest.approx(R[f"kappa.{theirs}"], rel=1e-12)
        assert found.se == pytest.approx(R[f"kappa.{theirs}.se"], rel=1e-10), theirs


def test_alpha_is_that_of_irr_with_readings_missing() -> None:
    stages, _, staged = table()
    readings = np.column_stack([stages, *staged])
    readings[::7, 1] = UNREAD
    assert krippendorff_alpha(readings, 5, "none") == pytest.approx(R["alpha.nominal"], rel=1e-10)
    assert krippendorff_alpha(readings, 5, "quadratic") == pytest.approx(R["alpha.interval"], rel=1e-10)


def test_mcnemar_and_holm_are_rs() -> None:
    stages, _, staged = table()
    found = mcnemar(staged[0] == stages, staged[1] == stages)
    assert (found.only_first, found.only_second) == (R["mcnemar.only_first"], R["mcnemar.only_second"])
    assert found.p == pytest.approx(R["mcnemar.p"], rel=1e-10)
    assert holm([0.001, 0.04, 0.03, 0.2, 0.011]) == pytest.approx([R[f"holm.{k}"] for k in range(1, 6)], rel=1e-12)
