"""What more labels bring: the right gain on a known power law, its doubt, and nothing said of too short a curve."""

from __future__ import annotations

import numpy as np
import pytest

from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.learning_curve import expected_gains, forecast

LABELS = np.array([10, 20, 40, 60, 80])


def accuracy(labels: np.ndarray | float) -> np.ndarray:
    return np.asarray(0.8 - 1.5 * np.asarray(labels, dtype=float) ** -0.7)


def test_a_power_law_is_found_again() -> None:
    found = expected_gains(LABELS.astype(float), accuracy(LABELS)[None], np.array([10.0, 50.0]))
    assert found[0] == pytest.approx([accuracy(90) - accuracy(80), accuracy(130) - accuracy(80)], abs=1e-9)


def test_a_falling_curve_promises_nothing() -> None:
    assert expected_gains(LABELS.astype(float), np.linspace(0.7, 0.5, 5)[None], np.array([50.0]))[0, 0] == 0


def test_the_interval_holds_the_true_gain() -> None:
    """Patients keep how hard they are from round to round, so that gains are known better than accuracies."""
    rng, held, truth = np.random.default_rng(0), 0, float(accuracy(130) - accuracy(80))
    for _ in range(100):
        right = rng.random((60, 1)) < accuracy(LABELS)
        gain = forecast(LABELS, right, np.ones(60), [50], 200)[0].gain
        assert gain.lo is not None
        assert gain.hi is not None
        held += gain.lo <= truth <= gain.hi
    assert held >= 88


def test_a_short_curve_says_so() -> None:
    right = np.ones((10, 3), dtype=bool)
    for each in forecast([5, 10, 15], right, np.ones(10), [10, 50]):
        assert each.gain.value is None
        assert "a curve takes 4 rounds with different numbers of labels, there are 3" in each.gain.why
    (one,) = forecast([5, 10, 15, 20], np.ones((1, 4)), np.ones(1), [10])
    assert "two audited patients, there are 1" in one.gain.why
    with pytest.raises(StatisticsError, match="must be"):
        forecast([5, 10], right, np.ones(10), [10])
    with pytest.raises(StatisticsError, match="one label or more"):
        forecast([0, 1, 2], right, np.ones(10), [10])
