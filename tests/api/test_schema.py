"""Requests made up from the served document: every answer must be one that the document names."""

from __future__ import annotations

from typing import Any

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from gateway.api.app import build_app
from tests.api.doubles import Gateway

GATEWAY = Gateway()
HEADERS = GATEWAY.bearer("supervisor")
schema = schemathesis.openapi.from_asgi("/openapi.json", build_app(GATEWAY.deps()))


@schema.exclude(path="/api/v1/feed").parametrize()
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_answers_are_as_documented(case: schemathesis.Case[Any]) -> None:
    checks = [not_a_server_error, status_code_conformance, response_schema_conformance]
    case.call_and_validate(headers=HEADERS, checks=checks)
