"""How many items each round asks for."""

from collections.abc import Callable

from fibrostage.campaign.query_sizes import schedule
from fibrostage.plan.run_plan import Plan

Build = Callable[..., Plan]


def test_the_schedule_ends_with_the_whole_pool(tiny_plan: Build) -> None:
    assert schedule(1000, 5, tiny_plan("active.rounds=3").active) == [100, 400, 700, 1000]
    assert schedule(1000, 5, tiny_plan("active.rounds=3", "active.query=0.05").active) == [100, 150, 200, 250]
    assert schedule(9, 5, tiny_plan("active.rounds=10").active) == [5, 6, 7, 8, 9]
    assert schedule(50, 5, tiny_plan("active.rounds=0").active) == [5]
    assert schedule(1000, 5, tiny_plan("active.shares=[0.001, 0.2, 1]").active) == [5, 200, 1000]
    assert schedule(1000, 5, tiny_plan("active.strategy=all").active) == [1000]
