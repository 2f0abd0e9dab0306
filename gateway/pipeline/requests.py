"""
Ways in for people's requests: MQTT and HTTP become the same facts in the same line.

Rules of this file:

1. Who asks is in the topic, or in the token; never in the payload.
2. A challenge response is compared where the vehicle's state is at hand, in the one writer, and is nowhere
   else: what is written down holds the challenge that it fits, or none.
3. What one person asks beyond the quota is answered ``too_many_requests`` once a second, and decides nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import Any

import msgspec
from msgspec.structs import replace

from gateway.domain.approvals import approval_key
from gateway.domain.effects import Effect
from gateway.domain.facts import AnyFact
from gateway.domain.remote_access.actions import CHALLENGE, OWNERS
from gateway.domain.remote_access.challenge import PURPOSES
from gateway.domain.remote_access.facts import ChallengeRequested, CommandRequested, Stated
from gateway.domain.security_code import fitting
from gateway.domain.vehicle import Vehicle
from gateway.errors import StoreError
from gateway.pipeline.inbox import Inbox, Item
from gateway.pipeline.meters import Meters
from gateway.pipeline.quota import Quota
from gateway.pipeline.telemetry import TelemetryIntake
from gateway.pipeline.track import MOVING_ABOVE_KM_H
from gateway.ports import Clock, Inbound, Link, Seal, SignalValue, Token
from gateway.wire import command_request, command_response
from gateway.wire.command_request import Malformed, Payload
from gateway.wire.telemetry import IGNITION, IGNITION_OFF, IS_MOVING, SPEED
from gateway.wire.topics import user_vehicle_topic

DOORS = tuple(
    f"Vehicle.Cabin.Door.{row}.{side}.IsOpen"
    for row in ("Row1", "Row2")
    for side in ("DriverSide", "PassengerSide")
)
TOO_MANY = "too_many_requests"
SOC_PERSON = "soc:"
"""Before the name of a person of the SOC: it can be no user's id, so nobody gets another one's answers."""


class Requests:
    """Puts people's requests into the line. Implements Commands."""

    def __init__(
        self,
        inbox: Inbox,
        intake: TelemetryIntake,
        link: Link,
        *,
        clock: Clock,
        meters: Meters,
        log: Any,
        new_challenge: Callable[[], str],
        seal: Seal,
    ) -> None:
        self._inbox = inbox
        self._intake = intake
        self._link = link
        self._clock = clock
        self._meters = meters
        self._log = log
        self._new_challenge = new_challenge
        self._seal = seal
        self._quota = Quota()
        self._notices = Quota(burst=1)

    def take(self, message: Inbound, user: str, vin: str) -> bool:
        """Take one by MQTT; False if there is no room."""
        request = command_request.decode(message.payload)
        if not self._quota.takes(user, self._clock.mono_s()):
            self._too_many(user, vin, request.request_id)
            # Through the line like all others, so that acknowledgements keep their order.
            return self._inbox.put(
                Item(subject="", kind="command", received_at=message.received_at, ack=message.ack)
            )
        who = {"by": user, "user": user, "correlation": message.correlation}
        item = self._item(vin, request, message.received_at, who)
        item.ack = message.ack
        return self._inbox.put(item)

    async def ask(
        self, vin: str, token: Token, body: bytes, path: str, *, stranger: bool
    ) -> tuple[Effect, ...] | None:
        """See ``gateway.ports.Commands``."""
        owner = token.role in OWNERS
        user = token.user or token.person if owner else SOC_PERSON + token.person
        if not self._quota.takes(user, self._clock.mono_s()):
            self._meters.count("gateway_requests_limited_total")
            self._log.warning("request.limited", vin=vin)
            return None
        who = {
            "by": token.person,
            "user": user,
            "role": token.role,
            "nameless": owner and token.user is None,
            "vin_bound": token.vin == vin,
            "stranger": stranger,
        }
        item = self._item(vin, command_request.decode(body), self._clock.now(), who)
        if isinstance(item.fact, CommandRequested) and item.fact.malformed is None and not owner:
            item.fact = replace(item.fact, approval_key=_key(path, body))
        item.answer = asyncio.get_running_loop().create_future()
        if not self._inbox.offer(item):
            raise StoreError("too much waits to be decided; try again")
        return await item.answer

    def _item(
        self, vin: str, request: Payload | Malformed, received_at: datetime, who: dict[str, Any]
    ) -> Item:
        item = Item(subject=vin, kind="command", received_at=received_at)
        who = {**who, "received_at": received_at, "request_id": request.request_id}
        if isinstance(request, Malformed):
            item.fact = CommandRequested(**who, malformed=request.reason)
            return item
        who["issued_at"] = request.issued_at
        if request.action == CHALLENGE:
            purpose = request.params.get("purpose")
            known = purpose in PURPOSES
            item.fact = ChallengeRequested(
                **who,
                purpose=str(purpose) if known else "",
                challenge=self._new_challenge(),
                malformed=None if known else "params.purpose: no such purpose",
            )
            return item
        answer = request.challenge_response
        item.fact = CommandRequested(
            **who, action=request.action, params=request.params, answered=answer is not None
        )
        item.complete = partial(self._complete, answer)
        return item

    def _complete(self, answer: str | None, fact: AnyFact, vehicle: Vehicle) -> AnyFact:
        """Add what only the vehicle's state and the newest telemetry can tell."""
        assert isinstance(fact, CommandRequested)  # noqa: S101  # made above
        registration = vehicle.registration
        stored_key = registration.security_code_key if registration is not None else None
        challenge = None
        key = None if answer is None or stored_key is None else self._seal.open(vehicle.vin, stored_key)
        if answer is not None and key is not None:
            challenge = fitting(
                vehicle.code_guard, key, vin=vehicle.vin, user=fact.user, purpose=fact.action, answer=answer
            )
        return replace(fact, challenge=challenge, stated=self.stated(vehicle))

    def stated(self, vehicle: Vehicle) -> Stated:
        """What telemetry says this moment; in private mode nothing of it is written down."""
        vin, private = vehicle.vin, vehicle.is_private
        heard_at, reachable = self._intake.heard_at(vin), self._link.connected
        if private:
            return Stated(heard_at=heard_at, reachable=reachable)
        signals = self._intake.signals(vin)
        moving, moving_at = _moving(signals)
        ignition = signals.get(IGNITION)
        return Stated(
            moving=moving,
            moving_at=moving_at,
            ignition_on=None if ignition is None else ignition.value not in IGNITION_OFF,
            ignition_at=None if ignition is None else ignition.at,
            door_open=_any(signals.get(name) for name in DOORS),
            heard_at=heard_at,
            reachable=reachable,
        )

    def _too_many(self, user: str, vin: str, request_id: str | None) -> None:
        self._meters.count("gateway_requests_limited_total")
        if not self._notices.takes(user, self._clock.mono_s()):
            return
        self._log.warning("request.limited", vin=vin)
        body = command_response.Payload(request_id, None, "refused", TOO_MANY)
        self._link.post(user_vehicle_topic(user, vin, command_response.KIND), msgspec.json.encode(body))


def _moving(signals: dict[str, SignalValue]) -> tuple[bool | None, datetime | None]:
    """The newest statement of movement; of two at one time, the one that moves."""
    found = []
    speed, is_moving = signals.get(SPEED), signals.get(IS_MOVING)
    if speed is not None:
        found.append((speed.at, abs(speed.value) > MOVING_ABOVE_KM_H))
    if is_moving is not None:
        found.append((is_moving.at, bool(is_moving.value)))
    if not found:
        return None, None
    at, moving = max(found)
    return moving, at


def _any(signals: Iterable[SignalValue | None]) -> bool | None:
    known = [bool(one.value) for one in signals if one is not None]
    return any(known) if known else None


def _key(path: str, body: bytes) -> str:
    """The key of a call by its whole body, so that both persons see what both persons sent."""
    stated = msgspec.json.decode(body)
    return approval_key(path, stated if isinstance(stated, dict) else {})
