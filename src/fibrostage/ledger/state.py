"""Where a campaign stands: what follows from its events, and from nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fibrostage.ground.errors import RunError
from fibrostage.ledger.events import KINDS, UNUSABLE, Event
from fibrostage.results.rounds import Round


@dataclass(frozen=True)
class Issued:
    """A query as it was issued: `items` with their `scores`, by which strategy and model.

    Of a loop, `audit` are those of them that were drawn at random, and `passed` items that the strategy wanted and did
    not get, as they are kept for later audits.
    """

    round: int
    strategy: str
    model: str | None
    items: tuple[int, ...]
    scores: tuple[float | None, ...] | None = None
    start: str | None = None
    audit: tuple[int, ...] = ()
    passed: tuple[int, ...] = ()


@dataclass(frozen=True)
class Reading:
    """What somebody said of an item: a stage, or `UNUSABLE` with the reason, and a comment."""

    who: str
    stage: int
    seq: int
    reason: str = ""
    comment: str = ""
    at: str = field(default="", compare=False)  # when it was said is no part of what was said


@dataclass(frozen=True)
class State:
    """Where a campaign stands. `labels` are in the order they were given; `pending` is issued and not yet answered;
    `spent` is everything ever answered, also what was withdrawn since; `readings` are all that was said of an item and
    not withdrawn, of which the label is the first until one is settled on."""

    opened: dict[str, Any] | None = None
    labels: dict[int, int] = field(default_factory=dict)
    label_rounds: dict[int, int] = field(default_factory=dict)
    rejected: dict[int, int] = field(default_factory=dict)
    pending: tuple[int, ...] = ()
    spent: frozenset[int] = frozenset()
    issued: tuple[Issued, ...] = ()
    trained: dict[int, str] = field(default_factory=dict)
    trained_on: dict[int, str] = field(default_factory=dict)  # round → the cohort's fingerprint, where it is noted
    closed: tuple[Round, ...] = ()
    stopped: str | None = None
    readings: dict[int, tuple[Reading, ...]] = field(default_factory=dict)
    settled: dict[int, int] = field(default_factory=dict)  # item → the number of the event
    volunteered: frozenset[int] = frozenset()
    cohorts: tuple[dict[str, Any], ...] = ()
    measured: tuple[dict[str, Any], ...] = ()

    @property
    def audited(self) -> frozenset[int]:
        """Every item that was ever drawn for an audit."""
        return frozenset(item for query in self.issued for item in query.audit)

    @property
    def last_round(self) -> int:
        """The round of the latest query, −1 before there is one."""
        return self.issued[-1].round if self.issued else -1

    @property
    def items(self) -> NDArray[np.int64]:
        """The labelled items [L], in the order of their labels."""
        return np.fromiter(self.labels.keys(), np.int64, len(self.labels))

    @property
    def stages(self) -> NDArray[np.int64]:
        """The stages [L] of `items`."""
        return np.fromiter(self.labels.values(), np.int64, len(self.labels))

    @property
    def asked(self) -> NDArray[np.int64]:
        """Items [n] that may not be asked for again, ascending."""
        return np.array(sorted({*self.labels, *self.rejected, *self.pending}), dtype=np.int64)

    @property
    def paid(self) -> NDArray[np.int64]:
        """Everything [n] that was ever answered, ascending."""
        return np.array(sorted(self.spent), dtype=np.int64)

    @property
    def disputed(self) -> tuple[int, ...]:
        """Items whose readings differ, and on which nobody settled since the last of them."""
        return tuple(
            item
            for item, readings in self.readings.items()
            if len({reading.stage for reading in readings}) > 1
            and self.settled.get(item, -1) < max(reading.seq for reading in readings)
        )


def replay(events: Iterable[Event], start: State | None = None) -> State:
    """The state after events; raises `RunError` for one that cannot follow those before it."""
    standing = Standing(start or State())
    for event in events:
        step = STEPS.get(event.kind)
        if step is None:
            refuse(event, f"kinds are {', '.join(KINDS)}")
        else:
            step(standing, event)
    return standing.state()


class Standing:
    """A state while events change it."""

    def __init__(self, state: State) -> None:
        self.before = state
        self.opened, self.stopped = state.opened, state.stopped
        self.labels, self.label_rounds, self.rejected = (
            dict(state.labels),
            dict(state.label_rounds),
            dict(state.rejected),
        )
        self.pending, self.spent = dict.fromkeys(state.pending), set(state.spent)
        self.issued, self.closed = list(state.issued), list(state.closed)
        self.trained, self.trained_on = dict(state.trained), dict(state.trained_on)
        self.readings, self.settled = dict(state.readings), dict(state.settled)
        self.volunteered = set(state.volunteered)
        self.cohorts, self.measured = list(state.cohorts), list(state.measured)

    def state(self) -> State:
        """Returns the state after the events taken so far."""
        return replace(
            self.before,
            opened=self.opened,
            labels=self.labels,
            label_rounds=self.label_rounds,
            rejected=self.rejected,
            pending=tuple(self.pending),
            spent=frozenset(self.spent),
            issued=tuple(self.issued),
            trained=self.trained,
            trained_on=self.trained_on,
            closed=tuple(self.closed),
            stopped=self.stopped,
            readings=self.readings,
            settled=self.settled,
            volunteered=frozenset(self.volunteered),
            cohorts=tuple(self.cohorts),
            measured=tuple(self.measured),
        )

    def open(self, event: Event) -> None:
        """Takes what the campaign was begun with; raises `RunError` where it was begun before."""
        if self.opened is not None:
            refuse(event, "the ledger was opened before")
        self.opened = event.payload

    def issue(self, event: Event) -> None:
        """Takes a query; raises `RunError` for an item that has an answer or waits for one."""
        items = event.payload["items"]
        for item in items:
            if item in self.labels or item in self.rejected or item in self.pending:
                refuse(event, f"item {item} is asked for a second time")
            self.pending[item] = None
        scores = event.payload.get("scores")
        self.issued.append(
            Issued(
                event.round,
                event.payload.get("strategy", ""),
                event.payload.get("model"),
                tuple(items),
                None if scores is None else tuple(scores),
                event.payload.get("start"),
                tuple(event.payload.get("audit", ())),
                tuple(event.payload.get("passed", ())),
            )
        )

    def answer(self, event: Event) -> None:
        """Takes the answer to what was asked; raises `RunError` for an item that waits for none."""
        item = item_of(event)
        if item not in self.pending:
            refuse(event, f"item {item} was not asked for")
        del self.pending[item]
        self.take(event)

    def volunteer(self, event: Event) -> None:
        """Takes an answer to what was not asked; raises `RunError` for an item that was asked for or has an answer."""
        item = item_of(event)
        if item in self.pending or item in self.labels or item in self.rejected:
            refuse(event, f"item {item} was asked for, or has an answer")
        self.volunteered.add(item)
        self.take(event)

    def take(self, event: Event) -> None:
        """Takes an item's first answer: a label, or that it cannot be staged."""
        item = item_of(event)
        self.spent.add(item)
        self.read(event)
        if event.stage is None:
            self.rejected[item] = event.round
        else:
            self.labels[item] = event.stage
            self.label_rounds[item] = event.round

    def reread(self, event: Event) -> None:
        """Takes a further reading, which changes no label; raises `RunError` for an item without an answer."""
        item = item_of(event)
        if item not in self.labels and item not in self.rejected:
            refuse(event, f"item {item} has no answer to be read again")
        self.read(event)

    def read(self, event: Event) -> None:
        """Notes who said what of an item, beside what was said of it before."""
        item = item_of(event)
        stage = UNUSABLE if event.stage is None else event.stage
        said = (event.payload.get("reason", ""), event.payload.get("comment", ""), event.at)
        self.readings[item] = (*self.readings.get(item, ()), Reading(event.who, stage, event.seq, *said))

    def settle(self, event: Event) -> None:
        """Takes the stage that stands after several readings, in the round of the first answer.

        Raises `RunError` for an item without an answer.
        """
        item = item_of(event)
        if item not in self.labels and item not in self.rejected:
            refuse(event, f"item {item} has no answer to settle")
        round_ = self.label_rounds.pop(item, self.rejected.pop(item, event.round))
        if event.stage is None:
            self.labels.pop(item, None)
            self.rejected[item] = round_
        else:
            self.labels[item] = event.stage
            self.label_rounds[item] = round_
        self.settled[item] = event.seq

    def withdraw(self, event: Event) -> None:
        """Forgets an item's answer and readings, but not their price; raises `RunError` where it has no answer."""
        item = item_of(event)
        if item not in self.labels and item not in self.rejected:
            refuse(event, f"item {item} has no label")
        for kept in (self.labels, self.label_rounds, self.rejected, self.readings, self.settled):
            kept.pop(item, None)

    def undo(self, event: Event) -> None:
        """Forgets what its reader said last of an item, but not its price; raises `RunError` where that is nothing.

        Where nothing else was said of it, an item that was asked for waits for an answer again.
        """
        item = item_of(event)
        own = [reading for reading in self.readings.get(item, ()) if reading.who == event.who]
        if not own:
            refuse(event, f"{event.who} has said nothing of item {item}")
        rest = tuple(reading for reading in self.readings[item] if reading.seq != own[-1].seq)
        if not rest:
            self.withdraw(event)
            if item in self.volunteered:
                self.volunteered.discard(item)
            else:
                self.pending[item] = None
            return
        self.readings[item] = rest
        if item not in self.settled:
            round_ = self.label_rounds.pop(item, self.rejected.pop(item, event.round))
            self.labels.pop(item, None)
            if rest[0].stage == UNUSABLE:
                self.rejected[item] = round_
            else:
                self.labels[item], self.label_rounds[item] = rest[0].stage, round_

    def train(self, event: Event) -> None:
        """Notes the hash of the model that a round was closed with, and of what cohort."""
        self.trained[event.round] = event.payload["model"]
        if "cohort" in event.payload:
            self.trained_on[event.round] = event.payload["cohort"]

    def close(self, event: Event) -> None:
        """Takes a round's figures; raises `RunError` for a round that is not the next, or damaged figures."""
        if event.round != len(self.closed):
            refuse(event, f"round {len(self.closed)} is next")
        self.closed.append(Round.of_row(event.payload))

    def add(self, event: Event) -> None:
        """Notes a cohort that joined: its folder, name and fingerprint."""
        self.cohorts.append(event.payload)

    def measure(self, event: Event) -> None:
        """Notes what a round's answers say of its model."""
        self.measured.append(event.payload)

    def stop(self, event: Event) -> None:
        """Notes why nothing more will be asked."""
        self.stopped = event.payload["reason"]


STEPS = {
    "opened": Standing.open,
    "issued": Standing.issue,
    "labelled": Standing.answer,
    "rejected": Standing.answer,
    "volunteered": Standing.volunteer,
    "reread": Standing.reread,
    "settled": Standing.settle,
    "withdrawn": Standing.withdraw,
    "undone": Standing.undo,
    "trained": Standing.train,
    "closed": Standing.close,
    "stopped": Standing.stop,
    "added": Standing.add,
    "measured": Standing.measure,
}


def item_of(event: Event) -> int:
    """The item an event is about; raises `RunError` where it names none."""
    if event.item is None:
        refuse(event, "it names no item")
    assert event.item is not None
    return event.item


def refuse(event: Event, reason: str) -> None:
    """Raises `RunError` for an event that cannot follow those before it."""
    raise RunError(f"the ledger cannot be followed: event {event.seq} ({event.kind}, round {event.round}): {reason}")
