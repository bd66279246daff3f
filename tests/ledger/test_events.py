"""Events: a pure fold, and a chain that shows damage."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fibrostage.ground.errors import RunError
from fibrostage.ledger.events import Event, chained, sound_part
from fibrostage.ledger.state import replay
from fibrostage.results.metrics import Cost
from fibrostage.results.rounds import Round
from fibrostage.stats.estimate import Estimate


def closed_round(number: int) -> Round:
    spent = Cost(candidates=1, images=2, patients=1, cost=1.0)
    figure = Estimate(0.8, 0.7, 0.9)
    return Round(number, spent, 1, 1, 2, 0, None, 0.5, 3, {"accuracy": figure, "auc_at_F2": figure})


def history(choices: list[int]) -> list[Event]:
    """A history that can happen, made of small numbers."""
    events, pending, labelled, fresh, round_ = [Event("opened", -1, payload={"unit": "candidate"})], [], [], 0, 0
    for choice in choices:
        if choice % 5 == 0:
            items = list(range(fresh, fresh + 1 + choice % 3))
            fresh += len(items)
            events.append(Event("issued", round_, payload={"items": items, "strategy": "esd"}))
            pending += items
        elif choice % 5 == 1 and pending:
            item = pending.pop(choice % len(pending))
            events.append(Event("labelled", round_, "archive", item, choice % 4))
            labelled.append(item)
        elif choice % 5 == 2 and pending:
            events.append(Event("rejected", round_, "archive", pending.pop()))
        elif choice % 5 == 3 and labelled:
            events.append(Event("withdrawn", round_, "reader", labelled.pop()))
        elif choice % 5 == 4:
            events += [
                Event("trained", round_, payload={"model": "x"}),
                Event("closed", round_, payload=dict(closed_round(round_).as_row())),
            ]
            round_ += 1
    return events


@given(st.lists(st.integers(0, 999), max_size=40), st.integers(0, 50))
def test_state_is_a_pure_fold(choices: list[int], cut: int) -> None:
    events = history(choices)
    whole = replay(events)
    assert replay(events[cut:], replay(events[:cut])) == whole
    assert replay(events) == whole
    assert set(whole.labels) | set(whole.rejected) <= whole.spent
    assert not set(whole.labels) & set(whole.pending)


def test_what_cannot_follow() -> None:
    start = [Event("opened", -1), Event("issued", 0, payload={"items": [1, 2]})]
    for event, message in (
        (Event("labelled", 0, "a", 3, 1), "item 3 was not asked for"),
        (Event("issued", 1, payload={"items": [2]}), "item 2 is asked for a second time"),
        (Event("withdrawn", 0, "a", 1), "item 1 has no label"),
        (Event("closed", 1), "round 0 is next"),
        (Event("opened", -1), "opened before"),
        (Event("burnt", 0), "kinds are opened, issued"),
    ):
        with pytest.raises(RunError, match=message):
            replay([*start, event])
    labelled = [*start, Event("labelled", 0, "a", 1, 4)]
    with pytest.raises(RunError, match="item 1 was not asked for"):
        replay([*labelled, Event("labelled", 0, "a", 1, 4)])
    again = [*labelled, Event("withdrawn", 0, "a", 1), Event("issued", 1, payload={"items": [1]})]
    assert replay(again).pending == (2, 1), "a withdrawn label's item may be asked for again"
    assert replay(again).spent == {1}, "and was paid for"


def chain(events: list[Event]) -> list[Event]:
    result: list[Event] = []
    for number, event in enumerate(events):
        result.append(chained(replace(event, seq=number, at="now"), result[-1].digest if result else ""))
    return result


def test_a_changed_or_lost_event_is_found_where_it_is() -> None:
    events = chain(history([0, 1, 1, 4, 5, 1, 2]))
    assert sound_part(events) == events
    changed = [*events[:3], replace(events[3], stage=9), *events[4:]]
    assert len(sound_part(changed)) == 3
    assert len(sound_part([*events[:2], *events[3:]])) == 2
