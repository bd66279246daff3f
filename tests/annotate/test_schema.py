"""Whatever is sent to the endpoints that programs speak to, the answer is one of theirs and never a fault of ours."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest.importorskip("schemathesis", reason="schemathesis is not installed")

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from tests.annotate.conftest import Opened, Person


def test_no_request_makes_the_server_fail(opened: Opened, enter: Callable[..., Person]) -> None:
    desk = opened()
    lead = enter(desk, "Lea", "lead")
    schema = schemathesis.openapi.from_dict(lead.client.app.openapi())  # type: ignore[attr-defined]
    tried: dict[str, int] = {}
    for operation in schema.get_all_operations():
        found = operation.ok()

        @settings(
            max_examples=60, deadline=None, database=None, derandomize=True,
            suppress_health_check=list(HealthCheck), phases=(Phase.explicit, Phase.generate),
        )  # fmt: skip
        def check(case: schemathesis.Case) -> None:
            if case.path == "/api/fit":
                return  # it starts a process
            body = case.body if isinstance(case.body, (dict, list, str, int, float, bool, type(None))) else None
            answer = lead.client.request(
                case.method, case.path, params=case.query, json=body,
                headers={"X-CSRF-Token": lead.csrf},
            )  # fmt: skip
            assert answer.status_code < 500, (case.path, body, answer.text)
            tried[case.path] = tried.get(case.path, 0) + 1

        given(found.as_strategy())(check)()
    assert set(tried) == {"/api/answer", "/api/skip", "/api/undo", "/api/settle", "/api/status"}
    assert sum(tried.values()) > 100
