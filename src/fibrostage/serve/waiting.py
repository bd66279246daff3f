"""Where a study is between its arrival and the report that was sent, as the spool keeps it: no name, no UID."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import cast

from fibrostage.ground.errors import RunError
from fibrostage.ground.files import read_json, write_json

ARRIVING, COMPLETE, ANSWERED, SENT, FAILED = "arriving", "complete", "answered", "sent", "failed"
STATES = (ARRIVING, COMPLETE, ANSWERED, SENT, FAILED)
ENDED = (SENT, FAILED)


@dataclass(frozen=True)
class WaitingStudy:
    """A study's state: `files` are the hashed names of all that it is known to have had, `tries` how often its state
    was tried to be left, `under_way` how many of the last tries did not even fail, as they ended the process; `due`
    before when (Unix time) it is not tried again, `ended` when it was sent or failed, and `reason` why it failed or
    waits. `refused` is how many of its files the answer could not use."""

    name: str = ARRIVING
    files: tuple[str, ...] = ()
    tries: int = 0
    under_way: int = 0
    due: float = 0.0
    ended: float | None = None
    reason: str | None = None
    refused: int = 0

    def tried(self, first: float, longest: float) -> WaitingStudy:
        """The same, tried once more, and not again before its time if this try ends the process."""
        again = replace(self, tries=self.tries + 1, under_way=self.under_way + 1)
        return replace(again, due=time.time() + again.wait(first, longest))

    def later(self, first: float, longest: float, reason: str) -> WaitingStudy:
        """The same, to be tried again after a while, with the reason."""
        return replace(self, due=time.time() + self.wait(first, longest), reason=reason, under_way=0)

    def wait(self, first: float, longest: float) -> float:
        """How many seconds to wait after this try: `first` after the first, twice as long after each, at most
        `longest`."""
        return min(longest, first * 2.0 ** min(self.tries - 1, 30))

    def answered(self, refused: int) -> WaitingStudy:
        """The same, answered: its report is to be sent."""
        return WaitingStudy(ANSWERED, self.files, refused=refused)

    def sent(self) -> WaitingStudy:
        """The same, with its report sent."""
        return replace(self, name=SENT, ended=time.time(), under_way=0, due=0.0, reason=None)

    def failed(self, reason: str) -> WaitingStudy:
        """The same, failed for a reason that names nobody."""
        return replace(self, name=FAILED, ended=time.time(), under_way=0, due=0.0, reason=reason)


def read_state(path: Path) -> WaitingStudy:
    """The state in a file, `ARRIVING` where there is none. Raises `RunError` where it is damaged."""
    if not path.exists():
        return WaitingStudy()
    content = read_json(path)
    try:
        files = tuple(cast(list[str], content.pop("files")))
        state = WaitingStudy(files=files, **content)  # type: ignore[arg-type]
    except (KeyError, TypeError):
        raise RunError(f"{path} is damaged: it holds no state of a study") from None
    if state.name not in STATES:
        raise RunError(f"{path} is damaged: {state.name!r} is no state; there are {', '.join(STATES)}")
    return state


def write_state(path: Path, state: WaitingStudy) -> None:
    """Writes a state, whole or not at all. Raises `RunError` where that cannot be done."""
    write_json(path, asdict(state))
