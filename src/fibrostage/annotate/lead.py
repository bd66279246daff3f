"""What the lead sees: where the loop stands, who read what, how readers agree, what an upload would change."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fibrostage.analysis.reader_agreement import agreement, readings_of
from fibrostage.annotate.desk import Desk
from fibrostage.ground.errors import RunError
from fibrostage.ledger.events import UNUSABLE
from fibrostage.ledger.ledger import read_events
from fibrostage.ledger.names import ITEM, item_text
from fibrostage.loop.answers import Answer, items_meant, stage_meant
from fibrostage.loop.opened import Loop
from fibrostage.loop.questions import shown
from fibrostage.loop.reading import readings_of as readings_by
from fibrostage.loop.readings_table import readings_said
from fibrostage.loop.status import status
from fibrostage.views.loop import curve_view, estimates_view, question_view, status_view
from fibrostage.views.readers import agreement_view
from fibrostage.views.table import TableView

LATEST = 500  # events shown


def lead_view(desk: Desk) -> dict[str, Any]:
    """Everything of the lead's page but the agreement of readers."""
    desk.tick()
    stands = status(desk.loop)
    tables = [status_view(stands)]
    tables += [estimates_view(stands)] if stands.estimates else []
    tables += [curve_view(stands)] if stands.curve else []
    question = desk.loop.campaign.ask() if desk.loop.state.pending else None
    return {
        "tables": tables,
        "sentence": stands.sentence,
        "stopped": stands.stopped,
        "fitting": desk.background.busy,
        "fault": desk.fault,
        "readers": desk.accounts.readers(),
        "read": {reader.name: len(readings_by(desk.loop.state, reader.name)) for reader in desk.accounts.readers()},
        "disputed": len(stands.disputed),
        "waiting": question_view(shown(desk.loop, question)) if question is not None else None,
    }


def agreement_of_readers(loop: Loop) -> TableView:
    """How readers agree, each pair and all together, and each with oneself."""
    figures = agreement(readings_of(readings_said(loop)), len(loop.classes))
    return agreement_view(figures, loop.setting.cohort.simulated)


def timeline(desk: Desk) -> list[dict[str, str]]:
    """The latest events, newest first, in words."""
    rows = []
    for event in reversed(read_events(desk.folder, desk.url)[-LATEST:]):
        item = item_text(event.payload[ITEM]) if ITEM in event.payload else ""
        stage = desk.loop.classes[event.stage] if event.stage is not None else event.payload.get("reason", "")
        extra = event.payload.get("comment", "") or event.payload.get("name", "")
        if event.kind == "issued":
            extra = f"{len(event.payload['items'])} items"
        values = (
            event.seq,
            event.at[:19].replace("T", " "),
            event.who,
            event.kind,
            item,
            stage,
            extra,
            event.digest[:8],
        )
        keys = ("number", "at", "who", "what", "item", "stage", "more", "digest")
        rows.append(dict(zip(keys, map(str, values), strict=True)))
    return rows


@dataclass(frozen=True)
class Preview:
    """What an upload would change: a line a row, with what is wrong; `digest` names exactly these rows."""

    rows: tuple[tuple[str, str, str, str], ...]
    problems: int
    digest: str


def preview_of(desk: Desk, answers: Sequence[Answer]) -> Preview:
    """What answers would change, row by row: whose stage, what it was, what it would be."""
    rows: list[tuple[str, str, str, str]] = []
    problems = 0
    state, classes = desk.loop.state, desk.loop.classes
    for answer in answers:
        key = answer.item or answer.patient_id
        try:
            items, stage = items_meant(desk.loop, answer), stage_meant(desk.loop, answer.stage)
        except RunError as error:
            problems += 1
            rows.append((key, "", answer.stage, f"refused: {error}"))
            continue
        labels = {classes[state.labels[item]] for item in items if item in state.labels}
        if any(item in state.pending for item in items):
            change = "answers what was asked"
        elif not labels:
            change = "is new, and was not asked for"
        elif stage != UNUSABLE and labels == {classes[stage]}:
            change = "says the same again"
        else:
            change = "differs: it will be in dispute"
        rows.append((key, ", ".join(sorted(labels)), answer.stage, change))
    return Preview(tuple(rows), problems, hashlib.sha256(repr(rows).encode()).hexdigest())
