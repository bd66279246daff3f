"""Work in shards on two nodes: in order, whoever dies."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from fibrostage.ground.errors import PlanError, RunError
from fibrostage.ground.shards import RayShards, check_seen, shards_by


@dataclass(frozen=True)
class Squares:
    """Squares numbers, and notes in a folder how often each was begun; some end the process, once or each time."""

    folder: Path
    once: int = -1
    always: int = -1
    sleeps: int = -1

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        for number in numbers:
            with (self.folder / str(number)).open("a") as file:
                file.write("x")
            first = (self.folder / str(number)).stat().st_size == 1
            if number == self.always or (number == self.once and first):
                os.kill(os.getpid(), signal.SIGKILL)
            if number == self.sleeps:
                time.sleep(600)
            if number == 99:
                raise RunError("ninety-nine")
        return [number**2 for number in numbers]

    def begun(self, number: int) -> int:
        return (self.folder / str(number)).stat().st_size


def gone(number: int, late: float | None) -> int:
    return -1 if late is None else -2


def test_a_killed_worker_costs_its_shard_only(two_nodes: str, tmp_path: Path) -> None:
    engine, numbers = RayShards(two_nodes), range(20)
    work = Squares(tmp_path, once=5)
    assert list(engine(work, numbers, 4, gone)) == [number**2 for number in numbers]
    assert [work.begun(number) for number in (3, 4, 5, 6, 8)] == [1, 2, 2, 1, 1]


def test_of_a_shard_that_cannot_be_done_only_the_culprit_is_lost(two_nodes: str, tmp_path: Path) -> None:
    engine = RayShards(two_nodes)
    assert list(engine(Squares(tmp_path, always=1), range(6), 3, gone)) == [0, -1, 4, 9, 16, 25]
    assert list(engine(Squares(tmp_path, sleeps=1), range(2), 1, gone, patience=2.0)) == [0, -2]


def test_what_the_work_raises_is_raised_here(two_nodes: str, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="^ninety-nine$"):
        list(RayShards(two_nodes)(Squares(tmp_path), [98, 99], 1, gone))
    with pytest.raises(RunError, match="--gpus 1 at a time, but the cluster has 0"):
        list(RayShards(two_nodes, 1.0)(Squares(tmp_path), [1], 1, gone))
    with pytest.raises(RunError, match=r"no Ray cluster at 127\.0\.0\.1:1"):
        list(RayShards("127.0.0.1:1")(Squares(tmp_path), [1], 1, gone))


def test_engines_have_names() -> None:
    assert shards_by("local") is None
    assert shards_by("ray", "here:1", 0.5) == RayShards("here:1", 0.5)
    with pytest.raises(PlanError, match="--engine 'rai', did you mean 'ray'"):
        shards_by("rai")
    with pytest.raises(PlanError, match="belong to --engine ray"):
        shards_by("local", "here:1")


def test_a_node_that_does_not_see_a_folder_says_so(tmp_path: Path) -> None:
    check_seen(tmp_path)
    with pytest.raises(RunError, match=r"node .* does not see .*other; share the folder under the same path"):
        check_seen(tmp_path / "other")
