"""Thresholds, agreement, calibration, decision curves and multiplicity against reference implementations."""

from __future__ import annotations

import math

import dcurves
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, cohen_kappa_score
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.agreement import confusion, kappa, mcnemar
from fibrostage.stats.calibration import calibrate
from fibrostage.stats.decision import decision_curve
from fibrostage.stats.estimate import wilson
from fibrostage.stats.multiplicity import holm
from fibrostage.stats.operating import operating_point
from fibrostage.stats.precision import expected_precision, patients_for
from fibrostage.stats.roc import (
    partial_auc,
    roc_curve,
    threshold_at_sensitivity,
    threshold_at_specificity,
    youden_threshold,
)

LABELLED = st.lists(st.tuples(st.booleans(), st.integers(-3, 3)), min_size=4, max_size=30).filter(
    lambda rows: 0 < sum(label for label, _ in rows) < len(rows)
)


def drawn(seed: int = 0, n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities that are too extreme."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(-0.5, 1.2, n)
    labels = rng.random(n) < 1 / (1 + np.exp(-logit))
    return labels, 1 / (1 + np.exp(-(0.3 + 1.6 * logit)))


@given(LABELLED)
def test_thresholds_do_what_they_promise(rows: list[tuple[bool, int]]) -> None:
    labels, scores = np.array([r[0] for r in rows]), np.array([float(r[1]) for r in rows])
    points = {t: operating_point(labels, scores, t) for t in [-np.inf, *np.arange(-3.5, 4), np.inf]}
    best = operating_point(labels, scores, youden_threshold(labels, scores))
    assert best.youden == pytest.approx(max(point.youden for point in points.values()))
    for rate in (0.0, 0.5, 0.9, 1.0):
        sensitive = operating_point(labels, scores, threshold_at_sensitivity(labels, scores, rate))
        assert sensitive.sensitivity.value >= rate - 1e-12
        assert sensitive.specificity.value == pytest.approx(
            max(p.specificity.value for p in points.values() if p.sensitivity.value >= rate - 1e-12)
        )
        specific = operating_point(labels, scores, threshold_at_specificity(labels, scores, rate))
        assert specific.specificity.value >= rate - 1e-12
        assert specific.sensitivity.value == pytest.approx(
            max(p.sensitivity.value for p in points.values() if p.specificity.value >= rate - 1e-12)
        )
    assert partial_auc(labels, scores, 0.0) == pytest.approx(np.trapezoid(*reversed(curve_xy(labels, scores))))


def curve_xy(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    curve = roc_curve(labels, scores)
    return curve.fpr, curve.tpr


def test_neighbouring_floats_are_still_told_apart() -> None:
    low = 1.0
    high = np.nextafter(low, 2)
    threshold = youden_threshold([False, True], [low, high])
    point = operating_point([False, True], [low, high], threshold)
    assert (point.tp, point.tn) == (1, 1)


def test_an_operating_point_by_hand() -> None:
    labels = [True] * 10 + [False] * 20
    scores = [1.0] * 8 + [0.0] * 2 + [1.0] * 5 + [0.0] * 15
    point = operating_point(labels, scores, 0.5)
    assert (point.tp, point.fn, point.fp, point.tn, point.n) == (8, 2, 5, 15, 30)
    assert point.lr_positive.value == pytest.approx(0.8 / 0.25)
    assert point.lr_negative.value == pytest.approx(0.2 / 0.75)
    half = 1.959963984540054 * math.sqrt(1 / 8 - 1 / 10 + 1 / 5 - 1 / 20)
    assert point.lr_positive.lo == pytest.approx(3.2 * math.exp(-half))
    assert (point.ppv.value, point.npv.value) == pytest.approx((8 / 13, 15 / 17))
    nobody = operating_point(labels, scores, 2.0)
    assert nobody.ppv.value is None
    assert nobody.lr_positive.value is None
    assert nobody.specificity.value == 1.0


@given(st.integers(1, 500), st.data())
def test_wilson_is_wilson(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    lo, hi = proportion_confint(k, n, method="wilson")
    found = wilson(k, n)
    assert (found.lo, found.hi) == pytest.approx((lo, hi), abs=1e-12)


@pytest.mark.parametrize("weights", ["quadratic", "linear", "none"])
def test_kappa(weights: str) -> None:
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 5, 200)
    called = np.clip(truth + rng.integers(-1, 2, 200), 0, 4)
    table = confusion(truth, called, 5)
    assert table.sum() == 200
    found = kappa(table, weights)  # type: ignore[arg-type]
    expected = cohen_kappa_score(truth, called, weights=None if weights == "none" else weights)
    assert found.value == pytest.approx(expected)
    reference = cohens_kappa(table, wt={"quadratic": "fc", "linear": "linear", "none": None}[weights])
    assert found.se == pytest.approx(reference.std_kappa)
    assert kappa(np.diag([3, 4, 5])).value == 1.0
    assert kappa([[9, 0], [0, 0]]).value is None


def test_mcnemar_and_holm() -> None:
    rng = np.random.default_rng(2)
    first, second = rng.random(80) < 0.8, rng.random(80) < 0.6
    found = mcnemar(first, second)
    table = [[(first & second).sum(), found.only_first], [found.only_second, (~first & ~second).sum()]]
    assert found.p == pytest.approx(reference_mcnemar(table, exact=True).pvalue)
    assert found.difference.value == pytest.approx(first.mean() - second.mean())
    assert found.difference.lo < found.difference.value < found.difference.hi
    assert mcnemar(first, first).p == 1.0
    p = rng.random(9) ** 3
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1])
    assert holm([]).size == 0


def test_calibration_against_glm() -> None:
    labels, p = drawn()
    found = calibrate(labels, p, resamples=200)
    logit = np.log(p / (1 - p))
    slope = sm.GLM(labels, sm.add_constant(logit), family=sm.families.Binomial()).fit()
    intercept = sm.GLM(labels, np.ones((len(p), 1)), family=sm.families.Binomial(), offset=logit).fit()
    assert (found.slope.value, found.slope.se) == pytest.approx((slope.params[1], slope.bse[1]), rel=1e-6)
    assert (found.intercept.value, found.intercept.se) == pytest.approx(
        (intercept.params[0], intercept.bse[0]), rel=1e-6
    )
    assert found.slope.hi < 1, "probabilities made too extreme are found to be"
    assert found.brier.value == pytest.approx(brier_score_loss(labels, p))
    prevalence = labels.mean()
    assert found.scaled_brier.value == pytest.approx(1 - found.brier.value / (prevalence * (1 - prevalence)))
    assert sum(b.n for b in found.bins) == found.n == 300
    gaps = [b.n / 300 * abs(b.observed.value - b.mean_probability) for b in found.bins]
    assert found.ece.value == pytest.approx(sum(gaps))


def test_calibration_says_what_it_cannot() -> None:
    labels, p = drawn()
    p[3] = 1.0
    assert "exactly 0 or 1" in calibrate(labels, p, resamples=10).slope.why
    split = calibrate([False] * 5 + [True] * 5, np.linspace(0.1, 0.9, 10), resamples=10)
    assert "separate" in split.slope.why
    assert "equal" in calibrate(labels, np.full(300, 0.4), resamples=10).slope.why
    with pytest.raises(StatisticsError, match="1 of 300 probabilities lie outside"):
        calibrate(labels, np.where(np.arange(300) == 2, 1.2, p))


def test_decision_curve_is_that_of_dcurves() -> None:
    labels, p = drawn(4)
    thresholds = np.arange(0.01, 0.99, 0.01)
    found = decision_curve(labels, p, thresholds)
    frame = pd.DataFrame({"y": labels.astype(int), "model": p})
    reference = dcurves.dca(data=frame, outcome="y", modelnames=["model"], thresholds=thresholds)
    for name, ours in (("model", found.net_benefit), ("all", found.treat_all)):
        theirs = reference[reference["model"] == name].sort_values("threshold")["net_benefit"].to_numpy()
        np.testing.assert_allclose(ours, theirs, atol=1e-12)
    assert (found.lo <= found.net_benefit).all()
    with pytest.raises(StatisticsError, match=r"\[0, 1\)"):
        decision_curve(labels, p, [1.0])


def test_the_interval_of_net_benefit_is_that_of_a_mean() -> None:
    labels, p = drawn(5)
    t = 0.3
    each = np.where(p >= t, np.where(labels, 1.0, -t / (1 - t)), 0.0)
    found = decision_curve(labels, p, [t])
    half = 1.959963984540054 * each.std(ddof=1) / math.sqrt(len(each))
    assert found.hi[0] - found.net_benefit[0] == pytest.approx(half)


def test_what_34_patients_can_show() -> None:
    found = expected_precision(34, prevalence=0.27, auc=0.88, accuracy=24 / 34)
    assert (found.accuracy.lo, found.accuracy.hi) == pytest.approx((0.538, 0.832), abs=1e-3)
    assert found.positives == 9
    assert 0.2 < found.auc.hi - found.auc.lo < 0.35
    n = patients_for(0.1, 0.27, 0.88)
    assert expected_precision(n, 0.27, 0.88).auc.hi - expected_precision(n, 0.27, 0.88).auc.lo <= 0.101
    assert patients_for(0.2, 0.27, 0.88) < n
    with pytest.raises(StatisticsError, match="1 positives"):
        expected_precision(10, prevalence=0.1)


def test_probabilities_too_sure_of_themselves_are_said_to_be() -> None:
    labels = np.arange(100) % 2 == 0
    p = np.where(labels, 1 - 1e-16, 1e-300)
    p[:3] = 1e-300
    p[p == 1] = np.nextafter(1, 0)
    found = calibrate(labels, p, resamples=10)
    assert found.slope.value is None or math.isfinite(found.slope.value)
    assert found.intercept.value is None or math.isfinite(found.intercept.value)
    with pytest.raises(StatisticsError, match="one resample"):
        calibrate(labels, p, resamples=0)


@pytest.mark.parametrize("prevalence", [0.3, 0.27, 0.11])
def test_the_patients_for_a_width_give_that_width(prevalence: float) -> None:
    n = patients_for(0.1, prevalence)
    found = expected_precision(n, prevalence).auc
    assert found.hi - found.lo <= 0.1 + 1e-12


def test_everybody_called_positive_has_no_log_interval() -> None:
    point = operating_point([True, False, True, False], [1.0, 2.0, 3.0, 4.0], 0.0)
    assert (point.lr_positive.value, point.lr_positive.lo) == (1.0, None)
