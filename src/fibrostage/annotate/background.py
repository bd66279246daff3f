"""The task queue of a loop's page, and the worker that fits models beside the people who go on answering."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from huey import Huey, PostgresHuey, SqliteHuey

from fibrostage.ledger.ledger import VARIABLE, Store
from fibrostage.loop.apart import fit_apart

NAME = "fibrostage"
QUEUE = "tasks.sqlite"
TASK = "fit"
WATCHED = 1.0  # seconds between looks at whether the server is still there


def queue_of(folder: Path, ledger_url: str | None = None) -> tuple[Huey, Any]:
    """The queue of a loop, where its ledger is, and the task that fits; the ledger's URL, with its password, is in no
    task."""
    store = Store(folder, ledger_url)
    store.close()
    if store.url.get_backend_name() == "sqlite":
        queue: Huey = SqliteHuey(NAME, filename=str(folder / QUEUE), fsync=True)
    else:
        address = store.url.set(drivername="postgresql").render_as_string(hide_password=False)
        queue = PostgresHuey(f"{NAME}-{store.run}", dsn=address)

    @queue.task(name=TASK)  # type: ignore[untyped-decorator]
    def fit() -> None:
        fit_apart(folder, os.environ.get(VARIABLE))

    return queue, fit


class Background:
    """The server's side: a worker process that is there while the server is, and wishes put in its queue."""

    def __init__(self, folder: Path, ledger_url: str | None = None) -> None:
        self.folder, self.url = folder, ledger_url
        self.queue, self._fit = queue_of(folder, ledger_url)
        self.queue.flush()  # wishes of a server that is gone: what is wanted now is seen from the ledger
        self.busy = False
        self._worker: subprocess.Popen[bytes] | None = None

    def wish(self) -> None:
        """Has a model fitted; while one is being fitted, that is it. A worker that died is replaced."""
        dead = self._worker is None or self._worker.poll() is not None
        if self.busy and not dead:
            return
        if dead:
            environment = dict(os.environ) | ({VARIABLE: self.url} if self.url else {})
            command = [sys.executable, "-m", "fibrostage.annotate.worker", str(self.folder), str(os.getpid())]
            self._worker = subprocess.Popen(command, env=environment, start_new_session=True)
        self._fit()
        self.busy = True

    def close(self) -> None:
        """Ends the worker."""
        if self._worker is not None:
            self._worker.terminate()
            self._worker.wait(timeout=30)


def work(folder: Path, server: int) -> None:
    """The worker: takes tasks from the queue until the server, a process by number, is gone."""
    logging.getLogger("huey").setLevel(logging.ERROR)

    def watch() -> None:
        while os.getppid() == server:
            time.sleep(WATCHED)
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()
    queue, _ = queue_of(folder)  # the environment has the ledger's URL
    queue.create_consumer(workers=1, worker_type="thread", periodic=False, initial_delay=0.05, max_delay=0.5).run()
