"""Readers who go on while the server is killed: no answer that was confirmed is lost, and none is stored twice."""

from __future__ import annotations

import json
import os
import random
import re
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from http.client import HTTPException
from http.cookiejar import CookieJar
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra [annotate] is not installed")

from fibrostage.annotate.accounts import Accounts, digest
from fibrostage.intake.build.choices import Choices
from fibrostage.intake.build.take_in import Sources, take_in
from fibrostage.ledger.events import ANSWERS
from fibrostage.ledger.ledger import VARIABLE, read_events
from fibrostage.loop.opened import begin
from fibrostage.phantom.recipe import Recipe
from fibrostage.phantom.write import write_phantom
from fibrostage.plan.run_plan import Plan
from tests.conftest import Cut
from tests.forked import Started, start
from tests.loop import SMALL
from tests.services import free_port

FIELDS = (
    *SMALL,
    "active.strategy=random",
    "active.unit=image",
    "active.start=random",
    "loop.cross_fit=0",
    "loop.audit=0",
)


GONE = (OSError, HTTPException)  # what a client meets while its server is killed: no answer, or a part of one


@dataclass
class Server:
    """The page in a process that can be killed and begun again."""

    folder: Path
    url: str | None
    port: int = field(default_factory=free_port)
    process: Started | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        variables = {VARIABLE: self.url} if self.url else {}
        for _ in range(20):  # PostgreSQL notices after a moment that who held the ledger is gone
            self.process = start(
                "annotate", self.folder, "--port", self.port, out=Path(os.devnull), variables=variables
            )
            while self.process.poll() is None:
                try:
                    urllib.request.urlopen(f"{self.address}/login").close()
                    return
                except OSError:
                    time.sleep(0.1)
        raise AssertionError("the server does not begin")

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()


@dataclass
class Client:
    """A reader who answers whatever comes, and asks again what was not confirmed."""

    server: Server
    name: str
    confirmed: dict[str, str] = field(default_factory=dict)
    csrf: str = ""
    done: bool = False

    def __post_init__(self) -> None:
        self.browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))

    def enter(self, link: str) -> None:
        body = urllib.parse.urlencode({"password": "correct horse battery"}).encode()
        self.browser.open(f"{self.server.address}/join/{link}", body).close()
        found = re.search(r'data-csrf="([^"]+)"', self.browser.open(f"{self.server.address}/read").read().decode())
        assert found
        self.csrf = found[1]

    def read(self, seed: int) -> None:
        draw = random.Random(seed)
        while True:
            try:
                page = self.browser.open(f"{self.server.address}/exam", timeout=30)
                found = re.search(r'data-token="([^"]+)"', page.read().decode())
                if page.status == 204 or found is None:
                    self.done = True
                    return
                self.answer(found[1], f"F{draw.randrange(5)}")
            except GONE:
                time.sleep(0.05)

    def answer(self, token: str, stage: str) -> None:
        body = json.dumps({"token": token, "stage": stage}).encode()
        headers = {"Content-Type": "application/json", "X-CSRF-Token": self.csrf}
        while True:
            try:
                request = urllib.request.Request(f"{self.server.address}/api/answer", body, headers)
                self.browser.open(request, timeout=30).close()
                self.confirmed[token] = stage
                return
            except urllib.error.HTTPError as error:
                if error.code != 409:
                    raise
                return
            except GONE:
                time.sleep(0.05)


def played(folder: Path, url: str | None, readers: int, kills: int, between: tuple[float, float]) -> tuple[int, int]:
    """Readers answer everything while the server is killed so many times; returns answers confirmed and stored."""
    server = Server(folder, url)
    server.start()
    accounts = Accounts(folder)
    clients = [Client(server, f"reader {number}") for number in range(readers)]
    for client in clients:
        client.enter(accounts.invite(client.name, "reader"))
    threads = [
        threading.Thread(target=client.read, args=(number,), daemon=True) for number, client in enumerate(clients)
    ]
    for thread in threads:
        thread.start()
    draw, killed = random.Random(1), 0
    while killed < kills:
        time.sleep(draw.uniform(*between))
        assert any(thread.is_alive() for thread in threads), f"everything was read after {killed} kills"
        server.kill()
        killed += 1
        server.start()
    for thread in threads:
        thread.join(300)
    server.kill()
    accounts.close()
    assert all(client.done for client in clients)
    events = [event for event in read_events(folder, url) if event.kind in ANSWERS]
    stored = Counter(event.payload["lease"] for event in events)
    classes = {digest(token): (client.name, stage) for client in clients for token, stage in client.confirmed.items()}
    assert set(classes) <= set(stored), "what was confirmed is stored"
    assert set(stored.values()) == {1}, "and nothing twice"
    said = {event.payload["lease"]: (event.who, f"F{event.stage}") for event in events}
    assert all(said[lease] == told for lease, told in classes.items()), "as it was said"
    twice = Counter((json.dumps(event.payload["item"]), event.who) for event in events)
    assert set(twice.values()) == {1}, "nobody was given an exam twice"
    return len(classes), len(events)


def test_answers_survive_a_killed_server(cut: Cut, tmp_path: Path) -> None:
    asked = [*FIELDS, "loop.readers=3", "active.initial=97"]
    begin(cut("clinic", range(20)).path, tmp_path / "loop", {}, asked).leave()
    confirmed, stored = played(tmp_path / "loop", None, 4, 3, (0.3, 1.0))
    assert stored == 97 * 3
    assert stored - 3 * 4 <= confirmed <= stored


def test_answers_in_postgresql_survive_a_killed_server(cut: Cut, tmp_path: Path, postgres: str) -> None:
    asked = [*FIELDS, "loop.readers=2", "active.initial=97"]
    begin(cut("clinic", range(20)).path, tmp_path / "loop", {}, asked, ledger_url=postgres).leave()
    _, stored = played(tmp_path / "loop", postgres, 3, 2, (0.3, 1.0))
    assert stored == 97 * 2


@pytest.mark.long
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_ten_readers_and_thirty_kills(tmp_path: Path, database: str, request: pytest.FixtureRequest) -> None:
    source = tmp_path / "source"
    write_phantom(source, Recipe(60, modalities=("LSTE", "LUS"), missing=0.0))
    sources = Sources(source, source / "patients.csv", source / "images.csv")
    text = (source / "patients.csv").read_text().splitlines()
    at = text[0].split(",").index("stage")
    rows = [row.split(",") for row in text]
    for row in rows[1:]:
        row[at] = ""
    (source / "patients.csv").write_text("\n".join(",".join(row) for row in rows) + "\n")
    take_in(sources, tmp_path / "clinic", Plan.load(source / "plan.toml"), Choices(group_near_duplicates=True))
    url = request.getfixturevalue("postgres") if database == "postgresql" else None
    asked = [*FIELDS, "loop.readers=5", "active.initial=1.0"]
    begin(tmp_path / "clinic", tmp_path / "loop", {}, asked, ledger_url=url).leave()
    confirmed, stored = played(tmp_path / "loop", url, 10, 30, (0.5, 3.0))
    print(f"{database}: {stored} answers of 10 readers stored, {confirmed} confirmed, 30 kills")
    assert stored > 2000
