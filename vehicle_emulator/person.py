"""
A person's app: what it asks of a car, and what it makes of the answers (contract 4.1). Pure.

Written by hand from the interface contract, like ``messages``. A request has one id from the first try to the
last; what is not answered goes out again under the same id, which must make no second command.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import msgspec

from vehicle_emulator.messages import encode, rfc3339
from vehicle_emulator.owner import Challenge

if TYPE_CHECKING:
    from vehicle_emulator.owner import Owner

NEEDS_CODE: Final = ("unlock",)
ASK_AGAIN_MS: Final = 5_000.0
TRIES: Final = 5
KEPT: Final = 256
UNANSWERED: Final = "unanswered"
FINAL: Final = ("refused", "performed", "failed", "expired")
_QUESTION = "-code"


class Ask(msgspec.Struct):
    """One thing that somebody wants; times in milliseconds since the epoch."""

    request_id: str
    action: str
    wanted_ms: float
    message: bytes = b""
    status: str = UNANSWERED
    reason: str | None = None
    tried_ms: float = 0.0
    tries: int = 0
    is_answered: bool = False
    """Whether what was sent last has an answer; a challenge answers only the question."""
    awaits_challenge: bool = False


class Response(msgspec.Struct):
    """What comes on the response topic: an answer, or a challenge."""

    request_id: str | None = None
    status: str = ""
    reason: str | None = None
    challenge: str | None = None
    salt: str = ""
    rounds: int = 0


class Notice(msgspec.Struct):
    """What comes on the notifications topic."""

    kind: str
    code: str = ""


class News(msgspec.Struct, frozen=True):
    """What an answer changed; with a ``challenge`` the person has to enter the code."""

    ask: Ask
    first: bool = False
    performed: bool = False
    challenge: Challenge | None = None


class Person:
    """A main user with an app for one car."""

    def __init__(self, vin: str, owner: Owner) -> None:
        """Want nothing yet."""
        self.vin, self.owner = vin, owner
        self.asks: dict[str, Ask] = {}
        self.counts: Counter[str] = Counter()
        self._forgotten: Counter[tuple[str, str, str | None]] = Counter()

    @property
    def user(self) -> str:
        """The MQTT user name."""
        return self.owner.user

    def outcomes(self) -> Counter[tuple[str, str, str | None]]:
        """Action, status and reason of everything that was asked."""
        kept = Counter((ask.action, ask.status, ask.reason) for ask in self.asks.values())
        return self._forgotten + kept

    def want(self, request_id: str, action: str, now_ms: float) -> Ask:
        """Ask for an action; with a code to enter, first for the challenge."""
        if len(self.asks) >= KEPT:
            old = self.asks.pop(next(iter(self.asks)))
            self._forgotten[old.action, old.status, old.reason] += 1
        ask = self.asks[request_id] = Ask(request_id, action, now_ms)
        if action in NEEDS_CODE and self.owner.security_code is not None:
            ask.awaits_challenge, question = True, {"purpose": action}
            self._say(ask, request_id + _QUESTION, "challenge", now_ms, params=question)
        else:
            self._say(ask, request_id, action, now_ms)
        return ask

    def prove(self, ask: Ask, response: str, now_ms: float) -> None:
        """Ask again with the code's proof."""
        self._say(ask, ask.request_id, ask.action, now_ms, challenge_response=response)

    def hear(self, payload: bytes) -> News | None:
        """Take an answer in; None if it belongs to nothing that was asked."""
        try:
            told = _decode_response(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.counts["unreadable"] += 1
            return None
        request_id = told.request_id or ""
        ask = self.asks.get(request_id.removesuffix(_QUESTION))
        if ask is None:
            self.counts["stray"] += 1
            return None
        if request_id.endswith(_QUESTION):
            return self._challenged(ask, told)
        return self._answered(ask, told)

    def notice(self, payload: bytes) -> None:
        """Read what the owner is told."""
        try:
            told = _decode_notice(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.counts["unreadable"] += 1
            return
        self.counts[f"notice {told.kind} {told.code}"] += 1

    def overdue(self, now_ms: float) -> list[Ask]:
        """What has no answer and is to be sent again; it counts as sent."""
        late = [
            ask for ask in self.asks.values()
            if not ask.is_answered and ask.tries < TRIES and now_ms >= ask.tried_ms + ASK_AGAIN_MS
        ]  # fmt: skip
        for ask in late:
            ask.tried_ms, ask.tries = now_ms, ask.tries + 1
        return late

    def _say(self, ask: Ask, request_id: str, action: str, now_ms: float, **more: Any) -> None:
        body = {"request_id": request_id, "action": action, "params": {}, "issued_at": rfc3339(int(now_ms))}
        ask.message = encode(body | more)
        ask.tried_ms, ask.tries, ask.is_answered = now_ms, 1, False

    def _challenged(self, ask: Ask, told: Response) -> News | None:
        if not ask.awaits_challenge:
            return None  # the same question's answer again
        if told.challenge is None:
            return self._answered(ask, told)
        ask.is_answered, ask.awaits_challenge = True, False
        return News(ask, challenge=Challenge(told.challenge, told.salt, told.rounds))

    def _answered(self, ask: Ask, told: Response) -> News | None:
        """A final word stands; another one after it would be a lie of one of them."""
        ask.is_answered = True
        first = ask.status == UNANSWERED
        if ask.status in FINAL:
            if told.status in FINAL and told.status != ask.status:
                self.counts["contradicted"] += 1
            return None
        ask.status, ask.reason = told.status, told.reason
        return News(ask, first=first, performed=told.status == "performed")


_decode_response = msgspec.json.Decoder(Response).decode
_decode_notice = msgspec.json.Decoder(Notice).decode
