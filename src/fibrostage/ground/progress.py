"""How long work tells what it is doing: a protocol that the command line shows as bars and tests ignore."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeVar

Advance = Callable[[int], None]
T = TypeVar("T")


class Progress(Protocol):
    """`task` opens one counted piece of work and yields a function that advances it; `say` prints one line."""

    def task(self, label: str, total: int) -> AbstractContextManager[Advance]: ...

    def say(self, line: str) -> None: ...


def counted(items: Iterable[T], advance: Advance) -> Iterator[T]:
    """Yields items, and advances by one for each."""
    for item in items:
        advance(1)
        yield item


class Silent:
    """Progress nobody watches."""

    @contextmanager
    def task(self, label: str, total: int) -> Iterator[Advance]:
        yield lambda count: None

    def say(self, line: str) -> None:
        return None


SILENT = Silent()


EVERY = 10.0  # seconds between lines where there is no terminal


class LogProgress:
    """A line when a task begins and ends, and every ten seconds between, with rate and time left."""

    def __init__(self, write: Callable[[str], None] | None = None) -> None:
        self._write = write or (lambda line: print(line, file=sys.stderr, flush=True))

    @contextmanager
    def task(self, label: str, total: int) -> Iterator[Advance]:
        """Writes how far `total` steps are while the block runs; the function it yields advances them by so many."""
        started = last = time.monotonic()
        done = 0

        def advance(count: int) -> None:
            nonlocal done, last
            done += count
            now = time.monotonic()
            if now - last >= EVERY and done < total:
                last = now
                left = (now - started) / max(done, 1) * (total - done)
                self._write(f"{label}: {done}/{total}, about {left:.0f} s left")

        yield advance
        self._write(f"{label}: {done}/{total} in {time.monotonic() - started:.0f} s")

    def say(self, line: str) -> None:
        """Prints one line on stderr, or hands it to the function given at the start."""
        self._write(line)
