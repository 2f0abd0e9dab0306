"""
A vehicle's main user at the gateway's HTTP API, written by hand from the interface contract.

Deliberately not the gateway's own code: a second hand that computes the same answers finds the other's
mistakes. Source: contract 4.1 (challenge and response), 6 (special modes), 7 (API).
"""

from __future__ import annotations

import hmac
import http.client
from functools import lru_cache
from hashlib import pbkdf2_hmac
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import msgspec

if TYPE_CHECKING:
    from vehicle_emulator.scenario import ModeWish

TIMEOUT_S: Final = 10.0
SPECIAL_MODE: Final = "special_mode"
_KEY_BYTES = 32
_OK = range(200, 300)


class Owner(msgspec.Struct, frozen=True):
    """
    A main user: who it is, and its security code where the vehicle has one.

    ``token`` is for the HTTP API, ``password`` for the broker.
    """

    user: str
    token: str | None = None
    security_code: str | None = None
    password: str | None = None


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


class Api:
    """The gateway's HTTP API as main users call it. Blocks: call it from a thread."""

    def __init__(self, url: str, owners: dict[str, Owner]) -> None:
        """``url`` is the address without a path; ``owners`` are the main users by VIN."""
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port
        self._connection = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        self._owners = owners

    def set_mode(self, vin: str, wish: ModeWish, place: tuple[float, float]) -> str:
        """
        Set a special mode around a place (degrees); the answer is when it ends.

        Errors: RefusedError, OSError (the gateway can't be reached).
        """
        owner = self._owners.get(vin)
        if owner is None:
            raise RefusedError("no_owner", f"nobody is known as the main user of {vin}")
        if owner.token is None:
            raise RefusedError("no_token", f"{owner.user} has no token for the API")
        latitude, longitude = place
        body: dict[str, Any] = {
            "reason": wish.reason,
            "place": {"latitude": latitude, "longitude": longitude, "radius_m": wish.radius_m},
        }
        if owner.security_code is not None:
            asked = self._call(owner, "POST", f"/vehicles/{vin}/challenge", {"purpose": SPECIAL_MODE})
            challenge = msgspec.convert(asked, Challenge)
            body["challenge_response"] = respond(
                challenge, owner.security_code, owner.user, vin, SPECIAL_MODE
            )
        return str(self._call(owner, "PUT", f"/vehicles/{vin}/special-modes/{wish.mode}", body)["ends_at"])

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
