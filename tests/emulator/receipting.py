"""The least a gateway can be: it receipts every event it reads. For tests and load runs."""

from __future__ import annotations

import asyncio
import sys
from collections import defaultdict
from typing import Any

import msgspec

from vehicle_emulator import codec, messages
from vehicle_emulator.dice import Dice
from vehicle_emulator.link import Link, Station


class ReceiptingGateway:
    """Listens to all events; answers each, or none while ``is_deaf``, or with a rejection of some causes."""

    def __init__(
        self, host: str, port: int, *, username: str = "gateway", password: str | None = None
    ) -> None:
        self.station = Station(host, port, Dice("gateway"))
        self.link = Link(self.station, self)
        self.username, self.password = username, password
        self.heard: list[tuple[str, str, dict[str, Any]]] = []
        self.keeps = True
        self.is_deaf = False
        self.rejects: set[str] = set()
        self._receipts: defaultdict[str, list[str]] = defaultdict(list)
        self._up = asyncio.Event()

    async def start(self) -> None:
        self.link.open()
        await self._up.wait()

    async def stop(self) -> None:
        self.link.close()
        while not self.link.is_gone:  # noqa: ASYNC110  # a link has no event for it
            await asyncio.sleep(0.001)

    def say(self, vin: str, kind: str, payload: bytes) -> None:
        self.link.publish(f"v1/vehicles/{vin}/{kind}", payload)

    def kinds(self, vin: str) -> list[str]:
        return [kind for heard, kind, _ in self.heard if heard == vin]

    def greeting(self) -> codec.Greeting:
        return codec.Greeting(
            self.username, self.username, self.password, "v1/gateway/test/status", b"{}", 60
        )

    def topics(self) -> tuple[str, ...]:
        kinds = (messages.TELEMETRY, messages.CONNECTION) if self.keeps else ()
        return tuple(f"v1/vehicles/+/{kind}" for kind in (*messages.EVENT_KINDS, *kinds))

    def link_up(self) -> None:
        self._up.set()

    def link_down(self) -> None:
        self._up.clear()

    def link_room(self) -> None:
        pass

    def link_message(self, topic: str, payload: bytes) -> None:
        _, _, vin, kind = topic.split("/", 3)
        body = msgspec.json.decode(payload)
        if self.keeps:
            self.heard.append((vin, kind, body))
        if kind not in messages.EVENT_KINDS or self.is_deaf:
            return
        if body.get("cause") in self.rejects:
            refusal = {"event_ids": [], "rejected": [{"event_id": body["event_id"], "reason": "test"}]}
            self.say(vin, messages.RECEIPT, msgspec.json.encode(refusal))
            return
        if not self._receipts:
            asyncio.get_running_loop().call_soon(self._send_receipts)
        self._receipts[vin].append(body["event_id"])

    def _send_receipts(self) -> None:
        for vin, event_ids in self._receipts.items():
            self.say(vin, messages.RECEIPT, msgspec.json.encode({"event_ids": event_ids, "rejected": []}))
        self._receipts.clear()


async def _serve(port: int) -> None:
    gateway = ReceiptingGateway("127.0.0.1", port)
    gateway.keeps = False
    await gateway.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
