"""A ledger made anew from its exported events."""

from __future__ import annotations

import json
from pathlib import Path

from fibrostage.ground.errors import RunError
from fibrostage.ground.files import read_whole
from fibrostage.ledger.events import Event, sound_part
from fibrostage.ledger.ledger import FILE, LOCK, NAME, Ledger, read_events
from fibrostage.ledger.names import without_cohort
from fibrostage.ledger.state import replay
from fibrostage.results.run_folder import RunFolder


def restore_events(source: Path, folder: Path, url: str | None = None) -> int:
    """Makes a run's ledger anew from exported events; a damaged ledger file is kept beside it. Returns how many.

    Raises `RunError` where the file cannot be read or is not as it was exported, the folder is no run's, or its ledger
    is sound and has events or is in use.
    """
    events = read_jsonl(source)
    sound = sound_part(events)
    if len(sound) < len(events):
        raise RunError(f"{source} line {len(sound) + 1} is not as it was exported")
    replay(without_cohort(sound)[0])
    run = RunFolder(folder)
    if not run.begun:
        raise RunError(f"{folder} is not a run's folder: it holds no {run.plan_file.name}")
    set_aside_damaged(folder, url)
    ledger = Ledger(folder, url)
    try:
        if ledger.state().opened is not None:
            raise RunError(f"the ledger of {folder} is sound and has events; nothing was imported")
        ledger.store.write(sound)
    finally:
        ledger.close()
    return len(sound)


def can_go_on(folder: Path, url: str | None = None) -> bool:
    """Whether the model of the last closed round is still there, without which a run cannot be resumed."""
    closed = len(replay(without_cohort(read_events(folder, url))[0]).closed)
    return closed == 0 or RunFolder(folder).state_file(closed - 1).is_file()


def set_aside_damaged(folder: Path, url: str | None) -> None:
    """Renames a ledger that cannot be followed, with the files that belong to it; in PostgreSQL the run gets a new
    name and the old events stay."""
    if not (folder / FILE).is_file() and not (folder / NAME).is_file():
        return
    try:
        Ledger(folder, url).close()
        return
    except RunError as error:
        if "in use" in str(error):
            raise
    for path in sorted([*folder.glob(f"{FILE}*"), *folder.glob(NAME)]):
        if ".damaged" not in path.name:
            path.rename(free_name(path))
    (folder / LOCK).unlink(missing_ok=True)


def free_name(path: Path) -> Path:
    """NAME.damaged, or the first NAME.damaged-2, -3 … that is free."""
    names = [f"{path.name}.damaged", *(f"{path.name}.damaged-{k}" for k in range(2, 100))]
    return next(path.with_name(name) for name in names if not path.with_name(name).exists())


def read_jsonl(source: Path) -> list[Event]:
    """Reads exported events, one a line, unchecked.

    Raises `RunError` where the file cannot be read or holds none, and for the first line that is no event.
    """
    events = []
    try:
        lines = read_whole(source).decode("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"cannot read {source}: {error}") from None
    for number, line in enumerate(lines, 1):
        try:
            events.append(Event(**json.loads(line)))
        except (ValueError, TypeError):
            raise RunError(f"{source} line {number} is not an event of a ledger") from None
    if not events:
        raise RunError(f"{source} holds no events")
    return events
