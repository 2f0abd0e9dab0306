"""From a batch of messages to items to decide: bytes become typed facts here and nowhere later."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from gateway import wire
from gateway.domain.signals import Event
from gateway.errors import reason_of
from gateway.faults import crash_point
from gateway.pipeline.inbox import KEPT_BYTES, Inbox, Item
from gateway.pipeline.meters import Meters
from gateway.pipeline.telemetry import TelemetryIntake
from gateway.ports import Inbound
from gateway.wire import command_request, telemetry
from gateway.wire.event import MAX_PAYLOAD_BYTES, Unwanted, content_digest, unwanted
from gateway.wire.topics import is_user, is_vin, split_user_topic, split_vehicle_topic

TakesRequest = Callable[[Inbound, str, str], bool]
"""Takes what a user asks of a VIN; False: no room."""
Glance = Callable[[str, bytes, datetime], bool]
"""Whether that was all there is to do with a message: topic, payload, arrival."""


class Ingest:
    """Takes batches from the MQTT sessions. Never raises, never waits."""

    def __init__(self, inbox: Inbox, intake: TelemetryIntake, meters: Meters) -> None:
        self.on_request: TakesRequest = lambda *_request: True
        self._inbox = inbox
        self._intake = intake
        self._meters = meters
        self.on_heard: Callable[[Sequence[Inbound]], None] | None = None
        """Hears every batch before it is decoded."""

    def is_crowded(self) -> bool:
        """Whether enough waits to be decided: nothing more should be read for a moment."""
        return self._inbox.is_crowded

    @property
    def glance(self) -> Glance:
        """Deals with a message of telemetry by a glance; a recording wants to hear all of it."""
        return self._intake.glance if self.on_heard is None else _leave

    def glanced(self, count: int) -> None:
        """So many were, since the last time."""
        self._meters.count("gateway_telemetry_total", count)

    def take(self, batch: Sequence[Inbound]) -> bool:
        """Take a batch in order; False if there was no room for all of it."""
        if self.on_heard is not None:
            self.on_heard(batch)
        crash_point("after_receive")
        return all([self._one(message) for message in batch])  # noqa: C419  # all of them, whatever one says

    def _one(self, message: Inbound) -> bool:
        parts = split_vehicle_topic(message.topic)
        if parts is None and (asked := split_user_topic(message.topic)) is not None:
            return self._request(message, *asked)
        if parts is None or not is_vin(parts[0]):
            return self._quarantine(message, "", message.topic, "the topic names no VIN")
        vin, kind = parts
        if kind == telemetry.KIND:
            return self._telemetry(message, vin)
        if kind not in wire.BY_KIND:
            return self._quarantine(message, vin, kind, "the gateway knows no such topic")
        decoded = wire.decode(kind, message.payload, message.received_at)
        item = Item(subject=vin, kind=kind, received_at=message.received_at, ack=message.ack)
        item.replayed = message.replayed
        if isinstance(decoded, Unwanted):
            item.unwanted, item.topic, item.payload = decoded, message.topic, message.payload[:KEPT_BYTES]
            self._meters.count("gateway_quarantined_total", kind=kind)
        else:
            if isinstance(decoded, Event):
                item.event_id, item.digest = decoded.event_id, content_digest(decoded)
            item.fact = self._intake.precede(vin, decoded)  # type: ignore[assignment]  # a topic's fact
        return self._inbox.put(item)

    def _request(self, message: Inbound, user: str, vin: str, kind: str) -> bool:
        if kind != command_request.KIND or not is_vin(vin) or not is_user(user):
            return self._quarantine(message, "", message.topic, "the topic names no user, VIN or request")
        return self.on_request(message, user, vin)

    def _telemetry(self, message: Inbound, vin: str) -> bool:
        try:
            if len(message.payload) > MAX_PAYLOAD_BYTES:
                raise ValueError("payload over the limit")  # noqa: TRY301  # one way out for bad telemetry
            self._intake.take(vin, telemetry.decode(message.payload, message.received_at))
        except Exception as error:  # noqa: BLE001  # deep nesting and bad UTF-8 raise no DecodeError
            # Telemetry has no receipt and may flood: what finds no room in quarantine is only counted.
            self._quarantine(message, vin, telemetry.KIND, reason_of(error), derived=True)
        if message.ack is not None:
            message.ack()
        return True

    def _quarantine(
        self, message: Inbound, vin: str, kind: str, reason: str, *, derived: bool = False
    ) -> bool:
        self._meters.count("gateway_quarantined_total", kind=kind if vin else "unknown")
        item = Item(
            subject=vin,
            kind=kind,
            received_at=message.received_at,
            unwanted=unwanted(message.payload, reason),
            topic=message.topic,
            payload=message.payload[:KEPT_BYTES],
            ack=None if derived else message.ack,
        )
        return self._inbox.offer(item) or derived if derived else self._inbox.put(item)


def _leave(_topic: str, _payload: bytes, _received_at: datetime) -> bool:
    """A glance that leaves all to the long way."""
    return False
