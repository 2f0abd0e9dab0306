"""Who may call what, as tables: every route as a good request, and every kind of caller."""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import copy
from hashlib import sha256
from typing import Any, Literal, get_args

import httpx
from litestar import Litestar
from msgspec import Struct
from msgspec.structs import replace

from gateway import ports
from gateway.api.app import build_app
from gateway.api.auth import make_token
from gateway.api.policy import PUBLIC
from gateway.domain.signals import ActOnCase, Registration
from gateway.pipeline.quota import Quota
from gateway.ports import AuditEntry, CommandRow, DeliveryRow, Handover, Role
from tests.api.doubles import NOW, OTHER, VIN, Gateway
from tests.api.memory import MemoryFeed, MemoryStore

ROLES: tuple[Role, ...] = get_args(Role)
OWNERS: tuple[Role, ...] = ("main_user", "secondary_user")
NOBODYS = "WVWZZZ1JZXW999999"
ALARMED = "WVWZZZ1JZXW000003"
PUBLISHED: dict[str, Any] = build_app(Gateway().deps()).openapi_schema.to_schema()
DOCUMENTED = sorted(
    f"{method.upper()} {path}" for path, item in PUBLISHED["paths"].items() for method in item
)
PROTECTED = [route for route in DOCUMENTED if route not in PUBLIC]
KEY = {"salt": "salt", "rounds": 1, "key": "00" * 32}
CODE = {"vin": VIN, "code": "12345678"}

BODIES: dict[str, Any] = {
    "POST /api/v1/alarms/{alarm_id}/acknowledge": {"note": "seen"},
    "POST /api/v1/alarms/{alarm_id}/close": {"disposition": "test"},
    "POST /api/v1/cases/{case_id}/contact": {"outcome": "no_answer"},
    "POST /api/v1/cases/{case_id}/police": {"reference": "P-1"},
    "POST /api/v1/cases/{case_id}/note": {"note": "seen"},
    "POST /api/v1/handovers": {"text": "quiet night"},
    "POST /api/v1/vehicles/{vin}/services/car_security/certify": {"method": "test_alarm"},
    "POST /api/v1/vehicles/{vin}/challenge": {"purpose": "unlock"},
    "POST /api/v1/vehicles/{vin}/commands": {
        "request_id": "r-1",
        "action": "honk_flash",
        "issued_at": NOW.isoformat(),
    },
    "POST /api/v1/vehicles/{vin}/theft-report": {"note": "it is gone"},
    "PUT /api/v1/vehicles/{vin}/special-modes/{mode}": {"reason": "by lorry", "duration_s": 3600},
    "PUT /api/v1/vehicles/{vin}": {"language": "nl"},
    "PUT /api/v1/vehicles/{vin}/consents/{consent}": {"given": True},
    "PUT /api/v1/vehicles/{vin}/security-code": {"security_code_key": KEY},
    "POST /api/v1/pairing": CODE,
    "POST /api/v1/joining": CODE,
    "POST /api/v1/transfer-acceptance": CODE,
    "POST /api/v1/vehicles/{vin}/invitations": {"user": "emma"},
    "POST /api/v1/vehicles/{vin}/transfer": {"to_user": "carl"},
}  # fmt: skip
"""A good body for each route that takes one."""

NAMES = {
    "vin": VIN,
    "mode": "transport",
    "consent": "position",
    "user": "bert",
    "command_id": "c-1",
    "delivery_id": "1",
    "n": "1",
    "name": "soc",
}

NOT_REACHED = frozenset(
    {
        "GET /api/v1/feed",  # would not end: it is asked for what is ahead of it
        "GET /api/v1/site-map",  # this site has none
        "GET /api/v1/vehicles/{vin}/track",  # no open case
        "POST /api/v1/cases/{case_id}/recover",  # it is not confirmed
        "POST /api/v1/cases/{case_id}/lost",
        "POST /api/v1/cases/{case_id}/close",  # it is not decided
        "DELETE /api/v1/vehicles/{vin}/special-modes/{mode}",  # none is running
        "DELETE /api/v1/vehicles/{vin}/transfer",  # none is under way
        "POST /api/v1/vehicles/{vin}/transfer",  # without the proof of the security code
        "POST /api/v1/vehicles/{vin}/pairing-code",  # it has a main user
        "POST /api/v1/vehicles/{vin}/services/car_security/certify",  # it is certified
        "POST /api/v1/pairing",  # guessed codes
        "POST /api/v1/joining",
        "POST /api/v1/transfer-acceptance",
    }
)
"""Routes whose good request is refused by a rule of the vehicle, not by who asks."""
RULES: dict[str, frozenset[str]] = {
    "GET /api/v1/vehicles/{vin}/track": frozenset({"no_open_case"}),
    "PUT /api/v1/vehicles/{vin}": frozenset({"not_authorised"}),  # by field: the next test
    "PUT /api/v1/vehicles/{vin}/special-modes/{mode}": frozenset(
        {"security_code_required", "not_authorised"}
    ),
    "PUT /api/v1/vehicles/{vin}/security-code": frozenset({"security_code_required"}),
    "POST /api/v1/vehicles/{vin}/transfer": frozenset({"security_code_required"}),
    "DELETE /api/v1/vehicles/{vin}/users/{user}": frozenset({"not_main_user"}),
    "POST /api/v1/pairing": frozenset({"code_wrong", "not_main_user"}),
    "POST /api/v1/joining": frozenset({"code_wrong"}),
    "POST /api/v1/transfer-acceptance": frozenset({"code_wrong"}),
}
"""Codes of 403 by which a rule of the vehicle, not the table, refuses whom the table lets in."""

Standing = Literal["good", "expired", "revoked", "foreign"]


class Who(Struct, frozen=True):
    """One kind of caller. ``foreign``: a good token that gives no right on ``VIN``."""

    role: Role
    standing: Standing
    user: str | None = None
    vin: str | None = None


def _callers() -> Iterator[Who]:
    own = {"main_user": "anna", "secondary_user": "bert"}
    for role in ROLES:
        user = own.get(role)
        for standing in ("good", "expired", "revoked"):
            yield Who(role, standing, user)
        if user is not None:
            yield Who(role, "good", user, VIN)
            yield Who(role, "good", None, VIN)
            yield Who(role, "foreign", "zoe")  # the main user of the other vehicle
            yield Who(role, "foreign", "nobody")
            yield Who(role, "foreign", None, OTHER)
            yield Who(role, "foreign", user, OTHER)  # one's own vehicle, with a token for another
            yield Who(role, "foreign", "zoe", VIN)  # as it was before the vehicle was handed over
    yield Who("main_user", "foreign", "bert")  # a secondary user is no main user, whatever the token says
    yield Who("main_user", "foreign", "bert", VIN)
    yield Who("secondary_user", "foreign", "anna")
    yield Who("workshop", "good", None, VIN)
    yield Who("workshop", "foreign", None, OTHER)


CALLERS = tuple(_callers())
STRANGERS: dict[str, dict[str, str]] = {
    "no token": {},
    "guessed": {"Authorization": "Bearer guessed"},
    "no bearer": {"Authorization": "Basic dTpw"},
    "empty": {"Authorization": "Bearer "},
    "too long": {"Authorization": "Bearer " + "x" * 513},
    "by its hash": {"Authorization": "Bearer HASH"},
    "two": {"Authorization": "Bearer a, Bearer b"},
}


class Watched(MemoryStore):
    """Remembers what it was asked, by name."""

    asked_for: list[str]

    def __getattribute__(self, name: str) -> Any:
        """Note each port's method; fields and the look-up of the token are none."""
        found = super().__getattribute__(name)
        if not name.startswith("_") and name != "token" and callable(found):
            super().__getattribute__("__dict__").setdefault("asked_for", []).append(name)
        return found


class World:
    """A gateway with three vehicles, put back to its beginning before each case; one application for all."""

    def __init__(self) -> None:
        self.gateway = Gateway()
        self.gateway.store = Watched()
        self.gateway.feed = MemoryFeed(self.gateway.store)
        self.app: Litestar = build_app(self.gateway.deps())
        self._secrets = {who: self._secret(who) for who in CALLERS}
        self._kept = dict(self.gateway.store.kept)
        self.alarm_id = self.case_id = ""

    async def begin(self) -> None:
        """Forget what the case before has done."""
        gateway = self.gateway
        gateway.store.__init__()  # type: ignore[misc]  # the ports hold this very object
        gateway.requests._quota = Quota()
        gateway.store.kept.update(self._kept)
        terms = {"car_security": {"until": "2027-01-01T00:00:00Z", "certified": True}}
        gateway.store.registry[VIN] = Registration(
            vin=VIN,
            main_user="anna",
            secondary_users=("bert",),
            driver_cards=("DC-1",),
            services=terms,
            security_code_key=KEY,
        )
        gateway.store.registry[OTHER] = Registration(vin=OTHER, main_user="zoe", secondary_users=("yan",))
        for vin in (VIN, OTHER):
            await gateway.register(gateway.store.registry[vin])
        self.alarm_id = await gateway.trigger(vin=ALARMED)
        self.case_id = gateway.store.states[ALARMED].case_id or ""
        claim = ActOnCase(received_at=NOW, case_id=self.case_id, act="claim", by="operator", role="operator")
        await gateway.act(ALARMED, claim)
        for command_id, user, vin in (("c-1", "anna", VIN), ("c-2", "bert", VIN), ("c-9", "zoe", OTHER)):
            gateway.store.commands[command_id] = CommandRow(
                command_id, vin, user, "r", "lock", "sent", None, NOW, NOW, NOW
            )
        note = Handover("default", NOW, "Ada", "quiet night", (), ports.Standing())
        await gateway.store.add_handover(note, AuditEntry(NOW, "Ada", "handover.written", ""))
        gateway.store.parked.append(
            DeliveryRow(
                1,
                "soc",
                "default",
                1,
                ALARMED,
                critical=True,
                state="parked",
                attempts=1,
                last_error="400",
                created_at=NOW,
            )
        )

    def headers(self, who: Who) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._secrets[who]}"}

    def address(self, route: str, who: Who | None = None, **other: str) -> tuple[str, str]:
        method, path = route.split(" ")
        names = NAMES | {"alarm_id": self.alarm_id, "case_id": self.case_id}
        if who is not None and who.role == "secondary_user":
            names["command_id"] = "c-2"
        if "/users/{user}" in path and "{vin}" not in path and who is not None:
            names["user"] = who.user or "anna"
        names |= other
        path = re.sub(r"\{(\w+)\}", lambda match: names.get(match[1], "x"), path)
        return method, f"{path}?after=9" if path.endswith("/feed") else path  # ahead of it: not streamed

    async def call(
        self,
        client: httpx.AsyncClient,
        route: str,
        headers: dict[str, str],
        who: Who | None = None,
        **other: str,
    ) -> httpx.Response:
        method, path = self.address(route, who, **other)
        body = BODIES.get(route)
        if body is CODE:
            body = CODE | {"vin": other.get("vin", VIN)}
        return await client.request(method, path, headers=headers, json=body)

    def held(self) -> dict[str, Any]:
        """Everything that a call could have changed, but for the audit trail and what counts the calls."""
        store = self.gateway.store
        states = {
            vin: replace(state, version=0)
            for vin, state in store.states.items()
            if state.registration is not None or state.alarms
        }
        others = (store.registry, store.commands, store.rows, store.feed, store.parked, store.kept)
        return {"states": states, "others": [copy(one) for one in others], "sinks": list(self.gateway.poked)}

    def asked_for(self) -> list[str]:
        """What the store was asked since the last time."""
        store = self.gateway.store
        assert isinstance(store, Watched)
        found = store.__dict__.get("asked_for", [])
        store.__dict__["asked_for"] = []
        return list(found)

    def _secret(self, who: Who) -> str:
        vin = who.vin or (VIN if who.role in OWNERS and who.user is None else None)
        secret, token = make_token(
            who.role,
            who.role,
            user=who.user,
            vin=vin,
            days=1,
            now=self.gateway.clock.now(),
            rng=lambda n: sha256(repr(who).encode()).digest()[:n],
        )
        match who.standing:
            case "expired":
                token = replace(token, expires_at=NOW)
            case "revoked":
                token = replace(token, revoked_at=NOW)
            case _:
                pass
        self.gateway.store.kept[token.secret_hash] = token
        return secret
