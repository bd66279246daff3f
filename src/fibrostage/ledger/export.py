"""A ledger carried out: JSON lines of every event, CSV of the answers that stand, and a summary of its rounds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from fibrostage.csv_tables.writer import csv_text
from fibrostage.ground.errors import RunError
from fibrostage.ground.files import Json, write_text
from fibrostage.ledger.events import ANSWERS, Event, sound_part
from fibrostage.ledger.ledger import Store, check_has_ledger
from fibrostage.ledger.names import item_text, without_cohort
from fibrostage.ledger.state import replay

HEADER = ("unit", "item", "patient_id", "answer", "stage", "round", "who", "at")


def export(folder: Path, target: Path, url: str | None = None) -> tuple[int, bool]:
    """Writes a ledger's events (.jsonl) or answers (.csv); returns how many, and whether the ledger is sound.

    Of a damaged ledger, everything before the damage is written. Raises `RunError` where the target has another ending
    or exists, the folder holds no ledger, or nothing in it can be read.
    """
    if target.suffix not in (".jsonl", ".csv"):
        raise RunError(f"{target}: a ledger is exported as .jsonl (every event) or .csv (the answers)")
    if target.exists():
        raise RunError(f"{target} exists; choose another --out")
    check_has_ledger(folder)
    events, sound = readable_events(folder, url)
    if not events:
        raise RunError(f"nothing can be read from the ledger of {folder}")
    if target.suffix == ".jsonl":
        text = "".join(json.dumps(asdict(event), ensure_ascii=False) + "\n" for event in events)
        count = len(events)
    else:
        rows = answer_rows(events)
        text, count = csv_text(HEADER, rows), len(rows)
    write_text(target, text)
    return count, sound


def readable_events(folder: Path, url: str | None) -> tuple[list[Event], bool]:
    """The events that can be read, up to the first that is damaged, and whether that is all of them."""
    store = Store(folder, url)
    try:
        try:
            events = store.read()
        except RunError:
            return store.salvage(), False
        sound = sound_part(events)
        return sound, len(sound) == len(events)
    finally:
        store.close()


def answer_rows(events: Sequence[Event]) -> list[tuple[Json, ...]]:
    """The answers that stand, in the columns of HEADER: a withdrawn label is left out, a settled one as settled."""
    events, names = without_cohort(events)
    state = replay(events)
    opened = state.opened or {}
    first: dict[int | None, Event] = {}
    for event in events:
        if event.kind == "withdrawn":
            first.pop(event.item, None)
        elif event.kind in ANSWERS:
            first.setdefault(event.item, event)
    rows: list[tuple[Json, ...]] = []
    for item, event in first.items():
        assert item is not None
        answer = "labelled" if item in state.labels else "rejected"
        stage = opened["classes"][state.labels[item]] if item in state.labels else ""
        patient = event.payload["patient_id"]
        called = item if names is None else item_text(names.name(item))
        rows.append((opened["unit"], called, patient, answer, stage, event.round, event.who, event.at))
    return rows


@dataclass(frozen=True)
class RoundSummary:
    """One query of a ledger, and how much of it was answered."""

    round: int
    at: str
    strategy: str
    model: str | None
    asked: int
    labelled: int
    rejected: int
    closed: bool


@dataclass(frozen=True)
class LedgerSummary:
    """Where a campaign stands, round by round."""

    unit: str | None
    events: int
    labels: int
    rejected: int
    pending: int
    stopped: str | None
    who: tuple[str, ...]
    rounds: tuple[RoundSummary, ...]
    reread: int = 0
    disputed: int = 0

    def as_dict(self) -> dict[str, Json]:
        """What --json prints."""
        return asdict(self)


def summary(events: Sequence[Event]) -> LedgerSummary:
    """Where a campaign stands; raises `RunError` for events that do not follow from each other."""
    events, _ = without_cohort(events)
    state = replay(events)
    opened = state.opened or {}
    times = {event.round: event.at for event in events if event.kind == "issued"}
    labelled, rejected = Counter(state.label_rounds.values()), Counter(state.rejected.values())
    rounds = tuple(
        RoundSummary(
            query.round,
            times[query.round],
            query.strategy,
            query.model,
            len(query.items),
            labelled[query.round],
            rejected[query.round],
            query.round < len(state.closed),
        )
        for query in state.issued
    )
    return LedgerSummary(
        opened.get("unit"),
        len(events),
        len(state.labels),
        len(state.rejected),
        len(state.pending),
        state.stopped,
        tuple(sorted({event.who for event in events})),
        rounds,
        sum(event.kind == "reread" for event in events),
        len(state.disputed),
    )
