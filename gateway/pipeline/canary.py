"""
The canary: a vehicle of the gateway's own, whose events go the whole way like any other's.

A wrong access list is silent: the broker grants the subscription and delivers nothing. Only something that
went through broker, decoder and store and came out again proves that the gateway can hear.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from gateway.errors import GatewayError
from gateway.ports import Clock, Link
from gateway.wire.topics import VIN_PATTERN, vehicle_topic

RETRY_S = 1.0


class CanarySettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Section ``[canary]``."""

    interval_s: Annotated[float, Meta(ge=1)] = 10
    vin: Annotated[str, Meta(pattern=rf"^{VIN_PATTERN}\Z")] = "CANARY00000000001"


class Canary:
    """Publishes, and remembers when it last came back."""

    def __init__(self, link: Link, clock: Clock, settings: CanarySettings, boot_id: str, log: Any) -> None:
        self._link = link
        self._clock = clock
        self._settings = settings
        self._boot_id = boot_id
        self._log = log
        self._number = 0
        self._awaited = ""
        self._good_s: float | None = None
        self._began_s = clock.mono_s()

    @property
    def age_s(self) -> float | None:
        """Seconds since it last came back; None if it never did."""
        return None if self._good_s is None else self._clock.mono_s() - self._good_s

    @property
    def silent_for_s(self) -> float:
        """Seconds since it last came back, or since the start."""
        return self._clock.mono_s() - (self._began_s if self._good_s is None else self._good_s)

    def seen(self, event_id: str) -> None:
        """Its event is committed and receipted."""
        if event_id == self._awaited:
            self._good_s = self._clock.mono_s()

    async def run(self, connected: Callable[[], Awaitable[None]]) -> None:
        """Send one when connected and every interval; sooner while it has never come back or was not sent."""
        with contextlib.suppress(TimeoutError):  # the broker is away: it is late by itself then
            async with asyncio.timeout(self._settings.interval_s):
                await connected()
        while True:
            sent = await self._send()
            late = self.silent_for_s > 2 * self._settings.interval_s
            if late:
                self._log.warning("canary.late", silent_for_s=round(self.silent_for_s, 1))
            await asyncio.sleep(self._settings.interval_s if sent and self._good_s is not None else RETRY_S)

    async def _send(self) -> bool:
        self._number += 1
        self._awaited = f"canary-{self._boot_id}-{self._number}"
        payload = {
            "event_id": self._awaited,
            "occurred_at": self._clock.now(),
            "cause": "health_check_failed",
            "state": "restored",
            "detail": "canary",
        }
        topic = vehicle_topic(self._settings.vin, "theft-sensor")
        try:
            await self._link.publish(topic, msgspec.json.encode(payload), expiry_s=60)
        except GatewayError:
            return False  # the link reports it; the canary's age speaks for itself
        return True
