"""Worker processes that never outlive their parent, however it dies."""

from __future__ import annotations

import multiprocessing
import os
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import connection

ORPHANED = 1  # exit code of a worker whose parent is gone


def end_with_parent() -> None:
    """Ends this worker process as soon as the process that started it is gone, whatever either is doing.

    The parent's end of a pipe closes with the parent, also on SIGKILL; a thread of the worker waits for that.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=wait_for, args=(parent.sentinel,), name="end-with-parent", daemon=True).start()


def wait_for(sentinel: int) -> None:
    """Waits until the parent is gone, and ends this process at once."""
    connection.wait([sentinel])
    os._exit(ORPHANED)


def can_start_workers() -> str | None:
    """Why worker processes cannot be had on this machine, or None where they can: they need shared memory for locks."""
    try:
        multiprocessing.get_context("spawn").Lock()
    except (OSError, ImportError) as error:
        return f"no worker processes here ({error}); is there shared memory, /dev/shm?"
    return None


def processes_of(pool: ProcessPoolExecutor) -> list[multiprocessing.process.BaseProcess]:
    """A pool's worker processes; the executor has no public name for them."""
    return list((pool._processes or {}).values())
