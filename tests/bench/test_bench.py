"""Benchmarks run, compare like with like, and their answers agree; how fast they are is nobody's test."""

from __future__ import annotations

import time

import numpy as np
import pytest

from fibrostage.bench import pool, train
from fibrostage.bench.pool import bench_pool, bench_shape
from fibrostage.bench.setting import Shape
from fibrostage.bench.stats import bench_stats
from fibrostage.bench.timing import side_by_side
from fibrostage.bench.train import bench_train
from fibrostage.ground.errors import FibrostageError
from fibrostage.ground.progress import SILENT


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


def test_a_pool_beside_baal_and_the_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiny, with the real backbone, all in one process: everybody answers, and the answers agree."""
    monkeypatch.setattr(pool, "in_own_process", lambda work, *arguments: work(*arguments))
    shape = Shape("tiny", np.array([[2, 3], [3, 2]]))
    content = bench_shape(shape, "efficientnet_lite0", 3, 3, 0, SILENT, batches=(2,))
    ways = content["ways"]
    assert {"fibrostage", "floor", "plain batched loop", "Baal, default", "Baal, loop"} < set(ways)
    assert "Baal, loop with its caching module" in ways
    assert ways["fibrostage"]["candidates"] == 12
    assert ways["Baal, default"]["candidates"] == 3
    assert all(way["cpu_ratio"] > 0 for way in ways.values())
    found = content["agreement"]
    assert found["same_masks_float32"] < 1e-5
    assert found["same_masks_as_run"] < 0.1
    assert all(distance < 5 for distance in found["own_masks_in_sd"].values())


def test_a_pool_on_cached_features() -> None:
    content = bench_shape(Shape("few", np.full((3, 2), 40), pixels=False), "tiny", 20, 2, 0, SILENT)
    (way,) = content["ways"].values()
    assert way["candidates"] == 4800
    assert way["candidates_per_s"] > 0
    assert way["arithmetic_floor_s"] > 0


def test_an_unknown_shape_lists_the_known() -> None:
    with pytest.raises(FibrostageError, match="5x5, 5x21, paper, four, cached, huge"):
        bench_pool(("6x6",))


def test_training_beside_the_naive_loader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "in_own_process", lambda work, *arguments: work(*arguments))
    monkeypatch.setattr(train, "PATIENTS", 1)
    content = bench_train("efficientnet_lite0", batch=2, steps=1)
    for ways in content["ways"].values():
        assert ways["ours"]["pairs"] == ways["naive"]["pairs"]
        assert ways["ratio"] > 0
    assert content["boundary"]["images_per_s"] > 0
    assert content["head"]["candidates"] > 16_000


def test_without_the_others_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from fibrostage.ground.errors import RunError

    monkeypatch.setitem(sys.modules, "MLstatkit", None)
    with pytest.raises(RunError, match="pip install MLstatkit"):
        bench_stats({120: (1, 10)})
