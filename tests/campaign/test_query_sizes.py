"""How many items each round asks for."""

import json
from collections.abc import Callable

import pytest

from fibrostage.campaign.query_sizes import schedule
from fibrostage.ground.errors import PlanError
from fibrostage.plan.run_plan import Plan

Build = Callable[..., Plan]


def test_the_schedule_ends_with_the_whole_pool(tiny_plan: Build) -> None:
    assert schedule(1000, 5, tiny_plan("active.rounds=3").active) == [100, 400, 700, 1000]
    assert schedule(1000, 5, tiny_plan("active.rounds=3", "active.query=0.05").active) == [100, 150, 200, 250]
    assert schedule(9, 5, tiny_plan("active.rounds=10").active) == [5, 6, 7, 8, 9]
    assert schedule(50, 5, tiny_plan("active.rounds=0").active) == [5]
    assert schedule(1000, 5, tiny_plan("active.shares=[0.001, 0.2, 1]").active) == [5, 200, 1000]
    assert schedule(1000, 5, tiny_plan("active.strategy=all").active) == [1000]


def test_a_whole_number_is_a_number_of_items_and_a_share_a_share(tiny_plan: Build) -> None:
    plan = tiny_plan("active.rounds=3", "active.initial=20", "active.query=7").active
    assert schedule(1000, 5, plan) == [20, 27, 34, 41]
    assert schedule(10, 5, tiny_plan("active.rounds=1", "active.query=1.0").active) == [5, 10]
    assert schedule(10, 5, tiny_plan("active.rounds=1", "active.query=1").active) == [5, 6]
    assert schedule(10, 5, tiny_plan("active.rounds=1", "active.initial=400").active) == [10]
    again = Plan.parse(json.loads(tiny_plan("active.query=1.0").canonical())).active
    assert isinstance(again.query, float)


@pytest.mark.parametrize("value", ["0", "-3", "1.5", "0.0"])
def test_what_is_neither_a_share_nor_a_number_of_items_is_refused(tiny_plan: Build, value: str) -> None:
    with pytest.raises(PlanError, match="active.query"):
        tiny_plan(f"active.query={value}")
