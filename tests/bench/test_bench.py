"""Benchmarks run, compare like with like, and their answers agree; how fast they are is nobody's test."""

from __future__ import annotations

import time

import pytest

from fibrostage.bench.stats import bench_stats
from fibrostage.bench.timing import side_by_side


def test_side_by_side_times_each_and_keeps_the_answers() -> None:
    timings, answers = side_by_side({"quick": lambda: 1, "slow": lambda: time.sleep(0.06) or 2}, rounds=2)
    assert answers == {"quick": 1, "slow": 2}
    assert timings["slow"].median_wall >= 0.06 > timings["quick"].median_wall
    assert timings["slow"].median_cpu < 0.05


def test_statistics_beside_the_others() -> None:
    content = bench_stats({120: (1, 200)})
    assert {row["other"] for row in content["rows"]} == {"confidenceinterval", "MLstatkit"}
    for row in content["rows"]:
        assert row["ratio"] > 0
        assert row["apart"] < (1e-6 if row["resamples"] is None else 0.03), row


def test_without_the_others_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from fibrostage.errors import RunError

    monkeypatch.setitem(sys.modules, "MLstatkit", None)
    with pytest.raises(RunError, match="pip install MLstatkit"):
        bench_stats({120: (1, 10)})
