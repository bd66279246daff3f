"""Compiled kernels: a decorator whose machine code is kept in our cache folder.

Nothing happens at import: a kernel looks for its cache when it is first compiled, and numba's own settings are as they
were before and after.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from fibrostage.ground.cache import cache_folder

F = TypeVar("F", bound=Callable[..., Any])
_SETTING = threading.Lock()  # numba reads its folder from one place of the process


def compiled(**options: Any) -> Callable[[F], F]:
    """The decorator of a kernel: run without Python's lock, and compiled once a machine where that can be kept."""
    import numba

    def decorate(function: F) -> F:
        kernel: Any = numba.njit(nogil=True, **options)(function)
        compile_it = kernel.compile

        def compile_and_keep(signature: object) -> object:
            kernel.compile = compile_it
            keep(kernel)
            return compile_it(signature)

        kernel.compile = compile_and_keep
        return kernel

    return decorate


def keep(kernel: Any) -> None:
    """Lets numba keep a kernel's machine code: where the user told numba to, else in our cache folder, else nowhere."""
    import numba

    with _SETTING:
        before = numba.config.CACHE_DIR
        try:
            numba.config.CACHE_DIR = before or str(cache_folder() / "numba")
            kernel.enable_caching()
        except (OSError, RuntimeError):  # no place to write: compiled anew in each process
            pass
        finally:
            numba.config.CACHE_DIR = before
