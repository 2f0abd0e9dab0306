"""
Requests made up from the served document: every answer must be one that the document names.

Each is sent by a caller whom the policy lets in, mostly about things that there are: what is refused
at the door tests only the door.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from gateway.api.policy import POLICY
from tests.api.access import BODIES, NAMES, Who, World

WORLD = World()
ONE_IN = 3
"""Of so many requests, one is as it was made up; the others name things that there are."""
LET_IN = {"main_user": "anna", "secondary_user": "bert"}
UNKNOWN = b'{"request_id":"r","action":"lock","issued_at":"2026-11-22T09:30:00Z","more":"\xc0"}'
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
schema = schemathesis.openapi.from_asgi("/openapi.json", WORLD.app)


def callers(route: str) -> list[Who]:
    """Who may call it; nobody in particular for a public one."""
    return [Who(role, "good", LET_IN.get(role)) for role in sorted(POLICY.get(route, ("operator",)))]


def tried(case: schemathesis.Case[Any]) -> None:
    """Send it and look at the answer; what a case does is told by the case alone."""
    route = f"{case.method} {case.path}"
    rng = random.Random(repr((case.path_parameters, case.query, case.body)))
    asyncio.run(WORLD.begin())
    names = NAMES | {"alarm_id": WORLD.alarm_id}
    if case.path_parameters and rng.randrange(ONE_IN):
        case.path_parameters.update({name: names[name] for name in case.path_parameters if name in names})
    case.call_and_validate(headers=WORLD.headers(rng.choice(callers(route))), checks=CHECKS)


@pytest.mark.parametrize("body", [b'{"note":"\xc0"}', b'{"\xc0":1}', b'{"x":' + b"[" * 10_000, UNKNOWN])
async def test_a_body_that_cannot_be_read_is_refused(body: bytes) -> None:
    transport = httpx.ASGITransport(WORLD.app)  # type: ignore[arg-type]  # two spellings of ASGI
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        for route in BODIES:
            await WORLD.begin()
            caller = callers(route)[0]
            method, path = WORLD.address(route, caller)
            headers = WORLD.headers(caller) | {"Content-Type": "application/json"}
            answer = await client.request(method, path, content=body, headers=headers)
            assert answer.status_code < 500, (route, answer.text)
            assert "malformed" in answer.text, (route, answer.text)


SETTINGS = settings(deadline=None, suppress_health_check=list(HealthCheck))


@schema.exclude(path="/api/v1/feed").parametrize()
@settings(SETTINGS, max_examples=10)
def test_answers_are_as_documented(case: schemathesis.Case[Any]) -> None:
    tried(case)


@pytest.mark.drill
@schema.exclude(path="/api/v1/feed").parametrize()
@settings(SETTINGS, max_examples=400)
def test_answers_are_as_documented_for_long(case: schemathesis.Case[Any]) -> None:
    tried(case)
