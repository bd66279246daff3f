"""The service as a process: where it listens, and what it leaves behind when it ends, which is nothing."""

from __future__ import annotations

import logging
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import uvicorn

from fibrostage.deploy.station import Station
from fibrostage.ground.errors import RunError
from fibrostage.ground.files import owner, owner_is_gone
from fibrostage.ground.listening import check_listening
from fibrostage.intake.privacy import default_key, read_key
from fibrostage.serve.counters import Counters
from fibrostage.serve.limits import Limits
from fibrostage.serve.queue import ExamQueue
from fibrostage.serve.rest import RestSettings, make_app
from fibrostage.serve.tokens import check_tokens

GRACE = 8  # seconds that open requests have when the service is told to end
PREFIX = "fibrostage-serve"
TALKATIVE = ("pydicom", "highdicom", "asyncio")  # what they log may name somebody


@dataclass(frozen=True)
class Listening:
    """Where the service listens, and what encrypts."""

    host: str = "127.0.0.1"
    port: int = 8480
    cert: Path | None = None
    key: Path | None = None
    behind_proxy: bool = False

    @property
    def address(self) -> str:
        """The service's address, as its clients write it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'http' if self.cert is None else 'https'}://{host}:{self.port}"


@dataclass(frozen=True)
class ServiceSettings:
    """All that is decided when a service begins."""

    listening: Listening = field(default_factory=Listening)
    limits: Limits = field(default_factory=Limits)
    rest: RestSettings = field(default_factory=RestSettings)


def check_settings(settings: ServiceSettings) -> bool:
    """Whether connections are encrypted. Raises `RunError` where the service must not listen there, or answers could
    not be kept."""
    at, keep = settings.listening, settings.rest.keep
    check_tokens(at.host, settings.rest.tokens)
    if keep is not None and not keep.is_dir():
        raise RunError(f"--keep {keep}: there is no such folder")
    return check_listening(at.host, at.cert, at.key, at.behind_proxy)


def lasting_key(chosen: Path | None) -> Path | None:
    """The key that ids are hashed with, where there is one; None where the service is to make one for itself. Raises
    `RunError` where the chosen one is not there, `IntakeError` where it is none."""
    path = chosen or default_key()
    if not path.exists():
        if chosen is not None:
            raise RunError(f"--intake-key {chosen}: there is no such file")
        return None
    read_key(path, make=False)
    return path


@contextmanager
def own_folder() -> Iterator[Path]:
    """A folder for everything that is temporary, which goes away with the block; those of killed services go too."""
    for left in Path(tempfile.gettempdir()).glob(f".{PREFIX}.*"):
        if left.is_dir() and owner_is_gone(left):
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{PREFIX}.{owner()}-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def opened(station: Station, limits: Limits) -> Iterator[tuple[ExamQueue, Counters]]:
    """The queue before a station and its counts, for as long as the block lasts."""
    with own_folder() as folder:
        queue: ExamQueue | None = None
        counters = Counters(lambda: 0 if queue is None else queue.waiting)
        queue = ExamQueue(station, limits, folder, counters.answered)
        try:
            yield queue, counters
        finally:
            queue.close()


def serve(station: Station, settings: ServiceSettings) -> None:
    """Answers exams until it is told to end; raises `RunError` where it must not listen there."""
    tls = check_settings(settings)
    at, rest = settings.listening, settings.rest
    be_silent()
    with opened(station, settings.limits) as (queue, counters):
        rest = replace(rest, key=rest.key or made_key(queue.folder))
        uvicorn.run(
            make_app(queue, counters, rest, tls), host=at.host, port=at.port, log_level="warning", access_log=False,
            server_header=False, ssl_certfile=at.cert, ssl_keyfile=at.key, proxy_headers=at.behind_proxy,
            timeout_graceful_shutdown=GRACE, limit_concurrency=2 * settings.limits.waiting + 64,
        )  # fmt: skip


def made_key(folder: Path) -> Path:
    """A key for as long as a service lasts."""
    read_key(folder / "key")
    return folder / "key"


def be_silent() -> None:
    """Keeps what libraries say about headers out of the service's log, for good."""
    warnings.simplefilter("ignore")
    for name in TALKATIVE:
        logging.getLogger(name).disabled = True
