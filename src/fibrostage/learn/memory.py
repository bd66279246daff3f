"""Keeping the memory of large tensors: half of a CPU's time on a small backbone can go into page faults.

glibc gives every large block back to the system when it is freed and faults it in again, page by page, when the
next layer asks for one. A network asks for the same blocks over and over. Told to keep them, extracting
features from EfficientNet-Lite0 is more than twice as fast on two cores (docs/performance.md). The process then
keeps its peak memory until it ends. Elsewhere than on glibc nothing is done.
"""

from __future__ import annotations

import ctypes
import platform
from functools import cache

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # malloc.h
NEVER = 2**31 - 1
STEP = 64 * 2**20


@cache
def keep_memory() -> bool:
    """Tells malloc to keep what is freed; once a process, and whether it listened."""
    if platform.libc_ver()[0] != "glibc":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return all([mallopt(M_MMAP_MAX, 0), mallopt(M_TRIM_THRESHOLD, NEVER), mallopt(M_TOP_PAD, STEP)])
