"""What happens in an active-learning run, as events, and the state that follows from them and from nothing else.

`opened` (plan and cohort), `issued` (a query: strategy, model, items and scores), `labelled`, `withdrawn`,
`rejected` (an answer to one item), `trained` (a model's hash), `closed` (a round's figures), `stopped`. Each event
carries the hash of all before it, so that a changed or lost one is found where it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fibrostage.ground.errors import RunError

KINDS = ("opened", "issued", "labelled", "withdrawn", "rejected", "trained", "closed", "stopped")


@dataclass(frozen=True)
class Event:
    """One line of a ledger. `at` is UTC in ISO 8601; `item` and `stage` belong to answers."""

    kind: str
    round: int
    who: str = "fibrostage"
    item: int | None = None
    stage: int | None = None
    payload: dict[str, Any] = field(default_factory=dict)
    seq: int = -1
    at: str = ""
    digest: str = ""

    def content(self) -> str:
        """What is hashed and exported, but for the digest."""
        parts = {key: getattr(self, key) for key in ("seq", "at", "who", "kind", "round", "item", "stage", "payload")}
        return json.dumps(parts, ensure_ascii=False)


def chained(event: Event, before: str) -> Event:
    """The event with its digest, that of the event before it included."""
    return replace(event, digest=hashlib.sha256((before + event.content()).encode()).hexdigest()[:32])


def check_chain(events: Sequence[Event], where: str) -> None:
    """Raises `RunError` at the first event that is not as it was written, or out of order."""
    sound = sound_part(events)
    if len(sound) < len(events):
        raise RunError(
            f"{where} is damaged at event {len(sound)}: it is not what was written there; "
            "'fibrostage ledger export' saves the events before it"
        )


def sound_part(events: Sequence[Event]) -> list[Event]:
    """The events up to the first that does not follow from those before it."""
    before, sound = "", []
    for number, event in enumerate(events):
        if event.seq != number or chained(event, before).digest != event.digest:
            break
        before = event.digest
        sound.append(event)
    return sound


@dataclass(frozen=True)
class State:
    """Where a run stands. `labels` are in the order they were given; `pending` is issued and not yet answered;
    `spent` is everything ever answered, also what was withdrawn since."""

    opened: dict[str, Any] | None = None
    labels: dict[int, int] = field(default_factory=dict)
    label_rounds: dict[int, int] = field(default_factory=dict)
    rejected: dict[int, int] = field(default_factory=dict)
    pending: tuple[int, ...] = ()
    spent: frozenset[int] = frozenset()
    issued: tuple[dict[str, Any], ...] = ()
    last_round: int = -1  # of the queries
    trained: dict[int, str] = field(default_factory=dict)
    closed: tuple[dict[str, Any], ...] = ()
    stopped: str | None = None

    @property
    def items(self) -> NDArray[np.int64]:
        return np.fromiter(self.labels.keys(), np.int64, len(self.labels))

    @property
    def stages(self) -> NDArray[np.int64]:
        return np.fromiter(self.labels.values(), np.int64, len(self.labels))

    @property
    def asked(self) -> NDArray[np.int64]:
        """Items that may not be asked for again, ascending."""
        return np.array(sorted({*self.labels, *self.rejected, *self.pending}), dtype=np.int64)

    @property
    def paid(self) -> NDArray[np.int64]:
        """Everything ever answered, ascending."""
        return np.array(sorted(self.spent), dtype=np.int64)


def fold(events: Iterable[Event], start: State | None = None) -> State:
    """The state after events; raises `RunError` for one that cannot follow those before it."""
    state = start or State()
    opened, stopped = state.opened, state.stopped
    labels, label_rounds, rejected = dict(state.labels), dict(state.label_rounds), dict(state.rejected)
    pending, spent = dict.fromkeys(state.pending), set(state.spent)
    issued, closed, trained, last = list(state.issued), list(state.closed), dict(state.trained), state.last_round
    for event in events:
        if event.kind == "opened":
            refuse_if(opened is not None, event, "the ledger was opened before")
            opened = event.payload
        elif event.kind == "issued":
            for item in event.payload["items"]:
                known = item in labels or item in rejected or item in pending
                refuse_if(known, event, f"item {item} is asked for a second time")
                pending[item] = None
            issued.append({"round": event.round, **event.payload})
            last = event.round
        elif event.kind in ("labelled", "rejected"):
            assert event.item is not None
            refuse_if(event.item not in pending, event, f"item {event.item} was not asked for")
            del pending[event.item]
            spent.add(event.item)
            if event.kind == "rejected":
                rejected[event.item] = event.round
            else:
                assert event.stage is not None
                labels[event.item] = event.stage
                label_rounds[event.item] = event.round
        elif event.kind == "withdrawn":
            refuse_if(event.item not in labels, event, f"item {event.item} has no label")
            assert event.item is not None
            del labels[event.item], label_rounds[event.item]
        elif event.kind == "trained":
            trained[event.round] = event.payload["model"]
        elif event.kind == "closed":
            refuse_if(event.round != len(closed), event, f"round {len(closed)} is next")
            closed.append(event.payload)
        elif event.kind == "stopped":
            stopped = event.payload["reason"]
        else:
            refuse_if(True, event, f"kinds are {', '.join(KINDS)}")
    return State(
        opened,
        labels,
        label_rounds,
        rejected,
        tuple(pending),
        frozenset(spent),
        tuple(issued),
        last,
        trained,
        tuple(closed),
        stopped,
    )


def refuse_if(wrong: bool, event: Event, reason: str) -> None:
    if wrong:
        raise RunError(
            f"the ledger cannot be followed: event {event.seq} ({event.kind}, round {event.round}): {reason}"
        )
