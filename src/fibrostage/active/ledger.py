"""The ledger: the append-only record of an active-learning run, in SQL; a run's state is a fold over it.

Kinds of event: `opened` (once: plan and cohort), `labelled` (a round's queries with their answers, in one
transaction), `closed` (a round's model is fitted, saved and measured). Nothing is ever updated or deleted.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Column, Index, Integer, MetaData, String, Table, create_engine, event, insert, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from fibrostage.errors import RunError

FILE = "ledger.sqlite"

METADATA = MetaData()
EVENTS = Table(
    "events",
    METADATA,
    Column("seq", Integer, primary_key=True),
    Column("at", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("round", Integer, nullable=False),
    Column("candidate", Integer),
    Column("stage", Integer),
    Column("payload", String),
)

# one label a candidate: a second writer on the same run fails instead of interleaving
Index("one_label", EVENTS.c.candidate, unique=True, sqlite_where=EVENTS.c.kind == "labelled")


@dataclass(frozen=True)
class LedgerState:
    """What the events say: labels in the order they were given, and the metrics of each closed round."""

    opened: dict[str, Any] | None
    candidates: NDArray[np.int64]
    stages: NDArray[np.int64]
    last_round: int  # of the labels; −1 before the first
    closed: list[dict[str, Any]]


class Ledger:
    """One run's events in SQLite (write-ahead log, full synchronisation)."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._engine = create_engine(URL.create("sqlite", database=str(self.path)))
        event.listen(self._engine, "connect", set_durability)
        try:
            METADATA.create_all(self._engine)
        except SQLAlchemyError as error:
            raise RunError(f"cannot open the ledger {self.path}: {reason(error)}") from None

    def append(self, kind: str, round_: int, payload: dict[str, Any] | None = None) -> None:
        self._insert([{"kind": kind, "round": round_, "payload": json.dumps(payload or {})}])

    def append_labels(self, round_: int, ids: Sequence[int], stages: Sequence[int]) -> None:
        """A round's answers, all or none."""
        self._insert(
            [
                {"kind": "labelled", "round": round_, "candidate": int(i), "stage": int(s)}
                for i, s in zip(ids, stages, strict=True)
            ]
        )

    def _insert(self, rows: list[dict[str, Any]]) -> None:
        if not rows:
            return
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        empty = {"candidate": None, "stage": None, "payload": None}
        try:
            with self._engine.begin() as connection:
                connection.execute(insert(EVENTS), [{**empty, "at": now, **row} for row in rows])
        except SQLAlchemyError as error:
            raise RunError(f"cannot write to the ledger {self.path}: {reason(error)}") from None

    def state(self) -> LedgerState:
        try:
            with self._engine.connect() as connection:
                rows = connection.execute(select(EVENTS).order_by(EVENTS.c.seq)).all()
        except SQLAlchemyError as error:
            raise RunError(f"the ledger {self.path} cannot be read: {reason(error)}") from None
        labels = [row for row in rows if row.kind == "labelled"]
        opened = [json.loads(row.payload) for row in rows if row.kind == "opened"]
        return LedgerState(
            opened=opened[0] if opened else None,
            candidates=np.array([row.candidate for row in labels], dtype=np.int64),
            stages=np.array([row.stage for row in labels], dtype=np.int64),
            last_round=max((row.round for row in labels), default=-1),
            closed=[json.loads(row.payload) for row in rows if row.kind == "closed"],
        )

    def close(self) -> None:
        self._engine.dispose()


def set_durability(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def reason(error: SQLAlchemyError) -> str:
    return str(getattr(error, "orig", None) or error).splitlines()[0]
