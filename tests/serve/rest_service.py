"""A service over the tiny hospital's run, in process or as a process, and what is sent to it."""

from __future__ import annotations

import signal
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra [serve] is not installed")
pytest.importorskip("prometheus_client", reason="the extra [serve] is not installed")

from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx2 import Response

from fibrostage.deploy.station import Station, open_station
from fibrostage.serve import reading_process
from fibrostage.serve.limits import Limits
from fibrostage.serve.listen import opened
from fibrostage.serve.queue import ExamQueue
from fibrostage.serve.rest import RestSettings, make_app
from tests.forked import Started, start
from tests.services import free_port
from tests.trained import TrainedHospital

Files = list[tuple[str, bytes]]
PROCESSES = "with processes"


@dataclass
class Service:
    """A service in this process."""

    queue: ExamQueue
    app: FastAPI
    client: TestClient

    def ask(self, files: Files, images: str | None = None, **query: object) -> Response:
        """Sends files with their names, and a table of pictures."""
        parts: list[object] = [("files", one) for one in files]
        data = {} if images is None else {"images": images}
        return self.client.post("/exams", files=parts, data=data, params=query)  # type: ignore[arg-type]

    def left(self) -> list[str]:
        """What there is in the folder of what is temporary, but for the key."""
        return [path.name for path in self.queue.folder.iterdir() if not path.name.startswith(("key", "exam-of-test"))]

    def count(self, name: str, **labels: str) -> float:
        """One of the service's counts."""
        return self.app.state.service.counters.registry.get_sample_value(name, labels) or 0.0


Opened = Callable[..., Service]


@contextmanager
def in_process(station: Station, settings: RestSettings, limits: Limits) -> Iterator[Service]:
    """A service whose exams are read by threads, which begin at once."""
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(reading_process, "can_start_workers", lambda: "none in this test")
            queue, counters = stack.enter_context(opened(station, limits))
        app = make_app(queue, counters, settings)
        yield Service(queue, app, TestClient(app, base_url="http://127.0.0.1:8480", raise_server_exceptions=False))


@pytest.fixture(scope="session")
def station(hospital: TrainedHospital) -> Station:
    """The hospital's model, open."""
    return open_station(hospital.run)


@pytest.fixture(scope="module")
def service(station: Station, hospital: TrainedHospital) -> Iterator[Service]:
    """A service that everybody on this computer may ask."""
    with in_process(station, RestSettings(key=hospital.key), Limits()) as found:
        yield found


@pytest.fixture
def other_service(station: Station, hospital: TrainedHospital) -> Iterator[Opened]:
    """Services with other limits and settings."""
    with ExitStack() as stack:

        def make(limits: Limits | None = None, of: Station | None = None, **settings: object) -> Service:
            rest = RestSettings(**{"key": hospital.key, **settings})  # type: ignore[arg-type]
            return stack.enter_context(in_process(of or station, rest, limits or Limits()))

        yield make


@pytest.fixture(scope="session")
def screens(hospital: TrainedHospital) -> Callable[..., Files]:
    """The files of the hospital's patients with these numbers, named as they lie there."""

    def read(*patients: int) -> Files:
        names = [f"{number}/{kind}.dcm" for number in patients for kind in ("grey", "map")]
        return [(name, (hospital.source / name).read_bytes()) for name in names]

    return read


@dataclass
class ServiceProcess:
    """The service as its users start it, with its own folder for what is temporary."""

    run: Path
    folder: Path
    options: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: Started | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def start(self) -> None:
        (self.folder / "tmp").mkdir(parents=True, exist_ok=True)
        own = {"TMPDIR": str(self.folder / "tmp")} | self.environment
        log = self.folder / "log"
        log.unlink(missing_ok=True)
        self.process = start("serve", self.run, "--port", self.port, *self.options, out=log, variables=own)
        while self.process.poll() is None:
            try:
                urllib.request.urlopen(f"{self.address}/health", timeout=5).close()
                return
            except OSError:
                time.sleep(0.1)
        raise AssertionError(self.log)

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Tells it to end; returns what it ended with."""
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(60)

    def left(self) -> list[Path]:
        """What there is in its folder of what is temporary."""
        return [path for path in (self.folder / "tmp").rglob("*") if path.is_file() and path.name != "key"]


@pytest.fixture
def started(hospital: TrainedHospital) -> Iterator[Callable[..., ServiceProcess]]:
    """Services as processes."""
    running: list[ServiceProcess] = []
    folder = Path(tempfile.mkdtemp(prefix="fibrostage-test-"))

    def make(*options: str, **environment: str) -> ServiceProcess:
        own = {"FIBROSTAGE_KEY": str(hospital.key), **environment}
        running.append(ServiceProcess(hospital.run, folder, options, own))
        running[-1].start()
        return running[-1]

    yield make
    for one in running:
        if one.process is not None and one.process.poll() is None:
            one.process.kill()
            one.process.wait()
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
