"""The feed while it grows: who reads it live waits here, and reads old pages from the store."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Sequence

from gateway.ports import Message, Store

KEPT = 1_000


class Feed:
    """Implements LiveFeed. A reader is a cursor: it costs nothing while it is slow."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._recent: dict[str, deque[Message]] = defaultdict(lambda: deque(maxlen=KEPT))
        self._latest: dict[str, int] = {}
        self._readers: dict[str, list[asyncio.Future[None]]] = defaultdict(list)

    def begin(self, sequences: dict[str, int]) -> None:
        """Where each feed stands at the start."""
        self._latest.update(sequences)

    def committed(self, messages: Sequence[Message]) -> None:
        """Messages that are durable now, in order."""
        for message in messages:
            self._recent[message.soc].append(message)
            self._latest[message.soc] = message.sequence
        for soc in {message.soc for message in messages}:
            readers = self._readers.pop(soc, [])
            for reader in readers:
                if not reader.done():
                    reader.set_result(None)

    def latest(self, soc: str) -> int:
        """Last visible sequence."""
        return self._latest.get(soc, 0)

    async def grown(self, soc: str, after: int) -> None:
        """Return when there is more than ``after``."""
        while self.latest(soc) <= after:
            reader: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._readers[soc].append(reader)
            try:
                await reader
            finally:
                if reader in self._readers.get(soc, ()):
                    self._readers[soc].remove(reader)

    async def read(self, soc: str, after: int, limit: int) -> list[Message]:
        """The next messages."""
        recent = self._recent.get(soc)
        if recent and recent[0].sequence <= after + 1:
            skip = after + 1 - recent[0].sequence
            return [recent[index] for index in range(skip, min(skip + limit, len(recent)))]
        return await self._store.messages(soc, after, limit)
