"""Sets of stages: contiguous, and as often right as they say, of every stage alike."""

from __future__ import annotations

import numpy as np
import pytest

from fibrostage.ground.errors import StatisticsError
from fibrostage.stats.conformal import StageSets, limit, possible, stage_sets, strangeness
from tests.stats.test_recalibration import drawn


def test_strangeness_grows_from_the_most_probable_stage_to_the_likelier_neighbour() -> None:
    table = np.array([[0.1, 0.4, 0.3, 0.15, 0.05], [0.5, 0.3, 0.1, 0.06, 0.04], [0.02, 0.03, 0.05, 0.1, 0.8]])
    found = strangeness(table)
    assert found[0] == pytest.approx([0.9, 0.2, 0.55, 0.775, 0.975])
    assert found[1] == pytest.approx([0.25, 0.65, 0.85, 0.93, 0.98])
    assert found[2] == pytest.approx([0.99, 0.965, 0.925, 0.85, 0.4])


def test_it_is_the_same_for_every_row_alone() -> None:
    _, table = drawn(50, 0.7)
    assert np.allclose(np.concatenate([strangeness(row[None]) for row in table]), strangeness(table))
    order = np.argsort(strangeness(table), axis=1)
    reached = np.sort(order[:, :3], axis=1)
    assert (np.ptp(reached, axis=1) == 2).all(), "what is reached first has no gap"


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
def test_every_stage_is_covered_as_often_as_asked_over_simulated_cohorts(coverage: float) -> None:
    held = []
    for seed in range(40):
        stages, table = drawn(200, 0.5, seed)  # probabilities that are far too timid, which is no matter
        fresh, said = drawn(2000, 0.5, 1000 + seed)
        inside = possible(said, stage_sets(stages, table).limits(coverage))
        own = inside[np.arange(2000), fresh]
        held.append([own.mean(), *(own[fresh == k].mean() for k in range(5))])
    mean, error = np.mean(held, axis=0), np.std(held, axis=0) / np.sqrt(40)
    assert (mean >= coverage - 3 * error).all(), mean
    assert mean[0] < coverage + 0.06, "and not much more often"


def test_one_limit_for_all_stages_would_miss_a_rare_one() -> None:
    stages, table = drawn(2000, 0.5)
    own = strangeness(table)[np.arange(2000), stages]
    shared = np.full(5, np.quantile(own, 0.9))
    fresh, said = drawn(20_000, 0.5, 1)
    held = possible(said, shared)[np.arange(20_000), fresh]
    alike = possible(said, stage_sets(stages, table).limits(0.9))[np.arange(20_000), fresh]
    shares = [[each[fresh == k].mean() for k in range(5)] for each in (held, alike)]
    assert np.ptp(shares[0]) > 2 * np.ptp(shares[1])


def test_sets_have_no_gap_hold_the_most_probable_stage_and_grow_with_coverage() -> None:
    stages, table = drawn(300, 0.5)
    sets = stage_sets(stages, table)
    before = np.zeros(300)
    for coverage in (0.5, 0.8, 0.95):
        inside = possible(table, sets.limits(coverage))
        assert inside[np.arange(300), table.argmax(axis=1)].all()
        edges = np.diff(np.pad(inside, ((0, 0), (1, 1))).astype(int), axis=1)
        assert ((edges == 1).sum(axis=1) == 1).all()
        assert (inside.sum(axis=1) >= before).all()
        before = inside.sum(axis=1)


def test_of_few_patients_nothing_is_excluded() -> None:
    assert limit([0.1, 0.2, 0.3], 0.75) == 0.3
    assert limit([0.1, 0.2, 0.3], 0.9) == np.inf
    assert limit([], 0.5) == np.inf
    few = StageSets(((0.1,) * 30, ()))
    assert possible(np.array([[0.999, 0.001]]), few.limits(0.9)).tolist() == [[True, True]]


def test_bad_input_is_named() -> None:
    with pytest.raises(StatisticsError, match="between 0 and 1, got 1"):
        StageSets(((0.5,),)).limits(1)
    with pytest.raises(StatisticsError, match="sets need stages"):
        stage_sets([0, 1], np.ones((3, 2)) / 2)
