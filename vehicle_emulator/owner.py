"""
A vehicle's main user at the gateway's HTTP API, written by hand from the interface contract.

Deliberately not the gateway's own code: a second hand that computes the same answers finds the other's
mistakes. Source: contract 4.1 (challenge and response), 6 (special modes), 7 (API).
"""

from __future__ import annotations

import asyncio
import hmac
import http.client
from functools import lru_cache
from hashlib import pbkdf2_hmac
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit

import msgspec

if TYPE_CHECKING:
    from vehicle_emulator.scenario import ModeWish

TIMEOUT_S: Final = 10.0
SPECIAL_MODE: Final = "special_mode"
TRANSFER: Final = "transfer"
_KEY_BYTES = 32
_OK = range(200, 300)


class Owner(msgspec.Struct, frozen=True):
    """
    A main user: who it is, and its security code where the vehicle has one.

    ``token`` is for the HTTP API, ``password`` for the broker. ``heir`` buys the car where it is sold.
    """

    user: str
    token: str | None = None
    security_code: str | None = None
    password: str | None = None
    heir: Owner | None = None


class Challenge(msgspec.Struct, frozen=True):
    """What the gateway asks before something that needs the security code."""

    challenge: str
    salt: str
    rounds: int


class RefusedError(Exception):
    """The gateway said no; ``code`` is the stable one of its answer."""

    def __init__(self, code: str, detail: str) -> None:
        """Keep what was answered."""
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code


def respond(challenge: Challenge, code: str, user: str, vin: str, purpose: str) -> str:
    """
    Answer a challenge with the four-digit code, which itself never leaves the phone.

    Source:  contract 4.1: hex HMAC-SHA-512 of challenge, user, VIN and purpose, its key PBKDF2 of the code.
    """
    key = _key(code, challenge.salt, challenge.rounds)
    text = f"{challenge.challenge}|{user}|{vin}|{purpose}"
    return hmac.new(key, text.encode(), "sha512").hexdigest()


@lru_cache(maxsize=1_024)
def _key(code: str, salt: str, rounds: int) -> bytes:
    return pbkdf2_hmac("sha512", code.encode(), salt.encode(), rounds, _KEY_BYTES)


class Owners(Protocol):
    """What main users do at a gateway, however they reach it. Errors: RefusedError, OSError."""

    async def set_mode(self, vin: str, wish: ModeWish, place: tuple[float, float]) -> str:
        """Set a special mode around a place (degrees); the answer is when it ends (RFC 3339)."""

    async def sell(self, vin: str) -> str:
        """Hand a car over and have the next main user accept it; the answer is who that is."""


class Api:
    """Main users over the gateway's HTTP API. Implements Owners."""

    def __init__(self, url: str, owners: dict[str, Owner]) -> None:
        """``url`` is the address without a path; ``owners`` are the main users by VIN."""
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port
        self._connection = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        self._owners = owners

    async def set_mode(self, vin: str, wish: ModeWish, place: tuple[float, float]) -> str:
        """See ``Owners``."""
        return await asyncio.to_thread(self._set_mode, vin, wish, place)

    async def sell(self, vin: str) -> str:
        """See ``Owners``."""
        return await asyncio.to_thread(self._sell, vin)

    def _set_mode(self, vin: str, wish: ModeWish, place: tuple[float, float]) -> str:
        owner = self._owner(vin)
        latitude, longitude = place
        body: dict[str, Any] = {
            "reason": wish.reason,
            "place": {"latitude": latitude, "longitude": longitude, "radius_m": wish.radius_m},
            **self._proof(owner, vin, SPECIAL_MODE),
        }
        return str(self._call(owner, "PUT", f"/vehicles/{vin}/special-modes/{wish.mode}", body)["ends_at"])

    def _sell(self, vin: str) -> str:
        owner = self._owner(vin)
        if owner.heir is None:
            raise RefusedError("no_heir", f"nobody is known who buys {vin}")
        body = {"to_user": owner.heir.user, **self._proof(owner, vin, TRANSFER)}
        started = self._call(owner, "POST", f"/vehicles/{vin}/transfer", body)
        stated = {"vin": vin, "code": started["code"]}
        return str(self._call(owner.heir, "POST", "/transfer-acceptance", stated)["to_user"])

    def _owner(self, vin: str) -> Owner:
        owner = self._owners.get(vin)
        if owner is None:
            raise RefusedError("no_owner", f"nobody is known as the main user of {vin}")
        if owner.token is None:
            raise RefusedError("no_token", f"{owner.user} has no token for the API")
        return owner

    def _proof(self, owner: Owner, vin: str, purpose: str) -> dict[str, str]:
        """Answer a challenge, where the vehicle has a code."""
        if owner.security_code is None:
            return {}
        asked = self._call(owner, "POST", f"/vehicles/{vin}/challenge", {"purpose": purpose})
        challenge = msgspec.convert(asked, Challenge)
        return {"challenge_response": respond(challenge, owner.security_code, owner.user, vin, purpose)}

    def _call(self, owner: Owner, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {owner.token}", "Content-Type": "application/json"}
        connection = self._connection(self._host, self._port, timeout=TIMEOUT_S)
        try:
            connection.request(method, f"/api/v1{path}", msgspec.json.encode(body), headers)
            answer = connection.getresponse()
            told = msgspec.json.decode(answer.read(), type=dict[str, Any])
        except (http.client.HTTPException, msgspec.DecodeError) as error:
            raise RefusedError("no_answer", str(error)) from error
        finally:
            connection.close()
        if answer.status not in _OK:
            raise RefusedError(str(told.get("code", answer.status)), str(told.get("detail", "")))
        return told
