"""
Doubles for tests and for those who extend the gateway: small, and honest about what they leave out.

``FakeClock`` moves only when told; ``RecordingLink`` remembers publishes; ``RecordingSink`` plays a SOC.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.ports import Delivered, Message, Outcome, Reply

START = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


class FakeClock:
    """Both clocks, moved together by ``advance``, or apart by ``jump``."""

    def __init__(self, now: datetime = START) -> None:
        self._now = now
        self._mono_s = 1000.0

    def now(self) -> datetime:
        return self._now

    def mono_s(self) -> float:
        return self._mono_s

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += timedelta(seconds=seconds)
        self._mono_s += seconds

    def jump(self, seconds: float) -> None:
        """Set the wall clock, as a correction of the system's time does."""
        self._now += timedelta(seconds=seconds)


class RecordingLink:
    """A broker that takes everything; ``full`` makes ``post`` refuse."""

    def __init__(self) -> None:
        self.connected = True
        self.full = False
        self.published: list[tuple[str, bytes]] = []

    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False, expiry_s: int | None = None
    ) -> None:
        self.published.append((topic, payload))

    def post(
        self, topic: str, payload: bytes, *, expiry_s: int | None = None, reply: Reply | None = None
    ) -> bool:
        if self.full:
            return False
        self.published.append((topic, payload))
        return True


class RecordingSink:
    """A SOC that answers what it is told to, and confirms when it was told nothing."""

    def __init__(self, answers: Sequence[Outcome] = ()) -> None:
        self.delivered: list[Message] = []
        self._answers = list(answers)

    async def deliver(self, feed_id: str, message: Message) -> Outcome:
        answer = self._answers.pop(0) if self._answers else Delivered()
        if isinstance(answer, Delivered):
            self.delivered.append(message)
        return answer

    async def close(self) -> None:
        return None


class ClearSeal:
    """Seals nothing."""

    def close(self, _vin: str, stored: dict[str, Any]) -> dict[str, Any]:
        return stored

    def open(self, _vin: str, stored: dict[str, Any]) -> bytes | None:
        return bytes.fromhex(stored["key"])
