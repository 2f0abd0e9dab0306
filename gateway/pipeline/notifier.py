"""Tells owners what is no silent alarm: from the store to ``v1/users/{user}/notifications``."""

from __future__ import annotations

import asyncio
from typing import Any

from gateway.errors import GatewayError, PublishRefused
from gateway.ports import Link, Store
from gateway.wire.topics import notifications_topic

EXPIRY_S = 7 * 24 * 3600
LOOK_EVERY_S = 1.0
AT_ONCE = 100
NOBODY_LISTENS = 0x10


class Notifier:
    """Empties the table of notifications."""

    def __init__(self, store: Store, link: Link, log: Any) -> None:
        self._store = store
        self._link = link
        self._log = log

    async def run(self) -> None:
        """Look every second until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                while await self._send() == AT_ONCE:
                    pass  # a whole fleet may be told of one evening
            except GatewayError as error:
                self._log.warning("notification.failed", error=str(error))

    async def _send(self) -> int:
        """Hand over the oldest; how many there were."""
        waiting = await self._store.notifications(AT_ONCE)
        for notification in waiting:
            topic = notifications_topic(notification.user)
            try:
                await self._link.publish(topic, notification.body, expiry_s=EXPIRY_S)
            except PublishRefused as error:
                # An owner who has never connected has no session that could keep it: that is no failure. What
                # the broker refuses for good must not hold up everyone else.
                if error.reason_code != NOBODY_LISTENS:
                    self._log.warning("notification.failed", error=str(error))
            await self._store.notified([notification.id])
        return len(waiting)
