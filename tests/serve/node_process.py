"""A node in a process of its own, that a test can kill, and that waits where the test wants it."""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

from fibrostage.deploy.answers import Wanted
from fibrostage.deploy.station import ExamAnswer, Station
from fibrostage.learn.predict_files import Exams
from fibrostage.serve.node import NodeSettings, run_node
from tests.serve.pacs import NOBODY, listens, says_f2, until

CONTEXT = multiprocessing.get_context("forkserver")  # started once, as what it imports takes seconds
CONTEXT.set_forkserver_preload(["tests.serve.node_process"])


def run(settings: NodeSettings, begun: Path | None, largest: int | None) -> None:
    """What the process does: while a file stands at `begun` it never ends an answer, and says there that it began one.
    `largest` bytes is the most that a file may have."""
    if largest is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))

    def answering(station: Station, exams: Exams, wanted: Wanted) -> ExamAnswer:
        while begun is not None and begun.exists():
            begun.write_text("begun")
            time.sleep(0.02)
        return says_f2(station, exams, wanted)

    run_node(NOBODY, settings, answering=answering)


@contextmanager
def node_process(
    settings: NodeSettings, begun: Path | None = None, largest: int | None = None
) -> Iterator[BaseProcess]:
    """A node that listens, until the block ends or somebody kills it."""
    process = CONTEXT.Process(target=run, args=(settings, begun, largest), daemon=True)
    process.start()
    try:
        until(lambda: listens(settings.port) or not process.is_alive())
        assert process.is_alive()
        yield process
    finally:
        process.kill()
        process.join(30)
