"""The ledger: the append-only record of an active-learning run, in SQLite beside the run or in PostgreSQL by URL.

Nothing is ever updated or deleted, and one process writes at a time: a lock is held from opening to closing (a file
lock beside SQLite, an advisory lock in PostgreSQL; both end with the process, however it ends), and two events of one
number cannot be stored. One database can hold many runs; `ledger.json` beside the run names its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sqlite3
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from filelock import FileLock, Timeout
from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Table, Text, create_engine, event, insert, select
from sqlalchemy import text as sql
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, NoSuchModuleError, SQLAlchemyError

from fibrostage.ground.errors import RunError
from fibrostage.ground.files import Json, read_json, write_json
from fibrostage.ledger.events import Event, chained, check_chain, sound_part
from fibrostage.ledger.names import Naming, Ordinals, as_stored, as_worked, has_names
from fibrostage.ledger.state import State, replay

FILE, NAME, LOCK = "ledger.sqlite", "ledger.json", "ledger.lock"
VARIABLE = "FIBROSTAGE_LEDGER"

METADATA = MetaData()
EVENTS = Table(
    "fibrostage_events",
    METADATA,
    Column("run", String(64), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", String(40), nullable=False),
    Column("who", String(200), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("round", Integer, nullable=False),
    Column("item", BigInteger),
    Column("stage", Integer),
    Column("payload", Text, nullable=False),
    Column("digest", String(64), nullable=False),
)


class Ledger:
    """One run's events. `Ledger(folder)` to write, holding the lock; `read_events(folder)` to look.

    With `naming`, items have names in the store and numbers in every event that is given or got here.
    """

    def __init__(self, folder: Path, url: str | None = None, naming: Naming | None = None) -> None:
        self.store = Store(folder, url)
        self.store.remember()
        self._lock = self.store.lock()
        try:
            self.store.create()
            events = self.store.read()
            check_chain(events, str(self.store))
            self._naming = naming or (Ordinals() if has_names(events) else None)
            self._state = replay(self._worked(events))
        except BaseException:
            self.close()
            raise
        self._next, self._digest = len(events), events[-1].digest if events else ""

    def append(self, *events: Event) -> State:
        """Stores events, all or none, and returns the state after them.

        Raises `RunError` where one cannot follow what is there, or they cannot be stored.
        """
        if not events:
            return self._state
        now, ready, digest = datetime.now(UTC).isoformat(timespec="milliseconds"), [], self._digest
        for number, each in enumerate(events, self._next):
            stored = each if self._naming is None else as_stored(each, self._naming)
            ready.append(chained(replace(stored, seq=number, at=now), digest))
            digest = ready[-1].digest
        after = replay(self._worked(ready), self._state)
        self.store.write(ready)
        self._state, self._next, self._digest = after, self._next + len(ready), digest
        return after

    def _worked(self, events: Sequence[Event]) -> Iterable[Event]:
        return events if self._naming is None else (as_worked(event, self._naming) for event in events)

    def state(self) -> State:
        """Returns the state after the last event."""
        return self._state

    def close(self) -> None:
        """Lets go of the lock and the database; nothing can be appended afterwards."""
        self._lock.close()
        self.store.close()


class Store:
    """Where a run's events are: a database, and the run's name in it."""

    def __init__(self, folder: Path, url: str | None = None) -> None:
        self.folder = folder
        known = read_json(folder / NAME) if (folder / NAME).is_file() else None
        self.url = url_of(folder, url, known)
        self.run = uuid.uuid4().hex if known is None else run_name(known, folder)
        if known is None and self.url.get_backend_name() == "sqlite":
            self.run = "run"
        self.engine = sql_engine(self.url)

    def __str__(self) -> str:
        local = self.url.get_backend_name() == "sqlite"
        return f"the ledger {self.url.database if local else self.url.render_as_string(hide_password=True)}"

    def remember(self) -> None:
        """Writes down beside the run where its events are, when they are not beside it."""
        if self.url.get_backend_name() != "sqlite" and not (self.folder / NAME).is_file():
            content = {"run": self.run, "url": self.url.render_as_string(hide_password=True)}
            write_json(self.folder / NAME, content)

    def lock(self) -> contextlib.ExitStack:
        """Held until closed; raises `RunError` when another process holds it."""
        stack = contextlib.ExitStack()
        busy = RunError(f"{self} is in use: another process is at work on {self.folder}; wait for it, or stop it")
        if self.url.get_backend_name() == "sqlite":
            lock = FileLock(self.folder / LOCK)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                raise busy from None
            except OSError as error:
                raise RunError(f"cannot lock {self}: {error.strerror}") from None
            stack.callback(lock.release)
            return stack
        try:
            connection = stack.enter_context(self.engine.connect())
            key = int(self.run[:15], 16)
            held = connection.execute(sql("SELECT pg_try_advisory_lock(:key)"), {"key": key}).scalar()
            connection.commit()
        except SQLAlchemyError as error:
            stack.close()
            raise RunError(f"cannot reach {self}: {reason(error)}") from None
        if not held:
            stack.close()
            raise busy
        stack.callback(lambda: release(connection, key))
        return stack

    def create(self) -> None:
        """Makes the table of events where it is not there yet.

        Raises `RunError` where the database cannot be opened or the table cannot be made.
        """
        for last in (False, True):  # another run may be making the same table at this moment
            try:
                METADATA.create_all(self.engine)
                return
            except SQLAlchemyError as error:
                if last or self.url.get_backend_name() == "sqlite":
                    raise RunError(f"cannot open {self}: {reason(error)}; {SALVAGE}") from None

    def read(self) -> list[Event]:
        """Reads the run's events in the order of their numbers, unchecked; raises `RunError` where that fails."""
        try:
            with self.engine.connect() as connection:
                rows = connection.execute(select(EVENTS).where(EVENTS.c.run == self.run).order_by(EVENTS.c.seq)).all()
            return [event_of(row) for row in rows]
        except (SQLAlchemyError, ValueError) as error:
            raise RunError(f"{self} cannot be read: {reason(error)}; {SALVAGE}") from None

    def write(self, events: Sequence[Event]) -> None:
        """Stores events, numbered and chained already, all or none.

        Raises `RunError` where an event of one of their numbers is there already, as another process wrote it, or where
        the database refuses.
        """
        rows = [
            {
                **{key: getattr(each, key) for key in ("seq", "at", "who", "kind", "round", "item", "stage", "digest")},
                "run": self.run,
                "payload": json.dumps(each.payload, ensure_ascii=False),
            }
            for each in events
        ]
        try:
            with self.engine.begin() as connection:
                connection.execute(insert(EVENTS), rows)
        except IntegrityError:
            raise RunError(f"{self} was written to by another process; nothing of this one's was stored") from None
        except SQLAlchemyError as error:
            raise RunError(f"cannot write to {self}: {reason(error)}") from None

    def salvage(self) -> list[Event]:
        """Every event that can still be read and is as it was written, whatever the rest of the file is like."""
        if self.url.get_backend_name() != "sqlite":
            return sound_part(self.read())
        tries = [salvaged_rows(Path(str(self.url.database)), options) for options in ("mode=ro", "immutable=1")]
        return max(map(sound_part, tries), key=len)

    def close(self) -> None:
        """Lets go of the database's connections."""
        self.engine.dispose()


SALVAGE = "'fibrostage ledger export' saves what can still be read"


def read_events(folder: Path, url: str | None = None) -> list[Event]:
    """A run's events, without taking part in it."""
    check_has_ledger(folder)
    store = Store(folder, url)
    try:
        events = store.read()
    finally:
        store.close()
    check_chain(events, str(store))
    return events


def check_has_ledger(folder: Path) -> None:
    """Raises `RunError` where a folder holds neither a ledger nor the name of one in PostgreSQL."""
    if not (folder / FILE).is_file() and not (folder / NAME).is_file():
        raise RunError(f"{folder} holds no ledger ({FILE})")


def url_of(folder: Path, url: str | None, known: dict[str, Json] | None) -> URL:
    """Finds the database of a run's events: as told, as the environment says, or SQLite beside the run.

    `known` is what ledger.json beside the run says. Raises `RunError` where a run in PostgreSQL is looked for without a
    URL or at another one, what is told is no URL or of another kind of database, or ledger.json is damaged.
    """
    told = url or os.environ.get(VARIABLE)
    if known is not None and not told:
        raise RunError(
            f"the ledger of {folder} is in {text_in(known, 'url', folder)}; name it with its password in --ledger "
            f"or ${VARIABLE}"
        )
    if url and known is None and (folder / FILE).is_file():
        raise RunError(f"the ledger of {folder} is in {folder / FILE} and not where --ledger says; leave it out")
    if not told or (known is None and (folder / FILE).is_file()):
        return URL.create("sqlite", database=str(folder / FILE))
    try:
        parsed = make_url(told)
        parsed.get_dialect()
    except (ArgumentError, NoSuchModuleError, ImportError, ValueError):  # ValueError: a port that is no number
        raise RunError("--ledger is not a database's URL; write postgresql+psycopg://user@host/name") from None
    if parsed.get_backend_name() != "postgresql":
        raise RunError(
            f"--ledger: {parsed.get_backend_name()} is not supported; leave it out for SQLite, or postgresql"
        )
    parsed = parsed.set(drivername="postgresql+psycopg") if parsed.drivername == "postgresql" else parsed
    if known is not None:
        address = text_in(known, "url", folder)
        try:
            before = make_url(address)
        except (ArgumentError, ValueError):
            raise RunError(f"{folder / NAME} is damaged: url = {address!r} is no database's URL") from None
        if any(getattr(before, part) != getattr(parsed, part) for part in ("host", "port", "database")):
            raise RunError(f"the ledger of {folder} is in {address}, not where --ledger or ${VARIABLE} says")
    return parsed


def text_in(known: dict[str, Json], key: str, folder: Path) -> str:
    """A text of ledger.json; raises `RunError` where it is missing or none."""
    value = known.get(key)
    if not isinstance(value, str):
        raise RunError(f"{folder / NAME} is damaged: it holds no {key}")
    return value


def run_name(known: dict[str, Json], folder: Path) -> str:
    """The run's name in its database; raises `RunError` where ledger.json has none, or one that we never give."""
    name = text_in(known, "run", folder)
    if name != "run" and not re.fullmatch(r"[0-9a-f]{32}", name):
        raise RunError(f"{folder / NAME} is damaged: run = {name!r} is not the name of a run")
    return name


def sql_engine(url: URL) -> Engine:
    """The database of a URL; raises `RunError` where its driver is not installed."""
    try:
        engine = create_engine(url, pool_pre_ping=url.get_backend_name() != "sqlite")
    except ImportError:
        raise RunError("a ledger in PostgreSQL needs psycopg: install fibrostage with its extra [postgres]") from None
    if url.get_backend_name() == "sqlite":
        event.listen(engine, "connect", set_durability)
    return engine


def set_durability(connection: Any, _record: Any) -> None:
    """Has SQLite keep what was committed even if the power fails, and lets others read while one writes."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def release(connection: Connection, key: int) -> None:
    """Gives back the advisory lock of a key; a connection that is lost already has lost the lock with it."""
    with contextlib.suppress(SQLAlchemyError):
        connection.execute(sql("SELECT pg_advisory_unlock(:key)"), {"key": key})


def salvaged_rows(path: Path, options: str) -> list[Event]:
    """The rows of a SQLite file in the order they were written, up to the first that cannot be read.

    Without the index, which may be what is damaged; "immutable" also leaves the write-ahead log aside.
    """
    columns = [column.name for column in EVENTS.columns]
    events: list[Event] = []
    with contextlib.suppress(sqlite3.Error, ValueError, TypeError):
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?{options}", uri=True)
        with contextlib.closing(connection):
            connection.execute("PRAGMA writable_schema=ON")  # or a file that was cut short is not read at all
            for values in connection.execute(f"SELECT {', '.join(columns)} FROM {EVENTS.name} NOT INDEXED"):
                events.append(event_of(SimpleNamespace(**dict(zip(columns, values, strict=True)))))
    return events


def event_of(row: Any) -> Event:
    """Makes an event of a row of the table; raises `ValueError` where its payload is no JSON."""
    return Event(
        row.kind, row.round, row.who, row.item, row.stage, json.loads(row.payload), row.seq, row.at, row.digest
    )


def reason(error: Exception) -> str:
    """Returns the first line of what the database itself said of an error."""
    return str(getattr(error, "orig", None) or error).splitlines()[0]
