"""Stopping rules on rounds made up for them, and their combination."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fibrostage.campaign.rounds import agreement_of
from fibrostage.campaign.stopping import reason_to_stop
from fibrostage.plan.asking import StoppingPlan
from fibrostage.results.metrics import Cost
from fibrostage.results.rounds import Round


def rounds(scores: list[float], agreements: list[float] | None = None) -> list[Round]:
    spent = Cost(candidates=0, images=0, patients=0, cost=0)
    told = [None, *(agreements or []), *[None] * len(scores)]
    return [
        Round(
            k, spent, 0, 10 * 2**k, 20 * 2**k, 0, None, 0.0, 0, validation_auc=score, validated=True, agreement=told[k]
        )
        for k, score in enumerate(scores)
    ]


def test_a_plateau_is_rounds_without_improvement() -> None:
    plan = StoppingPlan(plateau=2, improvement=0.01)
    assert reason_to_stop(rounds([0.6, 0.7]), plan) is None
    assert reason_to_stop(rounds([0.6, 0.7, 0.705]), plan) is None
    assert reason_to_stop(rounds([0.6, 0.7, 0.705, 0.709]), plan) == "plateau"
    assert reason_to_stop(rounds([0.6, 0.7, 0.705, 0.72]), plan) is None


def test_stable_predictions() -> None:
    plan = StoppingPlan(stable=2, agreement=0.95)
    assert reason_to_stop(rounds([0.6] * 3, [0.99, 0.9]), plan) is None
    assert reason_to_stop(rounds([0.6] * 4, [0.9, 0.96, 0.97]), plan) == "stable"


def test_no_gain_is_read_off_the_slope_over_log_labels() -> None:
    plan = StoppingPlan(gain=0.01)
    assert reason_to_stop(rounds([0.6, 0.62, 0.64]), plan) is None, "too few rounds for a slope"
    assert reason_to_stop(rounds([0.6, 0.62, 0.64, 0.66]), plan) is None  # 0.02 a doubling
    assert reason_to_stop(rounds([0.66, 0.661, 0.662, 0.663]), plan) == "gain"


def test_any_and_all() -> None:
    seen = rounds([0.6, 0.7, 0.7, 0.7], [0.5, 0.5, 0.5])
    either = StoppingPlan(plateau=2, stable=1)
    assert reason_to_stop(seen, either) == "plateau"
    assert reason_to_stop(seen, either.model_copy(update={"combine": "all"})) is None
    seen[-1] = replace(seen[-1], agreement=1.0)
    assert reason_to_stop(seen, either.model_copy(update={"combine": "all"})) == "plateau and stable"
    assert reason_to_stop(seen, StoppingPlan(combine="all")) is None, "no rule never stops"


def test_kappa_is_scikit_learns() -> None:
    from sklearn.metrics import cohen_kappa_score

    rng = np.random.default_rng(0)
    a = rng.integers(0, 5, 300)
    b = np.where(rng.random(300) < 0.7, a, rng.integers(0, 5, 300))
    assert agreement_of(a, b, 5) == pytest.approx(cohen_kappa_score(a, b))
    assert agreement_of(np.zeros(4, dtype=np.int64), np.zeros(4, dtype=np.int64), 5) == 1
