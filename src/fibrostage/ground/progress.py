"""How long work tells what it is doing: a protocol that the command line shows as bars and tests ignore."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

Advance = Callable[[int], None]


class Progress(Protocol):
    """`task` opens one counted piece of work and yields a function that advances it; `say` prints one line."""

    def task(self, label: str, total: int) -> AbstractContextManager[Advance]: ...

    def say(self, line: str) -> None: ...


class Silent:
    """Progress nobody watches."""

    @contextmanager
    def task(self, label: str, total: int) -> Iterator[Advance]:
        yield lambda count: None

    def say(self, line: str) -> None:
        return None


SILENT = Silent()
