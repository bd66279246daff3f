"""A service under load, beside one process that calls the same answering in a loop.

Clients speak HTTP to a service that is started for this, each sending one exam after another; the loop opens the same
model and answers the same exams one by one. Both are warm before the clock starts. CPU-seconds are of all processes
that answer, without the clients.
"""

from __future__ import annotations

import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import psutil

from fibrostage.bench.timing import in_own_process, machine
from fibrostage.deploy.station import answer, open_station
from fibrostage.ground.errors import RunError
from fibrostage.ground.progress import SILENT, Progress
from fibrostage.learn.exam_files import Exams

BEGINS = 120.0  # seconds within which a service is to answer
LONGEST = 600.0  # seconds that a client waits


@dataclass(frozen=True)
class Load:
    """What is asked: so many exams in all, by one client and by `clients` at once, of a service with these options."""

    run: Path
    exams: tuple[Path, ...]
    asked: int
    clients: int
    options: tuple[str, ...] = ()
    accept_unmasked: bool = False

    def in_turn(self) -> list[Path]:
        """As many exams as are asked about, in turn."""
        return list(islice(cycle(self.exams), self.asked))


@dataclass(frozen=True)
class Answering:
    """Seconds of every exam, of all of them by the wall, and of the CPU."""

    each: tuple[float, ...]
    wall: float
    cpu: float

    def as_dict(self, clients: int) -> dict[str, float]:
        """What a row of the table holds."""
        cuts = statistics.quantiles(self.each, n=20, method="inclusive") if len(self.each) > 1 else self.each * 19
        return {
            "clients": clients,
            "exams": len(self.each),
            "exams_per_s": len(self.each) / self.wall,
            "p50_s": statistics.median(self.each),
            "p95_s": cuts[18],
            "cpu_s_per_exam": self.cpu / len(self.each),
        }


def bench_serve(load: Load, rounds: int = 1, progress: Progress = SILENT) -> dict[str, Any]:
    """The table that `fibrostage bench serve` shows: the loop, the service with one client, and with several, in turn.

    Raises `RunError` where the service does not begin or an exam is not answered.
    """
    found: dict[str, list[Answering]] = {}
    crowd = f"service, {load.clients} clients"
    for number in range(rounds):
        progress.say(f"round {number + 1} of {rounds}: the loop")
        found.setdefault("loop", []).append(in_own_process(in_a_loop, load))
        with service(load) as (address, process):
            for name, clients in (("service, 1 client", 1), (crowd, load.clients)):
                progress.say(f"round {number + 1} of {rounds}: {name}")
                found.setdefault(name, []).append(under_load(address, process, load, clients))
    counts = {"loop": 1, "service, 1 client": 1, crowd: load.clients}
    return {
        "machine": machine(),
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
        "exams": len(load.exams),
        "files": sum(len(files_in(exam)) for exam in load.exams),
        "rounds": rounds,
        "options": list(load.options),
        "rows": [{"way": name, **pooled(own).as_dict(counts[name])} for name, own in found.items()],
    }


def pooled(rounds: Sequence[Answering]) -> Answering:
    """All rounds of one way as one."""
    each = tuple(seconds for one in rounds for seconds in one.each)
    return Answering(each, sum(one.wall for one in rounds), sum(one.cpu for one in rounds))


def in_a_loop(load: Load) -> Answering:
    """Every exam answered by one process, one after another."""
    station, each = open_station(load.run), []
    with tempfile.TemporaryDirectory() as folder:
        key = new_key(Path(folder))
        exams = [Exams((exam,), key=key, accept_unmasked=load.accept_unmasked) for exam in load.in_turn()]
        answer(station, exams[0])
        began, began_cpu = time.perf_counter(), time.process_time()
        for one in exams:
            at = time.perf_counter()
            answer(station, one)
            each.append(time.perf_counter() - at)
        return Answering(tuple(each), time.perf_counter() - began, time.process_time() - began_cpu)


def new_key(folder: Path) -> Path:
    """A key of intake for this alone."""
    (folder / "key").write_text(secrets.token_hex(32))
    return folder / "key"


@contextmanager
def service(load: Load) -> Iterator[tuple[str, psutil.Process]]:
    """A service of its own on this computer, at its address; raises `RunError` where it does not begin."""
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w+") as log:
        port = free_port()
        more = ["--accept-unmasked"] * load.accept_unmasked
        command = [
            sys.executable,
            "-m",
            "fibrostage",
            "serve",
            str(load.run),
            "--port",
            str(port),
            *more,
            *load.options,
        ]
        environment = {name: value for name, value in os.environ.items() if name != "FIBROSTAGE_TOKENS"}
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            address = f"http://127.0.0.1:{port}"
            until = time.monotonic() + BEGINS
            while not is_open(address):
                if process.poll() is not None or time.monotonic() > until:
                    raise RunError(f"the service does not begin:\n{(Path(folder) / 'log').read_text().strip()}")
                time.sleep(0.1)
            yield address, psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait()


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_open(address: str) -> bool:
    """Whether a service answers."""
    try:
        urllib.request.urlopen(f"{address}/health", timeout=5).close()
    except OSError:
        return False
    return True


def under_load(address: str, process: psutil.Process, load: Load, clients: int) -> Answering:
    """Every exam asked about once by so many clients at once. Raises `RunError` where one is not answered."""
    bodies = {exam: body_of(exam) for exam in load.exams}
    waiting, each = load.in_turn(), list[float]()
    faults: list[RunError] = []
    lock = threading.Lock()
    for _ in range(clients):
        ask(address, bodies[load.exams[0]])

    def client() -> None:
        while not faults:
            with lock:
                if not waiting:
                    return
                body = bodies[waiting.pop()]
            at = time.perf_counter()
            try:
                ask(address, body)
            except RunError as error:
                faults.append(error)
            each.append(time.perf_counter() - at)

    began, began_cpu = time.perf_counter(), cpu_of(process)
    together(client, clients)
    if faults:
        raise faults[0]
    return Answering(tuple(each), time.perf_counter() - began, cpu_of(process) - began_cpu)


def together(work: Callable[[], None], count: int) -> None:
    """The same work by so many threads at once."""
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def cpu_of(process: psutil.Process) -> float:
    """CPU-seconds of a process and of those that it started and that live."""
    times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
    return float(sum(one.user + one.system for one in times))


def ask(address: str, body: tuple[bytes, str]) -> None:
    """Asks about one exam; raises `RunError` where it is not answered."""
    content, kind = body
    request = urllib.request.Request(f"{address}/exams", content, {"Content-Type": kind})
    try:
        urllib.request.urlopen(request, timeout=LONGEST).close()
    except urllib.error.HTTPError as error:
        raise RunError(f"an exam was not answered ({error.code}): {error.read().decode()[:500]}") from None
    except OSError as error:
        raise RunError(f"an exam was not answered: {error}") from None


def body_of(exam: Path) -> tuple[bytes, str]:
    """An exam's files as a form, and what kind of form that is."""
    border = secrets.token_hex(16)
    parts = [
        f'--{border}\r\nContent-Disposition: form-data; name="files"; filename="{number}"\r\n\r\n'.encode()
        + file.read_bytes()
        + b"\r\n"
        for number, file in enumerate(files_in(exam))
    ]
    return b"".join(parts) + f"--{border}--\r\n".encode(), f"multipart/form-data; boundary={border}"


def files_in(exam: Path) -> list[Path]:
    """The files of an exam."""
    return [exam] if exam.is_file() else sorted(path for path in exam.rglob("*") if path.is_file())


def exams_in(source: Path) -> tuple[Path, ...]:
    """The exams of a source: each of its folders, or each of its files where it has none. Raises `RunError` where
    there is nothing."""
    inside = sorted(path for path in source.iterdir() if not path.name.startswith(".")) if source.is_dir() else []
    folders = tuple(path for path in inside if path.is_dir() and files_in(path))
    found = folders or tuple(path for path in inside if path.is_file())
    if not found:
        raise RunError(f"there is no exam in {source}; give a folder with a folder an exam")
    return found
