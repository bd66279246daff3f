"""The benchmark of the next exam: its figures by hand, and a tiny run of it."""

from __future__ import annotations

import numpy as np
import pytest

from fibrostage.bench.next_exam import (
    CHANCE,
    FIXED,
    HINDSIGHT,
    MODEL,
    POLICIES,
    STAGE,
    Choice,
    bench_next_exam,
    clustered,
    half_rows,
    improved,
    mean_taken,
    per_cohort,
    ratio,
    row_of,
)
from fibrostage.bench.tables import next_exam_views
from fibrostage.stats.decisions import Decision


def made_choice(seed: int) -> Choice:
    """Forty patients and three modalities, of which the model knows what they bring, but for noise."""
    rng = np.random.default_rng(seed)
    gains = rng.normal(0.1, 0.3, (40, 3, 2))
    near = gains + rng.normal(0, 0.02, gains.shape)
    scores = dict.fromkeys(POLICIES, near[..., 0]) | {FIXED: np.tile([0.8, 0.9, 0.7], (40, 1))}
    scores |= {HINDSIGHT[at]: gains[..., at] for at in (0, 1)} | {STAGE[at]: near[..., at] for at in (0, 1)}
    return Choice(gains, near, near + 1, scores, rng.random(40), 0.02, np.array([1.5, 1.4]))


def test_gains_are_of_what_is_told_of_the_true_stage() -> None:
    before, after = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3]]), np.array([[0.2, 0.3, 0.5], [0.2, 0.5, 0.3]])
    found = improved(before, after, np.array([2, 1]), Decision())
    assert found == pytest.approx(np.array([[np.log(5), 2.0], [0.0, 0.0]]))


def test_policies_take_the_largest_score_and_chance_the_mean() -> None:
    one = made_choice(0)
    assert mean_taken(FIXED, one) == pytest.approx(one.gains[:, 1].mean(axis=0))
    assert mean_taken(CHANCE, one) == pytest.approx(one.gains.mean(axis=(0, 1)))
    assert mean_taken(HINDSIGHT[0], one)[0] == pytest.approx(one.gains[..., 0].max(axis=1).mean())


def test_regret_is_none_for_the_oracle_and_all_for_chance() -> None:
    found = [[made_choice(seed), made_choice(seed + 50)] for seed in range(5)]
    gains = {name: per_cohort(found, lambda one, name=name: mean_taken(name, one)) for name in POLICIES}
    rows = {name: row_of(name, gains) for name in POLICIES}
    key = "regret, hindsight"
    assert rows[CHANCE]["log loss"][key]["value"] == pytest.approx(1)
    assert rows[HINDSIGHT[1]]["stage error"][key]["value"] == pytest.approx(0)
    assert "log loss" not in rows[HINDSIGHT[1]]
    assert 0 <= rows[MODEL]["log loss"][key]["value"] < 0.05
    assert rows[MODEL]["log loss"]["over chance"]["lo"] > 0
    first = half_rows(found)[0]["log loss"]["over the most uncertain"]
    assert first["lo"] > 0, "who gains most is known"


def test_intervals_are_over_cohorts() -> None:
    found = clustered([0.1, 0.3, 0.2])
    assert found["value"] == pytest.approx(0.2)
    assert found["hi"] == pytest.approx(0.2 + 4.302653 * 0.1 / np.sqrt(3))
    assert clustered([0.1]) == {"value": 0.1, "lo": None, "hi": None}
    same = ratio(np.array([0.2, 0.4]), np.array([1.0, 2.0]))
    assert [same[key] for key in ("value", "lo", "hi")] == pytest.approx([0.2, 0.2, 0.2])


def test_a_tiny_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fibrostage.phantom.write.ceilings", lambda *_: {})
    quick = ("calibration.penalties=[0.3]", "calibration.folds=3", "training.epochs=5")
    content = bench_next_exam(1, 38, 0.2, 1, quick)
    assert content["simulated"]
    assert [row["policy"] for row in content["rows"]] == list(POLICIES)
    told = content["told"]["log loss"]
    assert all(np.isfinite(one["value"]) for one in told.values())
    assert 0 <= content["moved"]["value"] < 1
    shown = list(next_exam_views(content))
    assert shown[0].title.startswith("SIMULATED")
    assert len(shown) == 4
