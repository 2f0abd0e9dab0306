"""
Application receipts: the only word that a vehicle trusts.

They leave only after the commit. One that finds the link down or full is dropped and counted: the vehicle
sends its event again and gets another.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct, field

from gateway.pipeline.meters import Meters
from gateway.ports import Link
from gateway.wire.receipt import KIND, Payload, Rejection
from gateway.wire.topics import vehicle_topic

EXPIRY_S = 60
MAX_IDS = 200


class Receipt(Struct):
    """What one vehicle is told."""

    event_ids: list[str] = field(default_factory=list)
    rejected: list[tuple[str, str]] = field(default_factory=list)


class Receipts:
    """Publishes receipts without waiting for the broker."""

    def __init__(self, link: Link, meters: Meters, log: Any) -> None:
        self._link = link
        self._meters = meters
        self._log = log

    def send(self, receipts: Mapping[str, Receipt]) -> None:
        """Send what was committed, one message per vehicle."""
        for vin, receipt in receipts.items():
            rejected = [Rejection(event_id, reason) for event_id, reason in receipt.rejected]
            for start in range(0, max(len(receipt.event_ids), 1), MAX_IDS):
                payload = Payload(receipt.event_ids[start : start + MAX_IDS], rejected[:MAX_IDS])
                rejected = []
                self._send(vin, payload)

    def _send(self, vin: str, payload: Payload) -> None:
        if not self._link.post(vehicle_topic(vin, KIND), msgspec.json.encode(payload), expiry_s=EXPIRY_S):
            self._meters.count("gateway_receipts_dropped_total")
            self._log.warning("mqtt.publish_dropped", what="receipt")
