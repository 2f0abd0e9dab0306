"""
Events kept until the gateway's receipt proves that they are durably recorded. Pure: time is passed in.

1. An event leaves by its receipt, by its rejection, or by eviction; a PUBACK proves nothing and is not asked
   for.
2. What is due goes out oldest first, which is the order of boot and sequence number.
3. Without a receipt an event goes out again after 1, 2, 4 … 60 s and up to a quarter of that on top, with the
   same event id and the same bytes. A new connection makes everything due and starts at 1 s again.
4. At most ``limit`` events are kept. Into a full outbox the oldest event that is no ``theft-sensor`` event
   gives way; only where there is none, the oldest event of all. Each one given up is handed back to be
   counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vehicle_emulator.dice import Dice
    from vehicle_emulator.messages import Message

RESEND_FIRST_MS: Final = 1_000
RESEND_MAX_MS: Final = 60_000
JITTER_SHARE: Final = 0.25
LIMIT: Final = 4_096
_DOUBLINGS_MAX = 6


class Entry(msgspec.Struct, gc=False):
    """An event that waits for its receipt, and what is known about its sending."""

    message: Message
    intended_ms: float
    due_ms: float
    sent_ms: float | None = None
    sends: int = 0
    tries: int = 0


class Outbox:
    """The events of one vehicle that the gateway has not receipted yet."""

    __slots__ = ("_dice", "_limit", "_next_due_ms", "_waiting")

    def __init__(self, dice: Dice, limit: int = LIMIT) -> None:
        """Begin empty; the dice throw the jitter."""
        self._dice, self._limit = dice, limit
        self._waiting: dict[str, Entry] = {}
        self._next_due_ms = 0.0

    def __len__(self) -> int:
        """How many events wait."""
        return len(self._waiting)

    def waiting(self) -> Iterable[Entry]:
        """Everything that waits, oldest first."""
        return self._waiting.values()

    def put(self, message: Message, intended_ms: float) -> Entry | None:
        """Keep an event, due at once; the answer is the one that had to give way, if any."""
        given_up = self._give_way() if len(self._waiting) >= self._limit else None
        self._waiting[message.event_id] = Entry(message, intended_ms, intended_ms)
        self._next_due_ms = min(self._next_due_ms, intended_ms)
        return given_up

    def due(self, now_ms: float, room: int) -> list[Entry]:
        """At most ``room`` events to send now, oldest first; they count as sent."""
        if now_ms < self._next_due_ms or room <= 0:
            return []
        entries: list[Entry] = []
        for entry in self._waiting.values():
            if entry.due_ms <= now_ms:
                entries.append(entry)
                self._sent(entry, now_ms)
                if len(entries) == room:
                    return entries  # more may be due: look again when there is room
        self._next_due_ms = min((entry.due_ms for entry in self._waiting.values()), default=0.0)
        return entries

    def reconnected(self, now_ms: float) -> None:
        """Make everything due: what was in flight on the old connection is unknown."""
        self._next_due_ms = now_ms
        for entry in self._waiting.values():
            entry.due_ms, entry.tries = now_ms, 0

    def settle(self, event_id: str) -> Entry | None:
        """Take out what was receipted or rejected; None if it does not wait here (any more)."""
        return self._waiting.pop(event_id, None)

    def _sent(self, entry: Entry, now_ms: float) -> None:
        if entry.sent_ms is None:
            entry.sent_ms = now_ms
        delay_ms = min(RESEND_MAX_MS, RESEND_FIRST_MS << min(entry.tries, _DOUBLINGS_MAX))
        entry.due_ms = now_ms + delay_ms * (1.0 + JITTER_SHARE * self._dice.unit())
        entry.sends += 1
        entry.tries += 1

    def _give_way(self) -> Entry:
        oldest = next(iter(self._waiting))
        lesser = (
            event_id for event_id, entry in self._waiting.items() if entry.message.kind != "theft-sensor"
        )
        return self._waiting.pop(next(lesser, oldest))
