"""Walk a store and say where it is not whole: one sentence per hole."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from gateway.adapters.storage.sqlite import chain
from gateway.adapters.storage.sqlite.retention import PURGED
from gateway.domain.audit_faults import faults
from gateway.domain.audit_trail import Head, Row


class _Data(Struct):
    vin: str | None
    event_ids: tuple[str, ...]
    alarm_id: str


class _Message(Struct):
    data: _Data


class _Sent(Struct):
    """What an audit row says of a message."""

    soc: str | None = None
    sequence: Annotated[int, Meta(ge=0, le=2**63 - 1)] | None = None
    sha256: str | None = None


Key = tuple[str | None, str]
"""VIN and event id."""

TELL_EVERY = 1_000
"""Audit rows."""

_decoder = msgspec.json.Decoder(_Message)
_sent_decoder = msgspec.json.Decoder(_Sent)


def _ignore(_done: int, _of: int) -> None:
    """Say nothing."""


def holes(
    connection: sqlite3.Connection,
    written_down: Sequence[Head] = (),
    progress: Callable[[int, int], None] = _ignore,
) -> Iterator[str]:
    """
    Every broken promise that can be seen from the store, and from heads of its audit trail kept elsewhere.

    ``progress`` is told how many audit rows are done, of how many.
    """
    # Text that is no text was put there by somebody: it is to be named, not to stop the walk.
    connection.text_factory = lambda raw: raw.decode(errors="replace")
    connection.execute("BEGIN")  # one snapshot, also beside a running gateway
    yield from _triggers(connection)
    yield from _sequences(connection)
    yield from _outbox(connection)
    yield from faults(_watched(connection, progress), chain.head(connection), written_down)
    yield from _changed(connection)


def _watched(connection: sqlite3.Connection, progress: Callable[[int, int], None]) -> Iterator[Row]:
    (count,) = connection.execute("SELECT COUNT(*) FROM audit").fetchone()
    for done, row in enumerate(chain.rows(connection)):
        if done % TELL_EVERY == 0:
            progress(done, count)
        yield row
    progress(count, count)


def _triggers(connection: sqlite3.Connection) -> Iterator[str]:
    """Each accepted trigger has its one message, or a recorded verdict."""
    told, recent = _told(connection)
    purged_until = _purged_until(connection)
    waiting = _gathered(connection)
    expected: Counter[Key] = Counter()
    recorded: set[Key] = set()
    for vin, event_id, verdict, decided_at in connection.execute(
        "SELECT vin, event_id, verdict, decided_at FROM facts WHERE is_trigger = 1"
    ):
        recorded.add((vin, event_id))
        if verdict is None:
            yield f"Trigger {event_id} of {vin} has neither a message nor a verdict."
        elif verdict in {"alarm", "suppressed"} and decided_at > purged_until:
            expected[vin, event_id] += 1
    for (vin, event_id), count in expected.items():
        messages = told[vin, event_id] + waiting[vin, event_id]
        if messages != count:
            yield f"Trigger {event_id} of {vin} stands in {messages} messages instead of {count}."
    for vin, event_id in recent - recorded:
        yield f"Trigger {event_id} of {vin} stands in a message and is not recorded."


def _purged_until(connection: sqlite3.Connection) -> str:
    """When the newest message was made that retention has deleted: what was told before can't be seen."""
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (PURGED,)).fetchone()
    return "" if row is None else str(row[0])


def _told(
    connection: sqlite3.Connection,
) -> tuple[Counter[Key], set[Key]]:
    """How often each trigger was told; and those told since the oldest fact that retention has left."""
    (oldest,) = connection.execute("SELECT COALESCE(MIN(decided_at), '9999') FROM facts").fetchone()
    told: Counter[Key] = Counter()
    recent: set[Key] = set()
    kinds = "('alarm.raised', 'alarm.updated', 'alarm.suppressed')"
    for body, created_at in connection.execute(
        f"SELECT body, created_at FROM messages WHERE type IN {kinds}"
    ):
        data = _decoder.decode(body).data
        keys = [(data.vin, event_id) for event_id in data.event_ids]
        told.update(keys)
        if created_at >= oldest:
            recent.update(keys)
    return told, recent


def _gathered(connection: sqlite3.Connection) -> Counter[Key]:
    """Triggers that are counted and will be told within a second."""
    waiting: Counter[Key] = Counter()
    for vin, body in connection.execute("SELECT vin, body FROM vehicles WHERE wake_at IS NOT NULL"):
        state = msgspec.json.decode(body)
        for alarm in (*state.get("alarms", {}).values(), *state.get("suppressed", {}).values()):
            waiting.update((vin, event_id) for event_id in alarm.get("gathered", ()))
    for vin, body in connection.execute("SELECT vin, body FROM vehicle_parts WHERE part LIKE 'alarm/%'"):
        waiting.update((vin, event_id) for event_id in msgspec.json.decode(body).get("gathered", ()))
    return waiting


def _changed(connection: sqlite3.Connection) -> Iterator[str]:
    """The audit trail names the digest of each message as it left."""
    for (details,) in connection.execute("SELECT details FROM audit WHERE action LIKE 'alarm.%'"):
        told = _sent(details)
        query = "SELECT body FROM messages WHERE soc = ? AND sequence = ?"
        row = connection.execute(query, (told.soc, told.sequence)).fetchone()
        if row is not None and told.sha256 not in (None, sha256(row[0]).hexdigest()):
            yield f"Message {told.sequence} of {told.soc} is not what the audit trail says that it was."


def _sent(details: str) -> _Sent:
    """Details that can't be read were changed; their row's hash says so."""
    try:
        return _sent_decoder.decode(details)
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError):
        return _Sent()


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
