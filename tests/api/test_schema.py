"""
Requests made up from the served document: every answer must be one that the document names.

Each is sent by a caller whom the policy lets in, mostly about things that there are: what is refused
at the door tests only the door.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any

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
from tests.api.access import NAMES, Who, World

WORLD = World()
ONE_IN = 3
"""Of so many requests, one is as it was made up; the others name things that there are."""
LET_IN = {"main_user": "anna", "secondary_user": "bert"}
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
