"""
Ways out: commands to vehicles and answers to people, after the commit that decided them.

Rules of this file:

1. A command is published once. One that finds the link down or full is lost, which its life knows as
   ``unknown``: the vehicle may be told again by a person, never by this program.
2. It carries its remaining life as message expiry, and is not published once that is over.
3. An answer that finds no room waits for it, in its order and bounded in number. One that is lost on its way
   is not repeated: the person asks again, or reads the command by HTTP.
4. Whatever goes wrong here costs one command or answer: alarms of the same commit leave after it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from gateway.domain.effects import Effect
from gateway.domain.remote_access.effects import ChallengeGiven, CommandChanged, RequestAnswered
from gateway.domain.remote_access.state import Command
from gateway.pipeline.meters import Meters
from gateway.ports import Clock, CommandRow, Link, Reply
from gateway.wire import command, command_response, command_result
from gateway.wire.topics import is_user, user_vehicle_topic, vehicle_topic

ANSWER_EXPIRY_S = 24 * 3600
ANSWER_AGAIN_S = 0.2
MAX_ANSWERS = 5_000
LEAVES = (CommandChanged, RequestAnswered, ChallengeGiven)


class Leaving(Struct, frozen=True):
    """What leaves for one vehicle or about it, and when the fact arrived that it follows from."""

    vin: str
    effect: Effect
    received_at: datetime


class Commanding:
    """Publishes without waiting for the broker."""

    def __init__(self, link: Link, clock: Clock, meters: Meters, log: Any) -> None:
        self._link = link
        self._clock = clock
        self._meters = meters
        self._log = log
        self._answers: deque[tuple[str, bytes, Reply | None]] = deque()

    async def run(self) -> None:
        """Send answers that found no room, until cancelled."""
        while True:
            await asyncio.sleep(ANSWER_AGAIN_S)
            self._flush()

    def send(self, leaving: Sequence[Leaving]) -> None:
        """Send what was committed, in its order."""
        for one in leaving:
            try:
                self._send(one)
            except Exception as error:  # noqa: BLE001  # rule 4
                self._meters.count("gateway_commands_lost_total")
                self._log.error("command.not_published", vin=one.vin, error=type(error).__name__)

    def _send(self, leaving: Leaving) -> None:
        match leaving.effect:
            case CommandChanged() as changed:
                self._changed(leaving, changed)
            case RequestAnswered() as answered:
                self._answered(leaving.vin, answered)
            case ChallengeGiven() as given:
                body = command_response.Challenge(
                    given.request_id, given.challenge, given.salt, given.rounds, given.expires_at
                )
                self._tell(given.user, leaving.vin, body, given.correlation)
            case _:
                pass

    def _changed(self, leaving: Leaving, changed: CommandChanged) -> None:
        one = changed.command
        if changed.send:
            self._publish(leaving, one)
        self._meters.count("gateway_commands_total", status=one.status)
        self._log.info(
            "command.changed",
            vin=leaving.vin,
            command_id=one.command_id,
            action=one.action,
            status=one.status,
            reason=one.reason,
        )
        if one.listed:
            body = command_response.Payload(one.request_id, one.command_id, one.status, one.reason)
            self._tell(one.user, leaving.vin, body, one.correlation)

    def _publish(self, leaving: Leaving, one: Command) -> None:
        now, vin = self._clock.now(), leaving.vin
        left_s = (one.expires_at - now).total_seconds()
        body = command.Payload(
            one.command_id, one.action, one.params, one.issued_at, one.expires_at, one.counter or 0
        )
        reply = Reply(vehicle_topic(vin, command_result.KIND), one.command_id.encode())
        topic, payload = vehicle_topic(vin, command.KIND), msgspec.json.encode(body)
        if left_s <= 0 or not self._link.post(topic, payload, expiry_s=max(1, int(left_s)), reply=reply):
            self._meters.count("gateway_commands_lost_total")
            self._log.error("command.not_published", vin=vin, command_id=one.command_id, action=one.action)
            return
        self._meters.observe("gateway_command_seconds", (now - leaving.received_at).total_seconds())

    def _answered(self, vin: str, answered: RequestAnswered) -> None:
        if answered.status == "refused":
            self._meters.count("gateway_requests_refused_total", reason=answered.reason or "")
            self._log.info("request.refused", vin=vin, reason=answered.reason)
        if answered.tell:
            body = command_response.Payload(
                answered.request_id,
                answered.command_id,
                answered.status,  # type: ignore[arg-type]  # a command's status, or refused
                answered.reason,
            )
            self._tell(answered.user, vin, body, answered.correlation)

    def _tell(self, user: str, vin: str, body: Struct, correlation: bytes | None) -> None:
        if not is_user(user):
            return
        reply = None if correlation is None else Reply(correlation=correlation)
        topic = user_vehicle_topic(user, vin, command_response.KIND)
        self._answers.append((topic, msgspec.json.encode(body), reply))
        self._flush()
        while len(self._answers) > MAX_ANSWERS:
            self._answers.popleft()
            self._meters.count("gateway_answers_dropped_total")
            self._log.warning("mqtt.publish_dropped", what="answer")

    def _flush(self) -> None:
        """Post what waits, as far as there is room."""
        while self._answers:
            topic, body, reply = self._answers[0]
            if not self._link.post(topic, body, expiry_s=ANSWER_EXPIRY_S, reply=reply):
                return
            self._answers.popleft()


def command_row(vin: str, one: Command) -> CommandRow:
    """A command as the store keeps it."""
    return CommandRow(
        command_id=one.command_id,
        vin=vin,
        user=one.user,
        request_id=one.request_id,
        action=one.action,
        status=one.status,
        reason=one.reason,
        issued_at=one.issued_at,
        expires_at=one.expires_at,
        changed_at=one.changed_at,
    )
