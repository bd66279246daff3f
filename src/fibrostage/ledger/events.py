"""What happens in a campaign, as events, and the state that follows from them and from nothing else.

`opened` (plan and cohort), `issued` (a query: strategy, model, items and scores), `labelled`, `rejected` (an answer to
what was asked), `volunteered` (an answer to what never was), `reread` (a further reading of what has an answer),
`settled` (which stage stands after readings), `undone` (a reader's latest word on an item), `withdrawn`, `trained` (a
model's hash), `closed` (a round's figures), `stopped`; of a loop also `added` (a cohort that joined) and `measured`
(what its answers say of the model). Each event carries the hash of all before it, so that a changed or lost one is
found where it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fibrostage.ground.errors import RunError

KINDS = (
    "opened", "issued", "labelled", "withdrawn", "rejected", "trained", "closed", "stopped",
    "volunteered", "reread", "settled", "undone", "added", "measured",
)  # fmt: skip
ANSWERS = ("labelled", "rejected", "volunteered", "reread")
UNUSABLE = -1  # the answer to an item that cannot be staged
NO_STAGE = ("unusable", "unsure")  # why it cannot: the pictures, or the reader


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
