"""Attacks on the page: none gets through, and every refusal says why. The lead's page does what it says."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from starlette.types import ASGIApp, Message

from fibrostage.annotate.app import make_app
from fibrostage.annotate.desk import Desk
from fibrostage.annotate.security import LARGEST, Patience
from fibrostage.ledger.ledger import read_events
from tests.annotate.conftest import Opened, Person

Enter = Callable[..., Person]
SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(1)>"


def nobody(desk: Desk) -> TestClient:
    return TestClient(make_app(desk), base_url="https://testserver")


def test_nobody_sees_anything_without_a_session(opened: Opened) -> None:
    desk = opened()
    client = nobody(desk)
    sha = next(iter(desk.loop.setting.cohort.picture_hashes("LSTE")))
    for path in (
        "/read",
        "/exam",
        f"/picture/{sha}",
        "/lead",
        "/lead/events",
        "/lead/answers.csv",
        "/disputes",
        "/api/status",
    ):
        assert client.get(path).status_code == 401, path
        assert client.get(path, headers={"accept": "text/html"}, follow_redirects=False).headers["location"] == "/login"
    for path in ("answer", "skip", "undo", "settle", "fit"):
        assert client.post(f"/api/{path}", json={}).status_code == 401, path
    for path in ("/lead/import", "/lead/invite", "/lead/stop", "/logout"):
        assert client.post(path, data={}).status_code == 401, path
    client.cookies.set("fibrostage", "x" * 43)
    assert client.get("/read").status_code == 401


def test_what_changes_something_needs_the_sessions_token(opened: Opened, enter: Enter) -> None:
    desk = opened()
    person, lead = enter(desk, "Bo"), enter(desk, "Lea", "lead")
    before = read_events(desk.folder)
    body = {"token": person.token(), "stage": "F1"}
    for headers in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": lead.csrf}):
        assert person.client.post("/api/answer", json=body, headers=headers).status_code == 403
    assert lead.client.post("/lead/stop", data={"reason": "x"}).status_code == 403
    assert lead.client.post("/lead/stop", data={"reason": "x", "csrf": person.csrf}).status_code == 403
    assert lead.client.post("/logout", data={}).status_code == 403
    assert read_events(desk.folder) == before
    assert person.answer("F1").json() == {"stored": True, "model": None}


def test_each_role_sees_its_own(opened: Opened, enter: Enter) -> None:
    desk = opened()
    reader, adjudicator = enter(desk, "Bo"), enter(desk, "Ad", "adjudicator")
    for path in ("/lead", "/lead/events", "/lead/answers.csv", "/api/status", "/disputes"):
        assert reader.client.get(path).status_code == 403, path
    assert adjudicator.client.get("/disputes").status_code == 200
    assert adjudicator.client.get("/lead").status_code == 403
    assert reader.post("settle", item="P001", stage="F1").status_code == 403
    assert reader.post("fit").status_code == 403
    assert (
        reader.client.post("/lead/invite", data={"csrf": reader.csrf, "name": "x", "role": "lead"}).status_code == 403
    )
    assert reader.client.post("/lead/import", data={"csrf": reader.csrf, "text": "a"}).status_code == 403


def test_a_reader_sees_pictures_of_own_exams_alone(opened: Opened, enter: Enter) -> None:
    desk = opened()
    reader = enter(desk, "Bo")
    exam = desk.exam("Bo")
    assert exam is not None
    cohort = desk.loop.setting.cohort
    everything = {sha for name in cohort.modality_names for sha in cohort.picture_hashes(name)}
    own = next(iter(exam.hashes))
    shown = reader.client.get(f"/picture/{own}")
    assert shown.headers["content-type"] == "image/png"
    assert shown.content.startswith(b"\x89PNG")
    ahead = desk.exam("Bo", exam.token)
    assert ahead is not None
    other = next(iter(everything - exam.hashes - ahead.hashes))
    assert reader.client.get(f"/picture/{other}").status_code == 404
    for path in (
        "../../../etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e/x",
        own.upper(),
        own + "0",
        "a" * 64,
        "'; DROP",
    ):
        answer = reader.client.get(f"/picture/{path}")
        assert answer.status_code == 404, path
        assert b"root:" not in answer.content
    assert reader.client.get("/static/../app.py").status_code == 404
    assert reader.client.get("/static/%2e%2e/app.py").status_code == 404


def test_script_stays_text(opened: Opened, enter: Enter) -> None:
    desk = opened()
    reader, lead = enter(desk, SCRIPT[:70]), enter(desk, "Lea", "lead")
    assert reader.answer("F1", comment=SCRIPT).status_code == 200
    for path in ("/lead", "/lead/events"):
        text = lead.client.get(path).text
        assert "<script>alert" not in text, path
        assert "onerror=alert(1)>" not in text.replace("&gt;", "") or "&lt;img" in text, path
    assert "&lt;script&gt;" in lead.client.get("/lead/events").text
    preview = lead.client.post("/lead/import", data={"csrf": lead.csrf, "text": f'patient_id,stage\n"{SCRIPT}",F1\n'})
    assert "<script>alert" not in preview.text
    assert "<script>alert" not in lead.client.get("/lead", params={"done": SCRIPT}).text
    invited = lead.client.post("/lead/invite", data={"csrf": lead.csrf, "name": SCRIPT[:60], "role": "reader"})
    assert "<script>alert" not in invited.text


def test_anothers_exam_and_nonsense_are_refused(opened: Opened, enter: Enter) -> None:
    desk = opened()
    first, second = enter(desk, "Bo"), enter(desk, "Cy")
    token = first.token()
    refused = second.post("answer", token=token, stage="F1")
    assert refused.status_code == 409
    assert "not yours any more" in refused.json()["detail"]
    assert second.post("skip", token=token).status_code == 409
    for body in (
        {"token": token}, {"token": token, "stage": "F1", "who": "Cy"}, {"token": token, "stage": "F1", "seconds": -1},
        {"token": token, "stage": "F1", "boxes": {"x": [1, 2, 3]}}, {"token": ["a"], "stage": "F1"},
        {"token": token, "stage": "F1", "comment": "x" * 2001},
    ):  # fmt: skip
        assert first.post("answer", **body).status_code == 422, body
    wrong = first.post("answer", token=token, stage="F9")
    assert wrong.status_code == 422
    assert "allowed are F0, F1, F2, F3, F4, unusable, unsure" in wrong.json()["detail"]
    assert desk.loop.state.labels == {}
    assert first.post("answer", token=token, stage="F1").status_code == 200


def test_what_is_too_large_is_refused(opened: Opened, enter: Enter) -> None:
    desk = opened()
    lead = enter(desk, "Lea", "lead")
    big = "patient_id,stage\n" + "P001,F1\n" * (LARGEST // 8)
    assert (
        lead.client.post("/lead/import", data={"csrf": lead.csrf}, files={"table": ("a.csv", big)}).status_code == 413
    )
    assert lead.client.post("/api/fit", headers={"content-length": "x"}).status_code in (400, 413)
    chunked = lead.client.post("/lead/import", content=(part for part in [b"x" * 10]))
    assert chunked.status_code == 411


async def guesses(app: ASGIApp, count: int) -> list[int]:
    """The codes that so many guesses of Bo's password get, told to the page itself, as a client's own work would take
    most of the time."""
    headers = [(b"host", b"testserver"), (b"content-type", b"application/x-www-form-urlencoded")]
    codes: list[int] = []

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            codes.append(message["status"])

    for number in range(count):
        body = f"name=Bo&password=guess+{number}".encode()
        length = (b"content-length", str(len(body)).encode())
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "https",
            "path": "/login", "raw_path": b"/login", "root_path": "", "query_string": b"",
            "headers": [*headers, length],
            "client": ("testclient", 50000), "server": ("testserver", 443), "state": {},
        }  # fmt: skip
        waiting = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive(waiting: list[Message] = waiting) -> Message:
            return waiting.pop() if waiting else {"type": "http.disconnect"}

        await app(scope, receive, send)
    return codes


def test_a_thousand_logins_get_nowhere(opened: Opened, enter: Enter) -> None:
    desk = opened()
    enter(desk, "Bo")
    client = nobody(desk)
    codes = asyncio.run(guesses(client.app, 1_000))
    assert codes[:10] == [401] * 10
    assert set(codes[10:]) == {429}, "after ten nobody is listened to, and no password is tried"
    assert client.post("/login", data={"name": "Bo", "password": "correct horse battery"}).status_code == 429
    assert client.get("/read").status_code == 401


def test_patience_comes_back_and_is_by_name_and_address(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    patience, now = Patience(3, 60), time.monotonic()
    for _ in range(3):
        patience.failed("at 1", "name a")
    assert patience.exhausted("at 2", "name a")
    assert patience.exhausted("at 1", "name b")
    assert not patience.exhausted("at 2", "name b")
    monkeypatch.setattr(time, "monotonic", lambda: now + 61)
    assert not patience.exhausted("at 1", "name a")
    for number in range(11_000):
        patience.failed(f"name {number}")
    assert len(patience._failed) <= 10_002, "a flood of names does not fill the memory"


def test_cookies_and_headers(opened: Opened, enter: Enter) -> None:
    desk = opened()
    client = TestClient(make_app(desk, tls=True), base_url="https://testserver")
    link = desk.accounts.invite("Bo", "reader")
    answer = client.post(f"/join/{link}", data={"password": "correct horse battery"}, follow_redirects=False)
    cookie = answer.headers["set-cookie"].lower()
    for word in ("httponly", "samesite=strict", "secure", "path=/"):
        assert word in cookie
    for path in ("/login", "/read", "/static/reading.js", "/api/status", "/nowhere"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"], path
        assert "unsafe-inline" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert "max-age" in headers["strict-transport-security"]
    assert "no-store" in client.get("/read").headers["cache-control"]
    page = client.get("/read").text
    assert " style=" not in page
    assert not re.search(r"<script(?![^>]*src=)", page), "no script within the page"
    assert not any(patient in page for patient in desk.loop.patient_ids), "no patient by name"
    old = client.cookies["fibrostage"]
    csrf = re.search(r'data-csrf="([^"]+)"', page)
    assert csrf
    client.post("/logout", data={"csrf": csrf[1]})
    client.cookies.set("fibrostage", old)
    assert client.get("/read").status_code == 401, "a session that was ended is no session"


def test_a_link_works_once(opened: Opened) -> None:
    desk = opened()
    client, link = nobody(desk), desk.accounts.invite("Bo", "reader")
    assert "Welcome, Bo" in client.get(f"/join/{link}").text
    assert "10 to 200" in client.post(f"/join/{link}", data={"password": "short"}).text
    assert client.post(f"/join/{link}", data={"password": "x" * 12}, follow_redirects=False).status_code == 303
    assert client.get(f"/join/{link}").status_code == 404
    assert client.post(f"/join/{link}", data={"password": "y" * 12}).status_code == 404
    assert client.get("/join/nonsense").status_code == 404


def test_the_lead_brings_histology_after_seeing_what_it_changes(opened: Opened, enter: Enter) -> None:
    desk = opened()
    lead = enter(desk, "Lea", "lead")
    asked = desk.loop.patient_id(desk.loop.state.pending[0])
    other = next(
        one for one in desk.loop.patient_ids[5:] if desk.loop.items.number([one]) not in desk.loop.state.pending
    )
    text = f"patient_id,stage,comment\n{asked},F3,biopsy\n{other},F1,\nP000,F4,\n"
    seen = lead.client.post("/lead/import", data={"csrf": lead.csrf}, files={"table": ("h.csv", text)}).text
    for words in ("answers what was asked", "is new, and was not asked for", "Nothing is stored so far"):
        assert words in seen
    assert desk.loop.state.labels == {}
    sure = re.search(r'name="sure" value="([^"]+)"', seen)
    assert sure
    done = lead.client.post("/lead/import", data={"csrf": lead.csrf, "sure": sure[1], "text": text})
    assert "3 answers taken" in done.text
    assert len(desk.loop.state.labels) == 3
    changed = lead.client.post(
        "/lead/import", data={"csrf": lead.csrf, "sure": sure[1], "text": text.replace("F3", "F2")}
    )
    assert "differs: it will be in dispute" in changed.text, "another table is looked at anew"
    bad = lead.client.post("/lead/import", data={"csrf": lead.csrf, "text": "patient_id,stage\nP9,F1\nP001,F8\n"}).text
    assert "2 rows cannot be taken" in bad
    assert "no cohort of this loop has a patient" in bad
    assert (
        "needs a column"
        in lead.client.post("/lead/import", data={"csrf": lead.csrf, "text": "name,stage\nx,F1\n"}).text
    )


def test_the_lead_sees_progress_and_ends_the_loop(opened: Opened, enter: Enter) -> None:
    desk = opened("loop.readers=2", "active.initial=4")
    lead, first, second = enter(desk, "Lea", "lead"), enter(desk, "Bo"), enter(desk, "Cy")
    waiting = lead.client.get("/lead/worklist").text
    assert all(desk.loop.patient_id(item) in waiting for item in desk.loop.state.pending)
    for number in range(4):
        assert first.answer(f"F{number}").status_code == 200
        assert second.answer(f"F{number % 3}").status_code == 200
    page = lead.client.get("/lead").text
    for words in ("Bo 4", "weighted kappa: Bo and Cy", "Krippendorff", "Gwet", "1 in dispute", "rounds fitted"):
        assert words in page, words
    answers = lead.client.get("/lead/answers.csv").text
    assert answers.startswith("unit,item,patient_id,answer,stage,round,who,at")
    assert "labelled" in lead.client.get("/lead/events").text
    sheet = lead.client.get("/lead/worklist").text
    assert "0 wait for an answer" in sheet
    assert first.client.get("/lead/worklist").status_code == 403
    stands = lead.client.get("/api/status").json()
    assert stands["labels"] == 4
    item = desk.disputes()[0].token
    assert lead.post("settle", item=item, stage="F3").json() == {"settled": True}
    assert "0 in dispute" in lead.client.get("/disputes").text
    ended = lead.client.post("/lead/stop", data={"csrf": lead.csrf, "reason": "enough"})
    assert "has ended: enough" in ended.text
    assert first.client.get("/exam").status_code == 204
