"""
Every route with every kind of caller, against the one policy table: one pass over one application.

A mismatch does not end the pass: each test tells all of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from gateway.api.passwords import secret_hash
from gateway.api.policy import POLICY, PUBLIC
from gateway.ports import Role
from tests.api.access import (
    BODIES,
    CALLERS,
    DOCUMENTED,
    NOBODYS,
    NOT_REACHED,
    OWNERS,
    PROTECTED,
    ROLES,
    RULES,
    STRANGERS,
    Who,
    World,
)
from tests.api.doubles import OTHER, VIN

ABOUT_A_VEHICLE = [route for route in PROTECTED if "{vin}" in route]
ACCOUNTS = [route for route in PROTECTED if "/users/{user}" in route and "{vin}" not in route]
CODES = ["POST /api/v1/pairing", "POST /api/v1/joining", "POST /api/v1/transfer-acceptance"]
Record = Callable[[str, object], None]
Answer = tuple[int, str]


@pytest.fixture
async def world() -> World:
    return World()


@pytest.fixture
async def http(world: World) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(world.app)  # type: ignore[arg-type]  # two spellings of ASGI
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield client


def told(answer: httpx.Response) -> Answer:
    """Status, and the code of a problem."""
    if answer.status_code < 400:
        return answer.status_code, ""
    assert answer.headers["content-type"] == "application/problem+json", answer.headers
    return answer.status_code, answer.json()["code"]


def wrong(route: str, who: Who, answer: Answer) -> str | None:
    """What is wrong with an answer; None if it is as the tables say."""
    status, code = answer
    right: object
    if who.standing in {"expired", "revoked"}:
        right = (401, "unauthorised")
    elif who.role not in POLICY[route]:
        right = (403, "forbidden")
    elif route in ACCOUNTS and who.vin is not None:
        right = (403, "not_authorised")  # a token for one vehicle is none for the account
    elif who.standing == "foreign" and "{vin}" in route:
        right = (404, "unknown_vehicle")
    elif who.standing == "foreign" and "{command_id}" in route:
        right = (404, "unknown_command")
    elif route in CODES and who.user is not None and who.vin == OTHER and not _pairs_as_secondary(route, who):
        right = (403, "not_authorised")
    elif status == 403:
        right = "let in" if code not in RULES.get(route, ()) else answer
    else:
        right = answer if status != 401 and status < 500 else "let in"
    return None if answer == right else f"{route} as {who}: {answer} instead of {right}"


def _pairs_as_secondary(route: str, who: Who) -> bool:
    return route.endswith("/pairing") and who.role == "secondary_user"


async def test_every_caller_gets_what_the_table_says(
    world: World, http: httpx.AsyncClient, record_property: Record
) -> None:
    problems, reached = [], set()
    for route in PROTECTED:
        for who in CALLERS:
            await world.begin()
            before = world.held()
            answer = await world.call(http, route, world.headers(who), who)
            problems.append(wrong(route, who, told(answer)))
            if answer.status_code < 300:
                reached.add(route)
            elif answer.status_code in {401, 404} or told(answer)[1] == "forbidden":
                problems.append(None if before == world.held() else f"{route} as {who} changed something")
    record_property("matrix cases", len(PROTECTED) * len(CALLERS))
    assert [one for one in problems if one] == []
    assert set(PROTECTED) - reached == NOT_REACHED, "give each route a good request: BODIES, NAMES"


async def test_who_proves_nothing_gets_nowhere(
    world: World, http: httpx.AsyncClient, record_property: Record
) -> None:
    problems = []
    secret = world.headers(Who("operator", "good"))["Authorization"].removeprefix("Bearer ")
    odd = {"by its hash": {"Authorization": f"Bearer {secret_hash(secret)}"}}
    odd |= {"in another header": {"X-Authorization": f"Bearer {secret}", "Cookie": f"token={secret}"}}
    for route in PROTECTED:
        await world.begin()
        before = world.held()
        for name, headers in (STRANGERS | odd).items():
            answer = told(await world.call(http, route, headers))
            if answer != (401, "unauthorised"):
                problems.append(f"{route}, {name}: {answer}")
        method, path = world.address(route)
        answer = told(
            await http.request(method, f"{path.partition('?')[0]}?token={secret}&access_token={secret}")
        )
        if answer != (401, "unauthorised"):
            problems.append(f"{route}, in the query: {answer}")
        assert world.held() == before, route
    record_property("matrix cases", len(PROTECTED) * (len(STRANGERS) + len(odd) + 1))
    assert problems == []


async def test_another_spelling_of_an_address_opens_nothing(world: World, http: httpx.AsyncClient) -> None:
    await world.begin()
    before, problems = world.held(), []
    for route in PROTECTED:
        method, path = world.address(route)
        path = path.partition("?")[0]
        spelt = (
            f"{path}/", path.replace("/api", "//api"), path.replace("v1/", "v1/./"), path.upper(),
            path.replace("/v1/", "/%76%31/"), f"/console/..{path}", f"{path};x", f"{path}%00",
        )  # fmt: skip
        for way in {method, "HEAD", "GET", "POST", "PUT", "PATCH", "DELETE", "TRACE"}:
            for one in (path, *spelt):
                headers = {"X-HTTP-Method-Override": method, "X-Original-URL": path}
                status = (await http.request(way, one, headers=headers)).status_code
                if status not in {400, 401, 404, 405}:
                    problems.append(f"{way} {one}: {status}")
    assert problems == []
    assert world.held() == before


async def test_another_partys_vehicle_is_like_none_to_the_last_byte_and_the_last_query(
    world: World, http: httpx.AsyncClient, record_property: Record
) -> None:
    """The same answer, after the same questions to the store: there is nothing that time could tell."""
    cases, problems = 0, []
    strangers = [
        who
        for who in CALLERS
        if who.role in {*OWNERS, "workshop"}
        and (who.user == "nobody" or who.vin == VIN or who.user == "bert")
    ]
    for route in ABOUT_A_VEHICLE:
        for who in (one for one in strangers if one.role in POLICY[route] and one.vin in {None, VIN}):
            if who.standing in {"expired", "revoked"}:
                continue
            seen = []
            for vin in (OTHER, NOBODYS, "no-vin", "gateway:gw-1", VIN.lower()):
                await world.begin()
                world.asked_for()
                answer = await world.call(http, route, world.headers(who), who, vin=vin)
                headers = {name: value for name, value in answer.headers.items() if name != "date"}
                seen.append((answer.status_code, answer.content, headers, world.asked_for()))
                cases += 1
            if seen[0][0] != 404 or seen[0] != seen[1] or any(one[:3] != seen[0][:3] for one in seen):
                problems.append(f"{route} as {who}: {seen}")
    record_property("matrix cases", cases)
    assert problems == []
    assert cases >= len(ABOUT_A_VEHICLE)


async def test_another_persons_account_and_command_are_like_none(
    world: World, http: httpx.AsyncClient
) -> None:
    problems = []
    for role, user in (("main_user", "anna"), ("secondary_user", "bert")):
        who = Who(role, "good", user)  # type: ignore[arg-type]  # a role
        for route in ACCOUNTS:
            seen = []
            for other in ("zoe", "yan", "nobody-at-all"):
                await world.begin()
                world.asked_for()
                answer = await world.call(http, route, world.headers(who), who, user=other)
                seen.append((answer.status_code, answer.content, world.asked_for()))
            if seen[0] != seen[1] or seen[1] != seen[2] or seen[0][0] != 404:
                problems.append(f"{route} as {who}: {seen}")
        route = "GET /api/v1/commands/{command_id}"
        answers = [
            await world.call(http, route, world.headers(who), who, command_id=one)
            for one in ("c-9", "c-1" if user == "bert" else "c-2", "no-such")
        ]
        if {(one.status_code, one.content) for one in answers} != {(404, answers[2].content)}:
            problems.append(f"{route} as {who}: {answers}")
    assert problems == []


@pytest.mark.parametrize("route", CODES)
async def test_a_guessed_code_asks_the_store_the_same_whatever_the_vehicle(
    world: World, http: httpx.AsyncClient, route: str
) -> None:
    who = Who("main_user", "foreign", "nobody")
    seen = []
    for vin in (OTHER, NOBODYS):
        await world.begin()
        world.asked_for()
        answer = await world.call(http, route, world.headers(who), who, vin=vin)
        reads = [name for name in world.asked_for() if name not in {"audit", "trail"}]
        seen.append((answer.status_code, answer.content, reads))
    assert seen[0] == seen[1]


async def test_lists_hold_nothing_of_another_party(world: World, http: httpx.AsyncClient) -> None:
    for who in CALLERS:
        if who.role in OWNERS and who.standing in {"good", "foreign"}:
            await world.begin()
            answer = await http.get("/api/v1/vehicles?limit=1000", headers=world.headers(who))
            shown = {one["vin"] for one in answer.json()["items"]}
            own = (
                {VIN}
                if who.standing == "good"
                else {OTHER}
                if who.vin == OTHER or who.user == "zoe"
                else set()
            )
            assert shown <= own, who


FIELDS = {
    "driver_cards": (["DC-2"], {"workshop", "admin"}),
    "contacts": ([], {"main_user"}),
    "language": ("nl", {"main_user", "admin"}),
    "country": ("NL", {"admin"}),
    "model": ("M", {"admin"}),
    "equipment": ([], {"admin"}),
    "services": ({}, {"admin"}),
    "soc": ("north", {"admin"}),
    "main_user": ("carl", {"admin"}),
    "secondary_users": ([], {"admin"}),
}
"""Who may change which field of the registry (contract 7)."""


async def test_every_field_of_the_registry_has_its_roles(
    world: World, http: httpx.AsyncClient, record_property: Record
) -> None:
    route, problems = "PUT /api/v1/vehicles/{vin}", []
    for name, (value, roles) in FIELDS.items():
        for who in (one for one in CALLERS if one.standing == "good" and one.role in POLICY[route]):
            await world.begin()
            before = world.gateway.store.registry[VIN]
            _, path = world.address(route)
            # a field that the role may change does not carry one along that it may not
            carrier = {"language": "de"} if who.role != "workshop" else {"driver_cards": ["DC-9"]}
            for body in ({name: value}, {name: value, **carrier} if name not in carrier else {name: value}):
                answer = told(await http.put(path, headers=world.headers(who), json=body))
                entry = world.gateway.store.registry[VIN]
                refused = answer[0] == 403 and entry == before
                if (who.role in roles) == (refused and answer[1] == "not_authorised"):
                    problems.append(f"{name} as {who}: {answer}")
                if answer[0] >= 400 and entry != before:
                    problems.append(f"{name} as {who}: changed")
                before = entry
    record_property("matrix cases", len(FIELDS) * len(POLICY[route]))
    assert problems == []


SOC_ONLY = ("alarms", "feed", "cases", "audit", "quarantine", "deliveries", "sinks", "unprotected", "track")
OF_OWNERS = ("pairing", "joining", "transfer-acceptance", "invitations", "consents")
NEVER: dict[Role, Callable[[str, list[str]], bool]] = {
    "main_user": lambda _way, parts: any(part in SOC_ONLY for part in parts),
    "secondary_user": lambda _way, parts: any(part in SOC_ONLY for part in parts),
    "workshop": lambda _way, parts: (
        parts[0] != "vehicles"
        or any(
            part in {*SOC_ONLY, "commands", "challenge", "users", "transfer", "security-code", "approvals"}
            for part in parts
        )
    ),
    "operator": lambda _way, parts: any(
        part in {*OF_OWNERS, "users", "audit", "quarantine"} for part in parts
    ),
    "supervisor": lambda _way, parts: any(
        part in {*OF_OWNERS, "users", "audit", "quarantine", "security-code", "pairing-code"}
        for part in parts
    ),
    # Whoever checks the others changes nothing himself, but for sending again what is recorded already.
    "auditor": lambda way, parts: way != "GET" and parts[0] not in {"deliveries", "sinks"},
    "admin": lambda _way, parts: any(
        part in {*OF_OWNERS, "alarms", "feed", "cases", "track", "commands", "special-modes", "theft-report"}
        for part in parts
    ),
}
"""What a role is never given, whatever route comes: who widens the policy by a slip meets it (contract 7)."""


@pytest.mark.parametrize("role", ROLES)
def test_the_policy_gives_no_role_what_it_is_never_given(role: Role) -> None:
    given = [route for route, roles in POLICY.items() if role in roles]
    ways = [(route.split(" ")[0], route.split("/api/v1/")[1].split("/")) for route in given]
    assert [one for one in ways if NEVER[role](*one)] == []


def test_the_tables_hold_every_route_and_every_role() -> None:
    assert set(PROTECTED) == set(POLICY)
    assert {*PROTECTED, *PUBLIC} >= set(DOCUMENTED)
    assert {who.role for who in CALLERS} == set(ROLES)
    assert set(BODIES) | NOT_REACHED | set(RULES) <= set(PROTECTED)
    for roles in POLICY.values():
        assert roles
        assert roles <= set(ROLES)
