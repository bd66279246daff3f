"""How much a service takes at once, so that nobody can fill its disk, its memory or its time."""

from __future__ import annotations

import os
from dataclasses import dataclass

from fibrostage.ground.errors import FibrostageError

MEGABYTE = 2**20
PATIENCE = 30.0  # seconds
MOST_READERS = 4  # by default; each is a process of its own


class TooLongError(FibrostageError):
    """An exam that took longer than it may."""


class FullError(FibrostageError):
    """More exams that wait than may wait, or a service that ends or lacks something at present."""


@dataclass(frozen=True)
class Limits:
    """What a request may send: `megabytes` in so many `files`; a first or a next piece of it within `patience` seconds.
    How many requests may be `waiting`, and the `seconds` that reading and staging one may take. `readers` read as many
    exams at once, and those that were read meanwhile are staged in one pass, of about `pictures` at most."""

    megabytes: float = 512
    files: int = 500
    patience: float = PATIENCE
    waiting: int = 16
    seconds: float = 120.0
    readers: int = 1
    pictures: int = 64

    @property
    def bytes(self) -> int:
        """How large a request's body may be."""
        return int(self.megabytes * MEGABYTE)


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def readers_here() -> int:
    """How many readers suit this machine: one a core, within reason."""
    return min(MOST_READERS, cores())
