"""Walk a store and say where it is not whole: one sentence per hole."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator

import msgspec
from msgspec import Struct

from gateway.adapters.storage.sqlite.chain import broken_links


class _Data(Struct):
    vin: str | None
    event_ids: tuple[str, ...]
    alarm_id: str


class _Message(Struct):
    data: _Data


_decoder = msgspec.json.Decoder(_Message)


def holes(connection: sqlite3.Connection) -> Iterator[str]:
    """Every broken promise that can be seen from the store alone."""
    connection.execute("BEGIN")  # one snapshot, also beside a running gateway
    yield from _triggers(connection)
    yield from _sequences(connection)
    yield from _outbox(connection)
    for n in broken_links(connection):
        yield f"Audit row {n} does not follow from the row before: it was changed, or a row was taken out."


def _triggers(connection: sqlite3.Connection) -> Iterator[str]:
    """Each accepted trigger has its one message, or a recorded verdict."""
    told: Counter[tuple[str | None, str]] = Counter()
    rows = connection.execute(
        "SELECT body FROM messages WHERE type IN ('alarm.raised', 'alarm.updated', 'alarm.suppressed')"
    )
    for (body,) in rows:
        data = _decoder.decode(body).data
        told.update((data.vin, event_id) for event_id in data.event_ids)
    waiting = _gathered(connection)
    expected: Counter[tuple[str | None, str]] = Counter()
    for vin, event_id, verdict in connection.execute(
        "SELECT vin, event_id, verdict FROM facts WHERE is_trigger = 1"
    ):
        if verdict is None:
            yield f"Trigger {event_id} of {vin} has neither a message nor a verdict."
        elif verdict in {"alarm", "suppressed"}:
            expected[vin, event_id] += 1
    for (vin, event_id), count in expected.items():
        messages = told[vin, event_id] + waiting[vin, event_id]
        if messages != count:
            yield f"Trigger {event_id} of {vin} stands in {messages} messages instead of {count}."


def _gathered(connection: sqlite3.Connection) -> Counter[tuple[str | None, str]]:
    """Triggers that are counted and will be told within a second."""
    waiting: Counter[tuple[str | None, str]] = Counter()
    for vin, body in connection.execute("SELECT vin, body FROM vehicles WHERE wake_at IS NOT NULL"):
        state = msgspec.json.decode(body)
        for alarm in (*state.get("alarms", {}).values(), *state.get("suppressed", {}).values()):
            waiting.update((vin, event_id) for event_id in alarm.get("gathered", ()))
    return waiting


def _sequences(connection: sqlite3.Connection) -> Iterator[str]:
    """Each feed counts 1, 2, 3, …; only its beginning may have been purged."""
    query = "SELECT soc, MIN(sequence), MAX(sequence), COUNT(*) FROM messages GROUP BY soc"
    for soc, first, last, count in connection.execute(query):
        missing = last - first + 1 - count
        if missing:
            yield f"The feed of {soc} lacks {missing} messages between {first} and {last}."


def _outbox(connection: sqlite3.Connection) -> Iterator[str]:
    """Nothing is on its way that is not in a feed."""
    query = (
        "SELECT d.sink, d.soc, d.sequence FROM deliveries d LEFT JOIN messages m"
        " ON m.soc = d.soc AND m.sequence = d.sequence WHERE m.sequence IS NULL"
    )
    for sink, soc, sequence in connection.execute(query):
        yield f"Message {sequence} of {soc} is to be delivered to {sink}, but is in no feed."
