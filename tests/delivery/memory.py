"""A store that holds deliveries in memory, a sink that does as told, a clock that follows the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.errors import StoreError
from gateway.pipeline.delivery import DEFAULT_SOC
from gateway.ports import (
    Backlog,
    Delivered,
    DeliveryMark,
    DeliveryRow,
    Message,
    Outcome,
    SinkPlan,
)

EPOCH = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


class LoopClock:
    """Time as the event loop has it: virtual where the loop's is."""

    def __init__(self) -> None:
        self._start = asyncio.get_running_loop().time()

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.mono_s())

    def mono_s(self) -> float:
        return asyncio.get_running_loop().time() - self._start


def message_of(
    subject: str, sequence: int, *, critical: bool = False, soc: str = "default", **more: Any
) -> Message:
    return Message(
        soc=soc,
        sequence=sequence,
        type=more.get("type", "alarm.raised"),
        alarm_id=f"a-{subject}-{sequence}",
        subject=subject,
        critical=critical,
        body=b'{"type":"alarm.raised","data":{"alarm_id":"a-%s-%d","sequence":%d}}'
        % (subject.encode(), sequence, sequence),
        created_at=more.get("created_at", EPOCH),
    )


class MemoryStore:
    """The delivery part of the Store port. ``failing`` makes every call raise, ``latency_s`` slow."""

    def __init__(self, plans: Sequence[SinkPlan]) -> None:
        self.plans = list(plans)
        self.rows: dict[tuple[str, str, int], DeliveryRow] = {}
        self.by_subject: dict[tuple[str, str], list[tuple[str, int]]] = {}
        self.messages_by_key: dict[tuple[str, int], Message] = {}
        self.stood_by: set[tuple[str, str, int]] = set()
        self.failing = False
        self.latency_s = 0.0
        self.reads = 0
        self.marks = 0
        self.transactions = 0

    def commit(self, *messages: Message) -> None:
        for message in messages:
            self.messages_by_key[message.soc, message.sequence] = message
            for plan in self.sinks_of(message.soc, "primary"):
                self.put(plan.name, message)

    def sinks_of(self, soc: str, role: str) -> list[SinkPlan]:
        def of(wanted: str) -> list[SinkPlan]:
            return [plan for plan in self.plans if plan.soc == wanted and plan.role == role]

        return of(soc) or of(DEFAULT_SOC)

    def put(self, sink: str, message: Message) -> bool:
        key = (sink, message.soc, message.sequence)
        if key in self.rows:
            return False
        number = len(self.rows) + 1
        self.rows[key] = DeliveryRow(
            number,
            sink,
            message.soc,
            message.sequence,
            message.subject,
            message.critical,
            "pending",
            0,
            None,
            message.created_at,
        )
        self.by_subject.setdefault((sink, message.subject), []).append((message.soc, message.sequence))
        return True

    def in_state(self, state: str, sink: str | None = None) -> list[int]:
        return [row.sequence for row in self.rows.values() if row.state == state and sink in {None, row.sink}]

    async def _work(self) -> None:
        await asyncio.sleep(self.latency_s)
        if self.failing:
            raise StoreError("the disk is full")

    async def sequences(self) -> dict[str, int]:
        await self._work()
        last: dict[str, int] = {}
        for soc, sequence in self.messages_by_key:
            last[soc] = max(sequence, last.get(soc, 0))
        return last

    async def backlog(self, sink: str, limit: int, after_subject: str = "") -> list[Backlog]:
        await self._work()
        subjects = sorted(
            subject for name, subject in self.by_subject if name == sink and subject > after_subject
        )
        found = (self._backlog_of(sink, subject) for subject in subjects)
        return [one for one in found if one.count][:limit]

    def _backlog_of(self, sink: str, subject: str) -> Backlog:
        rows = self._pending(sink, subject)
        critical = any(row.critical for row in rows)
        return Backlog(subject, min((row.id for row in rows), default=0), critical, len(rows))

    def _pending(self, sink: str, subject: str) -> list[DeliveryRow]:
        keys = self.by_subject.get((sink, subject), [])
        rows = [self.rows[(sink, *key)] for key in keys]
        return sorted(
            (row for row in rows if row.state == "pending"), key=lambda row: (row.soc, row.sequence)
        )

    async def pending(self, sink: str, subject: str, limit: int) -> list[tuple[DeliveryRow, Message]]:
        self.reads += 1
        rows = self._pending(sink, subject)[:limit]  # the snapshot is taken before the latency
        await self._work()
        return [(row, self.messages_by_key[row.soc, row.sequence]) for row in rows]

    async def mark(self, marks: Sequence[DeliveryMark]) -> None:
        await self._work()
        self.transactions += 1
        for mark in marks:
            self.marks += 1
            key = (mark.sink, mark.soc, mark.sequence)
            self.rows[key] = _changed(self.rows[key], mark.state, mark.attempts, mark.last_error)
            if mark.state != "pending":
                self.by_subject[mark.sink, self.rows[key].subject].remove((mark.soc, mark.sequence))

    async def stand_by(self, before: datetime, limit: int) -> list[str]:
        await self._work()
        given: set[str] = set()
        late = [
            (key, row)
            for key, row in self.rows.items()
            if key not in self.stood_by
            and row.state != "done"
            and (row.created_at < before or row.state == "parked")
            and any(plan.name == row.sink and plan.role == "primary" for plan in self.plans)
        ]
        for key, row in late[:limit]:
            self.stood_by.add(key)
            for plan in self.sinks_of(row.soc, "standby"):
                if self.put(plan.name, self.messages_by_key[row.soc, row.sequence]):
                    given.add(plan.name)
        return sorted(given)

    def resend(self, sink: str, sequence: int, soc: str = "default") -> None:
        key = (sink, soc, sequence)
        self.rows[key] = _changed(self.rows[key], "pending", 0, None)
        self.by_subject[sink, self.rows[key].subject].append((soc, sequence))


def _changed(row: DeliveryRow, state: Any, attempts: int, last_error: str | None) -> DeliveryRow:
    return DeliveryRow(
        row.id,
        row.sink,
        row.soc,
        row.sequence,
        row.subject,
        row.critical,
        state,
        attempts,
        last_error,
        row.created_at,
    )


class ScriptedSink:
    """Answers what ``answer`` says, ``takes_s`` later; remembers when it was asked what."""

    def __init__(
        self, answer: Callable[[Message], Outcome] = lambda _: Delivered(), takes_s: float = 0.0
    ) -> None:
        self.answer = answer
        self.takes_s = takes_s
        self.asked: list[tuple[float, Message]] = []
        self.taken: list[tuple[float, Message]] = []
        self.feeds: list[str] = []
        self.in_flight = 0
        self.most_in_flight = 0

    async def deliver(self, feed_id: str, message: Message) -> Outcome:
        loop = asyncio.get_running_loop()
        self.asked.append((loop.time(), message))
        self.feeds.append(feed_id)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self.takes_s)
        finally:
            self.in_flight -= 1
        outcome = self.answer(message)
        if isinstance(outcome, Delivered):
            self.taken.append((loop.time(), message))
        return outcome

    async def close(self) -> None:
        return

    def sequences(self) -> list[int]:
        return [message.sequence for _, message in self.taken]
