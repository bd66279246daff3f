"""Who is kept for audits: a share of every arrival, drawn by ids, whatever joins later."""

from __future__ import annotations

import numpy as np

from fibrostage.campaign.next_query import mixed
from fibrostage.campaign.reserve import Reserve, reserve

IDS = [f"P{number:03d}" for number in range(60)]


def test_a_share_of_every_arrival_is_kept() -> None:
    arrival = np.repeat([0, 1], [40, 20])
    drawn = reserve(IDS, np.arange(60), arrival, 0.2, 0).drawn
    assert [(drawn < 40).sum(), (drawn >= 40).sum()] == [8, 4]
    assert len(set(drawn.tolist())) == 12


def test_who_joins_later_changes_nothing() -> None:
    alone = reserve(IDS[:40], np.arange(40), np.zeros(40, dtype=np.int64), 0.2, 0)
    both = reserve(IDS, np.arange(60), np.repeat([0, 1], [40, 20]), 0.2, 0)
    assert both.drawn[both.drawn < 40].tolist() == alone.drawn.tolist()


def test_it_is_by_id_and_seed_and_not_by_place() -> None:
    back = reserve(IDS[::-1], np.arange(60), np.zeros(60, dtype=np.int64), 0.25, 3)
    there = reserve(IDS, np.arange(60), np.zeros(60, dtype=np.int64), 0.25, 3)
    assert [IDS[::-1][row] for row in back.drawn] == [IDS[row] for row in there.drawn]
    assert reserve(IDS, np.arange(60), np.zeros(60, dtype=np.int64), 0.25, 4).drawn.tolist() != there.drawn.tolist()


def test_who_cannot_be_asked_is_not_kept() -> None:
    askable = np.arange(0, 60, 2)
    kept = reserve(IDS, askable, np.zeros(60, dtype=np.int64), 0.5, 0)
    assert np.isin(kept.drawn, askable).all()
    assert (kept.arrival[1::2] == -1).all()
    assert len(reserve(IDS, askable[:0], np.zeros(60, dtype=np.int64), 0.5, 0).drawn) == 0


def test_the_share_is_kept_over_questions() -> None:
    own, audited, asked = Reserve(0.2, np.arange(50)), 0, 0
    for count in (1, 3, 10, 7, 4):
        audited += own.due(asked, count, audited)
        asked += count
    assert audited == 5


def test_audits_stand_anywhere_and_the_rest_in_order() -> None:
    places = set()
    for seed in range(40):
        order = mixed(6, 2, np.random.default_rng(seed))
        assert sorted(order.tolist()) == list(range(8))
        assert [each for each in order if each < 6] == list(range(6))
        places |= set(np.flatnonzero(order >= 6).tolist())
    assert places == set(range(8))
