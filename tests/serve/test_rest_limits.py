"""What a service takes at once has an end: bytes, files, waiting, time; and what is too much for one hurts no other."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi import HTTPException, Request

from fibrostage.deploy.answers import Wanted
from fibrostage.deploy.station import ExamAnswer, Station
from fibrostage.ground.errors import IntakeError
from fibrostage.ground.processes import processes_of
from fibrostage.learn.exam_files import Exams, reading_plan
from fibrostage.serve import queue as queue_module
from fibrostage.serve.limits import FullError, Limits, TooLongError
from fibrostage.serve.queue import ExamQueue
from fibrostage.serve.reading_process import ReadingProcess
from fibrostage.serve.uploads import LARGEST_TABLE, received
from tests.serve.rest_service import Files, Opened, Service
from tests.trained import TrainedHospital

Screens = Callable[..., Files]
BORDER = {"Content-Type": "multipart/form-data; boundary=cut"}
SMALL = 0.05  # MB


def form(content: bytes, name: str = "files", file: str = "x.dcm") -> bytes:
    """A multipart body with one part."""
    head = f'--cut\r\nContent-Disposition: form-data; name="{name}"; filename="{file}"\r\n\r\n'
    return head.encode() + content + b"\r\n--cut--\r\n"


def wait_until(so: Callable[[], object]) -> None:
    """Waits until something is so."""
    for _ in range(2000):
        if so():
            return
        time.sleep(0.01)
    raise AssertionError("it never was so")


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Readers that wait until this is set."""
    go, reads = threading.Event(), ReadingProcess.read

    def waits(self: ReadingProcess, *arguments: object) -> object:
        assert go.wait(60)
        return reads(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(ReadingProcess, "read", waits)
    yield go
    go.set()


def test_more_bytes_than_may_be_sent_are_refused_before_they_are_stored(other_service: Opened) -> None:
    service = other_service(Limits(megabytes=SMALL))
    body = form(b"x" * 60_000)
    lies = {**BORDER, "Content-Length": "10"}
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        yield body[:100]
        for _ in range(1000):
            sent += 1
            yield b"x" * 1000

    for content, headers in ((body, BORDER), (body, lies), (endless(), BORDER)):
        answer = service.client.post("/exams", content=content, headers=headers)
        assert answer.status_code == 413
        assert answer.json() == {"detail": "at most 0.05 MB at once"}
    assert service.left() == []
    assert service.count("fibrostage_requests_total", outcome="too_large") == 3
    assert service.client.post("/exams", content=form(b"x" * 1000), headers=BORDER).status_code == 422


def test_more_files_than_may_be_sent_are_refused(other_service: Opened) -> None:
    service = other_service(Limits(files=3))
    assert service.ask([("a", b""), ("b", b""), ("c", b"")]).status_code == 422
    answer = service.ask([("a", b""), ("b", b""), ("c", b""), ("d", b"")])
    assert (answer.status_code, answer.json()["detail"]) == (413, "at most 3 files at once")
    assert service.ask([("a", b"")], "x" * (LARGEST_TABLE + 1)).status_code == 413
    assert service.left() == []


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{}", {"Content-Type": "application/json"}, 415),
        (b"", {}, 415),
        (b"--cut", {"Content-Type": "multipart/form-data"}, 415),
        (b"", BORDER, 422),
        (b"--cut--\r\n", BORDER, 422),
        (form(b"x")[:-12], BORDER, 422),
        (form(b"x") + form(b"y")[:60], BORDER, 422),
        (b"nonsense" * 100, BORDER, 422),
        (form(b"x", "else"), BORDER, 422),
        (form(b"file,patient_id,modality", "images"), BORDER, 422),
        (b"--cut\r\n\r\nx\r\n--cut--\r\n", BORDER, 422),
        (b"--cut\r\n" + b"A: b\r\n" * 10_000, BORDER, 422),
        (b"x", {"Content-Type": "multipart/form-data; boundary=" + "b" * 5000}, 422),
    ],
)  # fmt: skip
def test_what_is_no_form_is_refused(service: Service, body: bytes, headers: dict[str, str], status: int) -> None:
    answer = service.client.post("/exams", content=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert isinstance(answer.json()["detail"], str)
    assert service.left() == []


def test_who_would_wait_behind_too_many_is_told_to_come_again(
    other_service: Opened, screens: Screens, held: threading.Event
) -> None:
    service = other_service(Limits(waiting=2))
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(service.ask, screens(1))]
        wait_until(lambda: list(service.queue.folder.glob("exam-*")))  # the reader has it
        for number in (1, 2):
            asked.append(pool.submit(service.ask, screens(1)))
            wait_until(lambda number=number: service.queue.waiting == number)  # type: ignore[misc]
        wait_until(lambda: service.app.state.service.coming == 0)
        answer = service.ask(screens(1))
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert "ask again" in answer.json()["detail"]
        with pytest.raises(FullError):
            service.queue.ask(Exams(()), Wanted())
        held.set()
        assert [one.result().status_code for one in asked] == [200] * 3
    assert service.count("fibrostage_requests_total", outcome="busy") == 1
    assert service.left() == []


def test_an_exam_that_takes_too_long_is_given_up_and_the_service_goes_on(
    other_service: Opened, screens: Screens, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = other_service(Limits(seconds=1))
    quick = queue_module.answer_together

    def slow(*arguments: object) -> object:
        time.sleep(2)
        return quick(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(queue_module, "answer_together", slow)
        answer = service.ask(screens(1))
    assert answer.status_code == 504
    assert "longer than 1 s" in answer.json()["detail"]
    wait_until(lambda: service.left() == [])
    wait_until(lambda: service.queue.trouble() is None)
    service.queue.limits = Limits(seconds=60)
    assert service.ask(screens(1)).status_code == 200
    assert service.count("fibrostage_requests_total", outcome="too_long") == 1


def test_a_model_that_hangs_is_told_by_the_services_health(
    other_service: Opened, screens: Screens, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, go = other_service(Limits(seconds=0.3)), threading.Event()
    monkeypatch.setattr(queue_module, "answer_together", lambda *_: go.wait(60) and [FullError("late")])
    assert service.ask(screens(1)).status_code == 504
    wait_until(service.queue.trouble)
    answer = service.client.get("/health")
    assert (answer.status_code, answer.json()) == (503, {"detail": "the model does not answer"})
    go.set()
    wait_until(lambda: service.queue.trouble() is None)


def test_those_who_waited_for_the_model_are_answered_in_one_pass(
    other_service: Opened, screens: Screens, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, go, sizes = other_service(), threading.Event(), []
    answers = queue_module.answer_together

    def waits(station: Station, taken: list[object], wanted: list[Wanted]) -> object:
        sizes.append(len(taken))
        assert go.wait(60)
        return answers(station, taken, wanted)  # type: ignore[arg-type]

    monkeypatch.setattr(queue_module, "answer_together", waits)
    alone = [service.queue.ask(exams_of(service, screens(number), number)) for number in (1, 2, 3, 4)]
    unreadable = service.queue.ask(exams_of(service, [("x", b"")], 5))
    with pytest.raises(IntakeError):
        unreadable.answer.result(60)
    wait_until(lambda: service.queue._read.qsize() == 3)
    go.set()
    together = [one.answer.result(60) for one in alone]
    assert sizes == [1, 3]
    assert [one.found.staged[0].pictures for one in together] == [{"SWE": 1, "B": 1}] * 4
    monkeypatch.setattr(queue_module, "answer_together", answers)
    for number, one in zip((1, 2, 3, 4), together, strict=True):
        again = service.queue.answer(exams_of(service, screens(number), number))
        assert again.found.staged[0].patient_id == one.found.staged[0].patient_id
        assert again.found.staged[0].probabilities == pytest.approx(one.found.staged[0].probabilities, abs=1e-6)


def exams_of(service: Service, files: Files, number: int) -> Exams:
    """Files in a folder, as something else than a client may bring them."""
    folder = service.queue.folder / f"exam-of-test-{number}"
    folder.mkdir(exist_ok=True)
    for name, content in files:
        (folder / name.replace("/", "-")).write_bytes(content)
    return Exams((folder,), key=service.app.state.service.settings.key)


def test_one_that_fails_the_pass_fails_alone(
    other_service: Opened, screens: Screens, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, go = other_service(), threading.Event()
    answers = queue_module.answer_together

    def fails(station: Station, taken: list[object], wanted: list[Wanted]) -> object:
        assert go.wait(60)
        if any(one.pages for one in wanted):
            raise ZeroDivisionError
        return answers(station, taken, wanted)  # type: ignore[arg-type]

    monkeypatch.setattr(queue_module, "answer_together", fails)
    asked = [
        service.queue.ask(exams_of(service, screens(number), number), Wanted(pages=number == 3))
        for number in (1, 2, 3, 4)
    ]
    wait_until(lambda: service.queue._read.qsize() == 3)
    go.set()
    with pytest.raises(ZeroDivisionError):
        asked[2].answer.result(60)
    for one in (asked[0], asked[1], asked[3]):
        assert isinstance(one.answer.result(60), ExamAnswer)


def test_nobody_reads_for_who_does_not_wait(service: Service, screens: Screens, held: threading.Event) -> None:
    gone: list[int] = []
    exams = exams_of(service, screens(1), 1)
    first, second = (
        service.queue.ask(exams, released=lambda number=number: gone.append(number))  # type: ignore[misc]
        for number in (1, 2)
    )
    wait_until(lambda: first.begun is not None)
    service.queue.give_up(second)
    assert gone == [2], "it waits no more"
    service.queue.give_up(first)
    held.set()
    wait_until(lambda: gone == [2, 1])
    assert first.answer.cancelled()
    assert second.answer.cancelled()
    wait_until(lambda: service.left() == [])


def test_who_waits_at_the_end_is_told(other_service: Opened, screens: Screens, held: threading.Event) -> None:
    service = other_service()
    exams = exams_of(service, screens(1), 1)
    first, second = service.queue.ask(exams), service.queue.ask(exams)
    wait_until(lambda: first.begun is not None)
    ending = threading.Thread(target=service.queue.close)
    ending.start()
    with pytest.raises(FullError, match="ending"):
        second.answer.result(60)
    with pytest.raises(FullError, match="ending"):
        service.queue.ask(exams)
    held.set()
    ending.join(60)
    assert service.client.get("/health").status_code == 503
    assert first.answer.exception(60) is not None or isinstance(first.answer.result(), ExamAnswer)


def test_a_process_that_reads_is_stopped_or_dies_and_the_next_one_reads_on(
    hospital: TrainedHospital, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "never")  # whoever opens it waits for ever
    (tmp_path / "work").mkdir()
    one = Exams((hospital.source / "1",), key=hospital.key)
    endless = replace(one, images=tmp_path / "never")
    reading = ReadingProcess(reading_plan(hospital.run), tmp_path)
    with pytest.raises(TooLongError, match=r"longer than 0\.5 s"):
        reading.read(endless, tmp_path, 0.5)
    reading.begin()
    assert reading._pool is not None
    (process,) = processes_of(reading._pool)
    threading.Timer(0.2, process.kill).start()
    with pytest.raises(IntakeError, match="takes its decoder down"):
        reading.read(endless, tmp_path, 60)
    taken = reading.read(one, tmp_path / "work", 60)
    assert len(taken.cohort.images) == 2
    assert set(taken.given.values()) == {"P1"}
    reading.end()
    with pytest.raises(FullError, match="no process that reads exams"):
        reading.read(one, tmp_path, 1)


def test_a_queue_that_was_asked_from_elsewhere_reads_by_processes(
    station: Station, hospital: TrainedHospital, tmp_path: Path
) -> None:
    queue = ExamQueue(station, replace(Limits(), readers=1), tmp_path)
    try:
        answer = queue.answer(Exams((hospital.source / "6",), key=hospital.key), Wanted(reports=True))
        assert len(answer.found.staged) == len(answer.reports) == 1
        with pytest.raises(IntakeError) as error:
            queue.answer(Exams((hospital.key,), key=hospital.key))
        assert len(error.value.problems) == 1
    finally:
        queue.close()
    assert list(tmp_path.iterdir()) == []


def test_who_sends_takes_a_place_too(other_service: Opened, screens: Screens) -> None:
    service = other_service(Limits(waiting=2))
    service.app.state.service.coming = 2
    assert service.ask(screens(1)).status_code == 503
    service.app.state.service.coming = 1
    assert service.ask(screens(1)).status_code == 200
    assert service.app.state.service.coming == 1


def test_a_client_that_stops_sending_is_not_waited_for(tmp_path: Path) -> None:
    async def never() -> dict[str, object]:
        await asyncio.sleep(60)
        return {}

    headers = [(name.lower().encode(), value.encode()) for name, value in BORDER.items()]
    request = Request({"type": "http", "method": "POST", "path": "/exams", "headers": headers}, never)
    with pytest.raises(HTTPException) as error:
        asyncio.run(received(request, tmp_path, Limits(patience=0.05)))
    assert error.value.status_code == 408


def test_no_room_is_no_fault_of_the_clients(
    service: Service, screens: Screens, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/somewhere/secret")

    monkeypatch.setattr("fibrostage.serve.uploads.Parts.feed", full)
    answer = service.ask(screens(1))
    assert (answer.status_code, answer.json()["detail"][:16]) == (503, "there is no room")
    assert "No space left" in caplog.text
    assert "secret" not in caplog.text
    assert service.left() == []
