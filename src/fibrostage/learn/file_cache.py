"""The cache on disk: files named by the hash of everything they depend on, written whole or not at all.

Two processes that want one file both compute it and agree. A file that cannot be parsed is computed again; one
that cannot be read now (no permission, too many open files) is left alone.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

STALE = 24 * 3600  # seconds after which an unfinished file is nobody's

T = TypeVar("T")


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
def written_whole(path: Path) -> Iterator[Path]:
    """A temporary file that becomes `path` when the block ends well; raises OSError when there is no place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob("*.partial"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > STALE:
                left.unlink()
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".partial")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
