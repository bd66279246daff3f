"""A model fitted beside the people who go on answering: by whoever does not hold the ledger, for whoever does.

It looks at the ledger as it is, without its lock, fits, asks what the new model wants, and leaves the events in a file
of the loop's folder, whole or not at all. Who holds the ledger stores them, but for what was answered meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from fibrostage.campaign.campaign import closing, restore
from fibrostage.campaign.next_query import issuing, next_query
from fibrostage.campaign.rounds import has_model
from fibrostage.ground.errors import FibrostageError, RunError
from fibrostage.ground.files import read_json, write_json
from fibrostage.ledger.events import Event
from fibrostage.ledger.ledger import read_events
from fibrostage.ledger.names import as_stored, as_worked
from fibrostage.ledger.state import State, replay
from fibrostage.loop.fitting import save
from fibrostage.loop.opened import Loop, over_added, recorded

RESULT = "fitted.json"


def fit_apart(folder: Path, ledger_url: str | None = None) -> None:
    """Fits and asks without the ledger's lock, and leaves the events in the folder, or why there are none."""
    try:
        events, error = [asdict(event) for event in fitted(folder, ledger_url)], ""
    except FibrostageError as why:
        events, error = [], str(why)
    write_json(folder / RESULT, {"events": events, "error": error})


def fitted(folder: Path, ledger_url: str | None) -> list[Event]:
    """The events of a round closed on what is known now, and of the question after it, with names for items.

    Raises `RunError` where nothing can be learned from.
    """
    run, payload, added, plan = recorded(folder, ledger_url)
    _, setting, names = over_added(folder, added, plan, payload, run)
    state = replay(as_worked(event, names) for event in read_events(folder, ledger_url))
    round_ = len(state.closed)
    restore(setting, state)
    _, events = closing(setting, state, round_)
    save(setting, state)
    after = replay(events, state)
    if after.stopped is None and has_model(setting, after, round_ + 1):
        query = next_query(setting, after, round_ + 1, setting.wanted(round_ + 1, len(after.asked)))
        issued = issuing(setting, after, round_ + 1, query, plan.active.strategy)
        events += [issued] if issued is not None else []
    return [as_stored(event, names) for event in events]


def take_fitted(loop: Loop, folder: Path) -> str | None:
    """Stores what a fit beside the loop has left, if anything; returns None where there is nothing, "" where it was
    stored, or why it could not be done.

    What was answered or asked for since is not asked for again. A fit of another round than the open one is dropped.
    """
    path = folder / RESULT
    if not path.is_file():
        return None
    content = read_json(path)
    left = content.get("events")
    events = [Event(**event) for event in left] if isinstance(left, list) else []
    try:
        if content.get("error"):
            return str(content["error"])
        if not events or events[0].round != loop.campaign.round:
            return "the model was of a round that is over"
        loop.campaign.note(*still_open(loop.state, [as_worked(event, loop.items) for event in events]))
        loop.setting.run.forget_states(but=events[0].round)
        loop.campaign.forget_model()
        return ""
    except RunError as error:
        return str(error)
    finally:
        path.unlink(missing_ok=True)


def still_open(state: State, events: Sequence[Event]) -> list[Event]:
    """The events, whose question is without what was answered or asked for since it was made."""
    known = {*state.labels, *state.rejected, *state.pending}
    result = []
    for event in events:
        if event.kind != "issued":
            result.append(event)
            continue
        items, scores = event.payload["items"], event.payload["scores"]
        keep = [at for at, item in enumerate(items) if item not in known]
        payload = event.payload | {
            "items": [items[at] for at in keep],
            "scores": None if scores is None else [scores[at] for at in keep],
            "audit": [item for item in event.payload["audit"] if item not in known],
        }
        if keep:
            result.append(replace(event, payload=payload))
    return result
