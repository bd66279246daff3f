"""The corrected resampled t-test: by hand, and by simulation of what the plain one gets wrong."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student
from scipy.stats import ttest_1samp

from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.estimate import Estimate
from fibrostage.stats.resampled import resampled_mean, resampled_share


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


@given(
    values=st.lists(st.floats(0, 1), min_size=1, max_size=8),
    ratio=st.floats(0.01, 2),
    most=st.sampled_from([1.0, 60.0]),
)
def test_a_share_has_its_interval_within_its_bounds(values: list[float], ratio: float, most: float) -> None:
    found = resampled_share(most * np.array(values), ratio, most)
    assert found.value == pytest.approx(most * np.mean(values))
    if found.lo is None or found.hi is None or found.value is None:
        assert found.why in ("one run", f"the {len(values)} runs do not differ")
    else:
        assert 0 <= found.lo <= found.value <= found.hi <= most


def test_a_share_far_from_its_bounds_is_the_resampled_mean() -> None:
    x = np.array([0.50, 0.52, 0.49, 0.51])
    plain, bounded = resampled_mean(x, 0.25)[0], resampled_share(x, 0.25)
    assert (bounded.lo, bounded.hi) == pytest.approx((plain.lo, plain.hi), abs=1e-3)


def test_two_runs_say_next_to_nothing_and_no_count_is_below_none() -> None:
    auc, pictures = resampled_share([0.8, 1.0], 0.25), resampled_share([2.0, 30.0], 0.25, 40)
    assert auc.lo is not None
    assert auc.lo < 0.01
    assert (auc.hi, pictures.hi) == pytest.approx((1, 40), abs=0.01)
    assert pictures.lo is not None
    assert 0 <= pictures.lo < 0.01


def test_runs_that_do_not_differ_are_not_certain() -> None:
    assert resampled_share([1.0, 1.0, 1.0], 0.25) == Estimate(1.0, None, None, "the 3 runs do not differ")
    with pytest.raises(StatisticsError, match="needs them there"):
        resampled_share([0.5, 1.5], 0.25)
