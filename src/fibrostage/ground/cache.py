"""Where what can be computed again is kept, compiled kernels among it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

VARIABLE = "FIBROSTAGE_CACHE"


def cache_folder() -> Path:
    """$FIBROSTAGE_CACHE, or fibrostage under the user's cache folder."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "fibrostage"


def cache_compiled() -> bool:
    """Whether compiled kernels can be kept: where numba was told to, or in our cache folder."""
    import numba

    if numba.config.CACHE_DIR:
        return True
    folder = cache_folder() / "numba"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    numba.config.CACHE_DIR = str(folder)
    return os.access(folder, os.W_OK)


def compiled(**options: Any) -> Any:
    """The decorator of a kernel: compiled once a machine where it can be kept, and run without Python's lock."""
    import numba

    return numba.njit(nogil=True, cache=cache_compiled(), **options)
