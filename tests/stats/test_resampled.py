"""The corrected resampled t-test: by hand, and by simulation of what the plain one gets wrong."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t as student
from scipy.stats import ttest_1samp

from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.resampled import resampled_mean


def test_by_hand() -> None:
    x = np.array([0.02, -0.01, 0.03, 0.01, 0.00])
    mean, p = resampled_mean(x, 0.25)
    error = np.sqrt((1 / 5 + 0.25) * x.var(ddof=1))
    assert mean.value == pytest.approx(0.01)
    assert mean.hi == pytest.approx(0.01 + student.ppf(0.975, 4) * error)
    assert p == pytest.approx(2 * student.sf(0.01 / error, 4))
    plain = ttest_1samp(x, 0).pvalue
    assert p > plain


def test_a_ratio_that_vanishes_is_the_plain_test() -> None:
    x = np.random.default_rng(0).normal(size=12)
    assert resampled_mean(x, 1e-12)[1] == pytest.approx(ttest_1samp(x, 0).pvalue)


def test_it_keeps_its_level_where_folds_share_their_training_patients() -> None:
    """Two equally good classifiers on overlapping training sets: the plain test errs far above 5 %."""
    rng = np.random.default_rng(1)
    plain = corrected = 0
    trials = 300
    for _ in range(trials):
        x, y = rng.normal(size=(60, 8)), rng.random(60) < 0.5
        differences = []
        for _ in range(10):
            order = rng.permutation(60)
            test, train = order[:12], order[12:]
            calls = []
            for columns in (slice(0, 4), slice(4, 8)):  # neither half knows anything
                weights = x[train][:, columns].T @ (y[train] - 0.5)
                calls.append((((x[test][:, columns] @ weights) > 0) == y[test]).mean())
            differences.append(calls[0] - calls[1])
        plain += ttest_1samp(differences, 0).pvalue < 0.05
        p = resampled_mean(differences, 12 / 48)[1]
        corrected += p is not None and p < 0.05
    assert plain / trials > 0.10
    assert corrected / trials < 0.08


def test_edges() -> None:
    assert resampled_mean([0.3], 0.25)[0].why == "one run"
    assert resampled_mean([0.0, 0.0], 0.25)[1] == 1
    assert resampled_mean([0.1, 0.1], 0.25)[1] == 0
    for bad in ([], [np.nan, 1.0]):
        with pytest.raises(StatisticsError, match="finite"):
            resampled_mean(bad, 0.25)
    with pytest.raises(StatisticsError, match="positive"):
        resampled_mean([1.0, 2.0], 0)
