"""Recalibration for a site: it mends what is wrong, judges it on others than it was fitted to, and needs enough."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.calibration import slope_of
from fibrostage.stats.recalibration import fit_logistic, logit
from fibrostage.stats.site_recalibration import recalibrated_for_site


def drawn(n: int, move: float, stretch: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels [n], and probabilities whose logits are moved and stretched from the true ones."""
    rng = np.random.default_rng(seed)
    true = rng.normal(-0.7, 1.3, n)
    return rng.random(n) < expit(true), expit(move + stretch * true)


def test_probabilities_that_are_moved_are_moved_back() -> None:
    found = recalibrated_for_site(*drawn(1500, 1.0, 1.0))
    assert found.carried.intercept.hi < -0.7
    assert found.in_the_large.intercept.lo < 0 < found.in_the_large.intercept.hi
    assert found.in_the_large.slope.value == pytest.approx(found.carried.slope.value, abs=0.02)
    assert found.in_the_large.brier.value < found.carried.brier.value


def test_probabilities_that_are_too_extreme_are_drawn_together() -> None:
    found = recalibrated_for_site(*drawn(1500, 0.0, 2.5))
    assert found.carried.slope.hi < 0.6
    assert found.in_the_large.slope.hi < 0.6
    assert found.with_slope.slope.lo < 1 < found.with_slope.slope.hi
    assert found.with_slope.brier.value < found.in_the_large.brier.value


def test_few_patients_are_not_flattered() -> None:
    """Fitted and judged on the same 40 patients the slope is near 1 always; on others it is not."""
    gaps, same = [], []
    for seed in range(40):
        labels, p = drawn(40, 0.0, 2.5, seed)
        found = recalibrated_for_site(labels, p, seed)
        if found.with_slope.slope.value is None:
            continue
        mapped = fit_logistic(labels.astype(float), p)(p)
        same.append(slope_of(labels.astype(float), logit(mapped), 0.95).value)
        gaps.append(found.with_slope.slope.value)
    assert len(gaps) > 20
    assert np.mean(gaps) < np.mean(same) - 0.05


def test_where_few_are_on_a_side_nothing_is_recalibrated() -> None:
    labels, p = drawn(200, 0.0, 1.0)
    labels[np.flatnonzero(labels)[9:]] = False
    found = recalibrated_for_site(labels, p)
    assert found.positives == 9
    assert found.carried.slope.value is not None
    assert found.with_slope.brier.value is None
    assert "9 patients on one side of the cut, 10 are needed" in found.with_slope.brier.why
    everybody = recalibrated_for_site(np.ones(30, dtype=bool), np.full(30, 0.4))
    assert "all patients are on one side" in everybody.carried.slope.why
    assert everybody.carried.brier.value == pytest.approx(0.36)


def test_the_same_seed_divides_alike_and_nonsense_is_refused() -> None:
    labels, p = drawn(120, 0.5, 1.5)
    assert recalibrated_for_site(labels, p, 3) == recalibrated_for_site(labels, p, 3)
    with pytest.raises(StatisticsError, match="outside 0–1"):
        recalibrated_for_site(labels, p * 3)
