"""Whatever is sent to the addresses of the OpenAPI, the answer is one of theirs and never a fault of the service's."""

from __future__ import annotations

import pytest

pytest.importorskip("schemathesis", reason="schemathesis is not installed")

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.serve.rest_service import Service

EXAMPLES = {"/exams": 40}
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def test_no_request_makes_the_service_fail(service: Service) -> None:
    schema = schemathesis.openapi.from_asgi("/openapi.json", service.app)
    tried: dict[str, int] = {}
    for operation in schema.get_all_operations():
        found = operation.ok()

        @settings(
            max_examples=EXAMPLES.get(found.path, 5), deadline=None, database=None, derandomize=True,
            suppress_health_check=list(HealthCheck), phases=(Phase.explicit, Phase.generate),
        )  # fmt: skip
        def check(case: schemathesis.Case) -> None:
            answer = case.call()
            case.validate_response(answer, checks=CHECKS)
            tried[case.path] = tried.get(case.path, 0) + 1

        given(found.as_strategy())(check)()
    assert set(tried) == {"/exams", "/health", "/version", "/metrics"}
    assert tried["/exams"] >= 40
    assert service.left() == []
