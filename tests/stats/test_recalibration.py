"""Probabilities that mean what they say, and the stage that is called from them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.calibration import calibrate
from fibrostage.stats.calling import Calling, calling_from, together
from fibrostage.stats.decisions import RULES, Decision
from fibrostage.stats.recalibration import (
    FLOOR,
    LogisticMap,
    StepMap,
    at_or_above,
    logit,
    mean_log_loss,
    recalibrate,
    recalibration_from,
    youden_thresholds,
)

Drawn = tuple[NDArray[np.int64], NDArray[np.float64]]


def drawn(n: int, timid: float, seed: int = 0) -> Drawn:
    """Patients of five stages, and probabilities whose logits are `timid` times as far from even as they should be."""
    rng = np.random.default_rng(seed)
    severity = rng.normal(0, 2, n)
    cuts = np.array([-2.0, -0.5, 0.8, 2.2])
    true_above = 1 / (1 + np.exp(-2 * (severity[:, None] - cuts)))
    told = 1 / (1 + np.exp(-2 * timid * (severity[:, None] - cuts)))
    stages = (rng.random((n, 1)) < true_above).sum(axis=1)
    whole = np.concatenate([np.ones((n, 1)), told, np.zeros((n, 1))], axis=1)
    return stages.astype(np.int64), whole[:, :-1] - whole[:, 1:]


def slopes(stages: NDArray[np.int64], table: NDArray[np.float64]) -> list[float]:
    above = at_or_above(table)
    found = [calibrate(stages > k, above[:, k], resamples=1).slope.value for k in range(above.shape[1])]
    return [value for value in found if value is not None]


@pytest.mark.parametrize("timid", [0.4, 2.0])
def test_timid_and_overconfident_probabilities_are_mended(timid: float) -> None:
    stages, table = drawn(400, timid)
    fresh, said = drawn(6000, timid, seed=1)
    before, after = slopes(fresh, said), slopes(fresh, recalibrate(stages, table)(said))
    assert all(abs(value - 1 / timid) < 0.25 / timid for value in before)
    assert all(0.8 < value < 1.25 for value in after), after
    assert mean_log_loss(fresh, recalibrate(stages, table)(said)) < mean_log_loss(fresh, said)


def test_the_logistic_maps_are_those_of_a_logistic_regression() -> None:
    stages, table = drawn(40_000, 0.5)
    above = at_or_above(table)
    for k, one in enumerate(recalibrate(stages, table, "platt").cuts):
        assert isinstance(one, LogisticMap)
        known = LogisticRegression(C=1e9, tol=1e-10, max_iter=1000).fit(logit(above[:, k])[:, None], stages > k)
        assert one.slope == pytest.approx(known.coef_[0, 0], rel=1e-3)
        assert one.intercept == pytest.approx(known.intercept_[0], abs=2e-3)


def test_the_isotonic_maps_are_those_of_scikit_learn() -> None:
    stages, table = drawn(3000, 0.5)
    above = at_or_above(table)
    many = recalibrate(*drawn(8000, 0.5))
    assert all(isinstance(one, StepMap) for one in many.cuts), "with so many on either side of each cut, by itself"
    for k, one in enumerate(recalibrate(stages, table, "isotonic").cuts):
        known = IsotonicRegression(out_of_bounds="clip").fit(above[:, k], stages > k)
        assert np.allclose(one(above[:, k]), known.predict(above[:, k]))


def test_what_comes_out_are_probabilities_that_fall_from_cut_to_cut() -> None:
    stages, table = drawn(60, 0.5)
    out = recalibrate(stages, table)(table)
    assert np.allclose(out.sum(axis=1), 1)
    assert out.min() >= FLOOR / 2
    assert (np.diff(at_or_above(out), axis=1) <= 0).all()


def test_few_patients_and_perfect_ones_give_finite_maps() -> None:
    stages = np.array([0] * 6 + [1] * 6)
    sure = np.where(stages[:, None] == np.arange(2), 0.999999, 0.000001)
    (one,) = recalibrate(stages, sure).cuts
    assert isinstance(one, LogisticMap)
    assert np.isfinite([one.slope, one.intercept]).all()
    (turned,) = recalibrate(stages, sure[:, ::-1]).cuts
    assert isinstance(turned, LogisticMap)
    assert turned.slope > 0, "a map never turns the order round"
    lonely = recalibrate(np.array([0] * 20 + [2] * 2), np.full((22, 3), 1 / 3))
    assert lonely.cuts == (LogisticMap(), LogisticMap()), "too few at or above: as it is"


def test_bad_input_is_named() -> None:
    stages, table = drawn(30, 1.0)
    with pytest.raises(StatisticsError, match="'magic'"):
        recalibrate(stages, table, "magic")
    with pytest.raises(StatisticsError, match=r"needs stages \[n\]"):
        recalibrate(stages[:5], table)
    with pytest.raises(StatisticsError, match="needs stages"):
        recalibrate(stages[:0], table[:0])
    with pytest.raises(StatisticsError, match=r"must be \[n, 5\], got \(30, 3\)"):
        recalibrate(stages, table)(table[:, :3])
    with pytest.raises(StatisticsError, match="no recalibration"):
        recalibration_from({"n": 3})
    with pytest.raises(StatisticsError, match="not how a stage is called"):
        calling_from({"rule": "mode"})


@pytest.mark.parametrize("kind", ["platt", "isotonic"])
def test_a_calling_survives_json(kind: str) -> None:
    import json

    stages, table = drawn(200, 0.5)
    maps = recalibrate(stages, table, kind)
    calling = Calling(maps, Decision("thresholds", thresholds=youden_thresholds(stages, maps(table))))
    again = calling_from(json.loads(json.dumps(calling.as_dict())))
    assert again == calling
    assert np.array_equal(again.probabilities(table), calling.probabilities(table))


def test_each_rule_calls_what_it_says() -> None:
    table = np.array([[0.4, 0.3, 0.3], [0.1, 0.2, 0.7], [0.45, 0.1, 0.45], [0.5, 0.2, 0.3]])
    assert Decision()(table).tolist() == [0, 2, 0, 0]
    assert Decision("median")(table).tolist() == [1, 2, 1, 0]
    assert Decision("least_error")(table).tolist() == [1, 2, 1, 0]
    missed = ((0.0, 1.0, 1.0), (2.0, 0.0, 1.0), (9.0, 4.0, 0.0))  # a missed last stage costs nine
    assert Decision("least_cost", costs=missed)(table).tolist() == [2, 2, 2, 2]
    assert Decision("thresholds", thresholds=(0.55, 0.4))(table).tolist() == [1, 2, 2, 0]
    assert Decision("thresholds", thresholds=(0.95, 0.1))(table).tolist() == [0, 0, 0, 0], "one after another"
    with pytest.raises(StatisticsError, match="one of " + ", ".join(RULES)):
        Decision("loudest")(table)
    with pytest.raises(StatisticsError, match="3 rows of 3"):
        Decision("least_cost", costs=((0.0, 1.0), (1.0, 0.0)))(table)
    with pytest.raises(StatisticsError, match="right stage are 0"):
        Decision("least_cost", costs=((1.0, 1.0, 1.0),) * 3)(table)
    with pytest.raises(StatisticsError, match="have 2 thresholds, got 1"):
        Decision("thresholds", thresholds=(0.5,))(table)


def test_the_thresholds_are_youdens() -> None:
    stages = np.array([0, 0, 0, 1, 1, 1])
    at = np.array([0.1, 0.2, 0.6, 0.3, 0.7, 0.8])
    (found,) = youden_thresholds(stages, np.stack([1 - at, at], axis=1))
    assert found == pytest.approx(0.25), "three of three and two of three, with .25 and with .65; the first is taken"
    assert youden_thresholds(np.zeros(4, dtype=np.int64), np.full((4, 2), 0.5)) == (0.5,)


def test_several_models_call_by_the_mean_of_their_thresholds() -> None:
    each = [Calling(decision=Decision("thresholds", thresholds=pair)) for pair in ((0.2, 0.4), (0.4, 0.8))]
    assert together(tuple(each)).thresholds == pytest.approx((0.3, 0.6))
    assert together(()) == Decision()
