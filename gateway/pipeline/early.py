"""What a sink read from the store before it was told of the commit: it must not be sent for both."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.pipeline.lanes import Key
from gateway.ports import DeliveryRow, Message

MAX_EARLY = 10_000


class Early:
    """Where each feed stands by what was told, and what the store showed beyond that. Bounded."""

    def __init__(self) -> None:
        self._newest: dict[str, int] = {}
        self._early: set[Key] = set()

    def stands_at(self, soc: str, sequence: int) -> None:
        """All up to this sequence needs no telling."""
        self._newest[soc] = max(sequence, self._newest.get(soc, 0))

    def is_told(self, message: Message) -> bool:
        """Take note that a message is told of; True if the store showed it before."""
        self._newest[message.soc] = message.sequence
        key = (message.soc, message.sequence)
        if key not in self._early:
            return False
        self._early.discard(key)
        return True

    def shown(self, rows: Iterable[tuple[DeliveryRow, Message]]) -> None:
        """The store showed these."""
        early = {(row.soc, row.sequence) for row, _ in rows if row.sequence > self._newest.get(row.soc, 0)}
        self._early |= early
        if len(self._early) > MAX_EARLY:
            self._early = early
