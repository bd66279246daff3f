"""A loop's desk, the page over it without a network, and people who are logged in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra [annotate] is not installed")

from fastapi.testclient import TestClient
from httpx2 import Response

from fibrostage.annotate.app import make_app
from fibrostage.annotate.desk import Desk
from fibrostage.annotate.security import Patience
from fibrostage.loop.opened import begin
from tests.conftest import Cut
from tests.loop import SMALL

PASSWORD = "correct horse battery"
Opened = Callable[..., Desk]


@dataclass
class Person:
    """Somebody at a browser: a client with a session, and the token that must come along."""

    client: TestClient
    name: str
    csrf: str

    def post(self, path: str, **body: object) -> Response:
        return self.client.post(f"/api/{path}", json=body, headers={"X-CSRF-Token": self.csrf})

    def token(self, after: str = "") -> str:
        """The token of the exam that is open, or of the one after."""
        found = re.search(r'data-token="([^"]+)"', self.client.get("/exam", params={"after": after}).text)
        return found[1] if found else ""

    def answer(self, stage: str, **more: object) -> Response:
        return self.post("answer", token=self.token(), stage=stage, **more)


@pytest.fixture
def opened(cut: Cut, tmp_path: Path) -> Iterator[Opened]:
    desks: list[Desk] = []

    def make(
        *overrides: str, known: tuple[int, ...] = (0, 1, 2, 3, 4), patients: int = 20, url: str | None = None
    ) -> Desk:
        folder = tmp_path / "loop"
        if not folder.exists():
            asked = [*SMALL, "active.initial=6", "active.query=6", "loop.cross_fit=0", *overrides]
            begin(cut("clinic", range(patients), known=known).path, folder, {}, asked, ledger_url=url).leave()
        desks.append(Desk(folder, url))
        return desks[-1]

    yield make
    for desk in desks:
        desk.close()


@pytest.fixture
def enter() -> Callable[..., Person]:
    def make(desk: Desk, name: str, role: str = "reader", patience: Patience | None = None) -> Person:
        client = TestClient(make_app(desk, patience=patience), base_url="https://testserver")
        link = desk.accounts.invite(name, role)
        answer = client.post(f"/join/{link}", data={"password": PASSWORD}, follow_redirects=False)
        assert answer.status_code == 303, answer.text
        found = re.search(r'data-csrf="([^"]+)"', client.get("/").text)
        assert found
        return Person(client, name, found[1])

    return make
