"""The ledger: stored whole or not at all, behind a lock."""

from __future__ import annotations

from pathlib import Path

import pytest

from fibrostage.ground.errors import RunError
from fibrostage.ledger.events import Event
from fibrostage.ledger.ledger import Ledger, read_events
from fibrostage.ledger.state import replay


def test_an_append_is_stored_whole_or_not_at_all(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.append(Event("opened", -1), Event("issued", 0, payload={"items": [1, 2]}))
    with pytest.raises(RunError, match="not asked for"):
        ledger.append(Event("labelled", 0, "a", 1, 0), Event("labelled", 0, "a", 7, 0))
    assert ledger.state().pending == (1, 2)
    ledger.close()
    assert replay(read_events(tmp_path)).pending == (1, 2)


def test_two_processes_on_one_ledger_are_refused(tmp_path: Path) -> None:
    first = Ledger(tmp_path)
    first.append(Event("opened", -1))
    with pytest.raises(RunError, match="in use: another process is at work"):
        Ledger(tmp_path)
    assert len(read_events(tmp_path)) == 1, "looking is allowed"
    first.close()
    second = Ledger(tmp_path)
    second.append(Event("issued", 0, payload={"items": [5]}))
    second.close()


def test_a_writer_that_got_past_the_lock_stores_nothing(tmp_path: Path) -> None:
    first = Ledger(tmp_path)
    first.append(Event("opened", -1))
    (tmp_path / "ledger.lock").unlink()
    second = Ledger(tmp_path)
    second.append(Event("issued", 0, payload={"items": [5]}))
    with pytest.raises(RunError, match="written to by another process"):
        first.append(Event("issued", 0, payload={"items": [6]}))
    assert len(read_events(tmp_path)) == 2
    second.close()
    first.close()
