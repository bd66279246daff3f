"""The benchmark of shards: every way takes in the same files and sees the same pictures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fibrostage.bench import one_machine, scale
from fibrostage.bench.one_machine import bench_one_machine, slope
from fibrostage.bench.scale import bench_scale
from fibrostage.bench.tables import one_machine_views, scale_view
from fibrostage.ground.shards import RayShards
from fibrostage.phantom.recipe import Recipe


def test_every_way_sees_the_same(two_nodes: str, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def cluster(_nodes: int) -> Iterator[RayShards]:
        yield RayShards(two_nodes)

    def few(patients: int, seed: int, **how: str) -> Recipe:
        return Recipe(patients, seed, modalities=("LSTE",), pictures=1, **how)

    monkeypatch.setattr(scale, "in_own_process", lambda work, *arguments: work(*arguments))
    monkeypatch.setattr(scale, "own_cluster", cluster)
    monkeypatch.setattr(scale, "Recipe", few)
    content = bench_scale(6, (2,))
    here, there = content["rows"]
    assert (here["nodes"], there["nodes"]) == (0, 2)
    assert here["files"] == there["files"] > content["half"]["files"] > 0
    assert here["pictures"] == there["pictures"] > content["half"]["pictures"] > 0
    assert min(row[of] for row in (here, there) for of in ("files_per_s", "pictures_per_s", "peak_mb")) > 0
    assert "SIMULATED" in scale_view(content).title


def test_what_stays_on_one_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_machine, "in_own_process", lambda work, *arguments: work(*arguments))
    content = bench_one_machine((20, 40), (300,), rounds=1)
    assert [row["pictures"] for row in content["memory"]] == [20, 40]
    assert min(row["peak_mb"] for row in content["memory"]) > 0
    (row,) = content["twins"]
    assert row["prints"] == 300
    assert row["cpu_s"] > 0
    memory, twins = one_machine_views(content)
    assert "SIMULATED" in memory.title
    assert "SIMULATED" in twins.title
    assert slope([{"pictures": 1000, "peak_mb": 10.0}, {"pictures": 2000, "peak_mb": 20.0}]) == 10.24
