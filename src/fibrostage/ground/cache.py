"""The cache: what can be computed again, on disk by the hash of all it depends on, and in memory for one process.

Two processes that want one file both compute it and agree. A file that cannot be parsed is computed again; one
that cannot be read now (no permission, too many open files) is left alone.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, TypeVar

from fibrostage.ground.files import sweep, written_whole

VARIABLE = "FIBROSTAGE_CACHE"

T = TypeVar("T")


def cache_folder() -> Path:
    """$FIBROSTAGE_CACHE, or fibrostage under the user's cache folder, or under the temporary one of who has no home."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    if base:
        return Path(base) / "fibrostage"
    try:
        return Path.home() / ".cache" / "fibrostage"
    except RuntimeError:  # no home folder is known
        return Path(tempfile.gettempdir()) / f"fibrostage-{os.getuid() if hasattr(os, 'getuid') else 'cache'}"


def cached(path: Path, read: Callable[[Path], T]) -> T | None:
    """What a cache file holds, or None when there is none to use."""
    if not path.is_file():
        return None
    try:
        return read(path)
    except (ValueError, EOFError):  # damaged
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
    except OSError:
        pass
    return None


@contextmanager
def cache_file(path: Path) -> Iterator[Path]:
    """A temporary file that becomes the cache file `path`; raises `OSError` where there is no place for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent)
    with written_whole(path) as temporary:
        yield temporary


class Memory(Generic[T]):
    """The last few things that a process computed, by what they depend on."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._kept: dict[tuple[object, ...], T] = {}

    def get(self, key: tuple[object, ...], compute: Callable[[], T]) -> T:
        """What is kept under the key, or is computed now; the oldest goes where there are too many."""
        if key not in self._kept:
            while len(self._kept) >= self.most:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = compute()
        return self._kept[key]
