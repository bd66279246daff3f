"""Items by name in a ledger that outlives cohorts: names are stored, numbers are worked with.

A patient's row and a candidate's number belong to one cohort and change when exams join. What a loop writes down is the
patient's id and the hashes of pictures; they become numbers again when the ledger is opened beside a cohort.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from fibrostage.ground.files import Json
from fibrostage.ledger.events import Event

NAMED = "named"  # in the payload of "opened": items have names
ITEM = "item"
LISTS = ("items", "audit", "passed")  # of the payload of "issued"
SHOWN = 12  # signs of a picture's or a pair's short name


class Naming(Protocol):
    """Numbers for names, and names for numbers."""

    def number(self, name: Json) -> int:
        """The number of a name; raises `RunError` for one that nothing here has."""
        ...

    def name(self, number: int) -> Json:
        """The name of a number."""
        ...


@dataclass
class Ordinals:
    """Numbers names in the order in which they are met: enough to read a ledger without its cohort."""

    numbers: dict[str, int] = field(default_factory=dict)
    names: list[Json] = field(default_factory=list)

    def number(self, name: Json) -> int:
        """The number of a name, the next one where it is new."""
        key = json.dumps(name)
        if key not in self.numbers:
            self.numbers[key] = len(self.names)
            self.names.append(name)
        return self.numbers[key]

    def name(self, number: int) -> Json:
        """The name of a number."""
        return self.names[number]


def as_stored(event: Event, naming: Naming) -> Event:
    """An event with names for its numbers."""
    payload = dict(event.payload)
    if event.item is not None:
        payload[ITEM] = naming.name(event.item)
    for key in LISTS if event.kind == "issued" else ():
        if key in payload:
            payload[key] = [naming.name(item) for item in payload[key]]
    return replace(event, item=None, payload=payload)


def as_worked(event: Event, naming: Naming) -> Event:
    """An event with numbers for its names; raises `RunError` for a name that `naming` does not have."""
    payload = dict(event.payload)
    item = event.item
    if ITEM in payload:
        item = naming.number(payload[ITEM])
    for key in LISTS if event.kind == "issued" else ():
        if key in payload:
            payload[key] = [naming.number(name) for name in payload[key]]
    return replace(event, item=item, payload=payload)


def has_names(events: Iterable[Event]) -> bool:
    """Whether a ledger's items have names: its first event says so."""
    return any(event.kind == "opened" and event.payload.get(NAMED) for event in events)


def without_cohort(events: Sequence[Event]) -> tuple[Sequence[Event], Ordinals | None]:
    """Events with numbers for items, and what names the numbers have where the ledger names its items."""
    if not has_names(events):
        return events, None
    names = Ordinals()
    return [as_worked(event, names) for event in events], names


def item_text(name: Json) -> str:
    """What an item is called in a CSV or on a page: a patient by the id, pictures by a short hash of their name."""
    if isinstance(name, list) and len(name) == 1:
        return str(name[0])
    return hashlib.sha256(json.dumps(name).encode()).hexdigest()[:SHOWN]
