"""Who may read, and what each reader has open: accounts, one-time links, sessions, leases; SQLite beside the loop.

Passwords and links are kept as hashes only. A lease says that an item is a reader's for a while, so that no two get the
same by accident; it outlives the server, and ends by itself when the reader walks away.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import (
    Column,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    delete,
    event,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from fibrostage.ground.errors import RunError
from fibrostage.ledger.ledger import set_durability

FILE = "readers.sqlite"
ROLES = ("reader", "adjudicator", "lead")
SESSION_HOURS, LINK_HOURS = 12, 72
SHORTEST = 10  # signs of a password
LONGEST = 200

METADATA = MetaData()
READERS = Table(
    "readers", METADATA, Column("name", String, primary_key=True), Column("role", String, nullable=False),
    Column("password", String), Column("link", String, unique=True), Column("link_ends", Float),
)  # fmt: skip
SESSIONS = Table(
    "sessions", METADATA, Column("digest", String, primary_key=True), Column("name", String, nullable=False),
    Column("csrf", String, nullable=False), Column("ends", Float, nullable=False),
)  # fmt: skip
LEASES = Table(
    "leases", METADATA, Column("token", String, primary_key=True), Column("item", String, nullable=False),
    Column("name", String, nullable=False), Column("began", Float, nullable=False),
    Column("ends", Float, nullable=False), Column("again", Integer, nullable=False),
)  # fmt: skip
SKIPPED = Table("skipped", METADATA, Column("item", String, primary_key=True), Column("name", String, primary_key=True))

HASHER = PasswordHasher()
NOBODYS = HASHER.hash(secrets.token_urlsafe(16))  # checked where there is no such reader: it takes as long


@dataclass(frozen=True)
class Reader:
    """Somebody who may log in."""

    name: str
    role: str


@dataclass(frozen=True)
class Session:
    """Somebody who is logged in; `csrf` must come with everything that changes something."""

    reader: Reader
    csrf: str


@dataclass(frozen=True)
class Lease:
    """An item, by its text, that is a reader's until `ends`; `again` is whether the reader has read it before."""

    token: str
    item: str
    name: str
    began: float
    again: bool


class Accounts:
    """The readers of a loop's folder."""

    def __init__(self, folder: Path) -> None:
        self.engine = create_engine(f"sqlite:///{folder / FILE}", connect_args={"timeout": 30})
        event.listen(self.engine, "connect", set_durability)
        METADATA.create_all(self.engine)
        (folder / FILE).chmod(0o600)

    def close(self) -> None:
        """Lets go of the file."""
        self.engine.dispose()

    def invite(self, name: str, role: str) -> str:
        """Adds a reader, or lets one choose a new password; returns the one-time link's token.

        Raises `RunError` for a name that is empty or too long, or a role that is none.
        """
        name = name.strip()
        if not name or len(name) > 80 or not name.isprintable():
            raise RunError(f"a reader's name has 1 to 80 printable signs, got {name[:90]!r}")
        if role not in ROLES:
            raise RunError(f"role {role!r}; allowed are {', '.join(ROLES)}")
        token, ends = secrets.token_urlsafe(24), now() + LINK_HOURS * 3600
        with self.engine.begin() as connection:
            row = {"name": name, "role": role, "link": digest(token), "link_ends": ends}
            try:
                with connection.begin_nested():
                    connection.execute(insert(READERS).values(**row))
            except IntegrityError:
                connection.execute(update(READERS).where(READERS.c.name == name).values(**row))
        return token

    def invited(self, token: str) -> Reader | None:
        """Whose one-time link this is; None where it is nobody's, was used, or has run out."""
        with self.engine.connect() as connection:
            row = connection.execute(
                select(READERS).where(READERS.c.link == digest(token), READERS.c.link_ends > now())
            ).first()
        return None if row is None else Reader(row.name, row.role)

    def accept(self, token: str, password: str) -> Reader:
        """Sets the password of whose link this is, and ends the link and every session of before.

        Raises `RunError` where the link is nobody's any more, or the password too short or too long.
        """
        if not SHORTEST <= len(password) <= LONGEST:
            raise RunError(f"a password has {SHORTEST} to {LONGEST} signs, got {len(password)}")
        hashed = HASHER.hash(password)
        with self.engine.begin() as connection:
            row = connection.execute(
                select(READERS).where(READERS.c.link == digest(token), READERS.c.link_ends > now())
            ).first()
            if row is None:
                raise RunError("this link was used, or has run out; ask the lead for another")
            changed = update(READERS).where(READERS.c.name == row.name)
            connection.execute(changed.values(password=hashed, link=None, link_ends=None))
            connection.execute(delete(SESSIONS).where(SESSIONS.c.name == row.name))
        return Reader(row.name, row.role)

    def check(self, name: str, password: str) -> Reader | None:
        """Who logs in; None where name and password do not belong together."""
        with self.engine.connect() as connection:
            row = connection.execute(select(READERS).where(READERS.c.name == name.strip())).first()
        kept = NOBODYS if row is None or row.password is None else row.password
        try:
            HASHER.verify(kept, password[:LONGEST])
        except (VerificationError, InvalidHashError):
            return None
        return None if row is None or row.password is None else Reader(row.name, row.role)

    def begin_session(self, reader: Reader) -> str:
        """Logs somebody in; returns the cookie's value."""
        token = secrets.token_urlsafe(32)
        with self.engine.begin() as connection:
            connection.execute(delete(SESSIONS).where(SESSIONS.c.ends < now()))
            values = {"digest": digest(token), "name": reader.name, "csrf": secrets.token_urlsafe(24)}
            connection.execute(insert(SESSIONS).values(ends=now() + SESSION_HOURS * 3600, **values))
        return token

    def session(self, token: str | None) -> Session | None:
        """Whose session a cookie is; None where it is nobody's any more."""
        if not token or len(token) > LONGEST:
            return None
        with self.engine.connect() as connection:
            row = connection.execute(
                select(SESSIONS.c.csrf, READERS.c.name, READERS.c.role)
                .join(READERS, READERS.c.name == SESSIONS.c.name)
                .where(SESSIONS.c.digest == digest(token), SESSIONS.c.ends > now())
            ).first()
        return None if row is None else Session(Reader(row.name, row.role), row.csrf)

    def end_session(self, token: str | None) -> None:
        """Logs out."""
        with self.engine.begin() as connection:
            connection.execute(delete(SESSIONS).where(SESSIONS.c.digest == digest(token or "")))

    def readers(self) -> list[Reader]:
        """Everybody who may log in."""
        with self.engine.connect() as connection:
            return [Reader(row.name, row.role) for row in connection.execute(select(READERS).order_by(READERS.c.name))]

    def lease(self, item: str, name: str, minutes: int, again: bool) -> Lease:
        """Gives an item to a reader for so many minutes; leases that have ended are forgotten."""
        token, began = secrets.token_urlsafe(18), now()
        with self.engine.begin() as connection:
            connection.execute(delete(LEASES).where(LEASES.c.ends < began))
            values = {"token": token, "item": item, "name": name, "began": began, "again": int(again)}
            connection.execute(insert(LEASES).values(ends=began + minutes * 60, **values))
        return Lease(token, item, name, began, again)

    def leases(self) -> list[Lease]:
        """What is open now."""
        with self.engine.connect() as connection:
            open_ = select(LEASES).where(LEASES.c.ends >= now()).order_by(LEASES.c.began)
            return [lease_of(row) for row in connection.execute(open_)]

    def end_lease(self, token: str) -> None:
        """Gives an item back."""
        with self.engine.begin() as connection:
            connection.execute(delete(LEASES).where(LEASES.c.token == token))

    def skip(self, lease: Lease) -> None:
        """Gives an item back, to come last for this reader."""
        with self.engine.begin() as connection:
            connection.execute(delete(LEASES).where(LEASES.c.token == lease.token))
            again = SKIPPED.c.item == lease.item, SKIPPED.c.name == lease.name
            connection.execute(delete(SKIPPED).where(*again))
            connection.execute(insert(SKIPPED).values(item=lease.item, name=lease.name))

    def skipped(self, name: str) -> set[str]:
        """Items, by text, that a reader has skipped."""
        with self.engine.connect() as connection:
            return set(connection.execute(select(SKIPPED.c.item).where(SKIPPED.c.name == name)).scalars())


def lease_of(row: Any) -> Lease:
    """A lease as its row has it."""
    return Lease(row.token, row.item, row.name, row.began, bool(row.again))


def digest(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def now() -> float:
    """Seconds since 1970."""
    return datetime.now(UTC).timestamp()
