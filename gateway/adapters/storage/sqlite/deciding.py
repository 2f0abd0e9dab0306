"""What deciding reads and what one decision writes."""

from __future__ import annotations

import contextlib
import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from itertools import chain

import msgspec
from msgspec.structs import replace

from gateway.adapters.storage.sqlite import accounts, cases, commands, people, protection
from gateway.adapters.storage.sqlite.chain import append
from gateway.adapters.storage.sqlite.many import insert, rows_of, shares
from gateway.adapters.storage.sqlite.times import text
from gateway.domain.signals import Registration
from gateway.errors import StoreError
from gateway.ports import Decision, Known, SinkPlan, StoredVehicle, VehicleRow


def known(
    connection: sqlite3.Connection,
    events: Sequence[tuple[str, str]],
    vins: Sequence[str],
    quarantined: Sequence[tuple[str, str]],
) -> Known:
    """Point look-ups by key."""
    digests: dict[tuple[str, str], set[bytes]] = defaultdict(set)
    for part in shares(events):
        query = (
            f"WITH asked (vin, event_id) AS (VALUES {rows_of(2, len(part))})"
            " SELECT facts.vin, facts.event_id, facts.digest FROM asked CROSS JOIN facts INDEXED BY facts_key"
            " WHERE facts.vin = asked.vin AND facts.event_id = asked.event_id"
        )
        for vin, event_id, digest in connection.execute(query, tuple(chain.from_iterable(part))):
            digests[vin, event_id].add(digest)
    vehicles: dict[str, StoredVehicle] = {}
    registrations: dict[str, Registration] = {}
    for vin in vins:
        stored = vehicle(connection, vin)
        if stored is not None:
            vehicles[vin] = stored
        entry = _entry(connection, vin)
        if entry is not None:
            registrations[vin] = entry
    query = "SELECT 1 FROM quarantine WHERE topic = ? AND sha256 = ?"
    seen = frozenset(key for key in quarantined if connection.execute(query, key).fetchone())
    return Known({key: frozenset(found) for key, found in digests.items()}, vehicles, registrations, seen)


def _entry(connection: sqlite3.Connection, vin: str) -> Registration | None:
    """An entry that can't be read counts as none: its vehicle is alarmed as not registered."""
    with contextlib.suppress(msgspec.MsgspecError, ValueError, RecursionError):
        return people.registration(connection, vin)
    return None


def vehicle(connection: sqlite3.Connection, vin: str) -> StoredVehicle | None:
    """Committed state of one vehicle: body and parts of one commit, so by one statement."""
    query = (
        "SELECT v.version, v.body, p.part, p.body FROM vehicles v LEFT JOIN vehicle_parts p ON p.vin = v.vin"
        " WHERE v.vin = ?"
    )
    rows = connection.execute(query, (vin,)).fetchall()
    if not rows:
        return None
    version, body, *_part = rows[0]
    return StoredVehicle(version, body, {name: part for _, _, name, part in rows if name is not None})


def commit(connection: sqlite3.Connection, decision: Decision, sinks: Sequence[SinkPlan]) -> None:
    """Write one decision. Runs inside the writer's transaction."""
    _vehicles(connection, decision)
    insert(
        connection,
        "facts (vin, kind, event_id, digest, received_at, decided_at, body, is_trigger, verdict, alarm_id)",
        [
            (
                *(row.vin, row.kind, row.event_id, row.digest, text(row.received_at), text(row.decided_at)),
                *(row.body, row.trigger, row.verdict, row.alarm_id),
            )
            for row in decision.facts
        ],
    )
    connection.executemany(
        "UPDATE facts SET verdict = ?, alarm_id = ? WHERE vin = ? AND event_id = ? AND verdict = 'pending'",
        [(row.verdict, row.alarm_id, row.vin, row.event_id) for row in decision.verdicts],
    )
    insert(
        connection,
        "alarms",
        [
            (
                *(row.alarm_id, row.vin, row.subject, row.soc, row.cause, row.cause_class, row.state),
                *(row.sequence, row.sequence, row.body),
            )
            for row in decision.alarms
        ],
        "ON CONFLICT (alarm_id) DO UPDATE"
        " SET state = excluded.state, last_sequence = excluded.last_sequence, body = excluded.body",
    )
    _messages(connection, decision, sinks)
    cases.write(connection, decision)
    _escalations(connection, decision, sinks)
    _quarantine(connection, decision)
    connection.executemany(
        "INSERT OR IGNORE INTO notifications VALUES (?, ?, ?, ?, ?)",
        [(row.id, row.user, row.vin, row.body, text(row.created_at)) for row in decision.notifications],
    )
    connection.executemany(
        "INSERT INTO tracks (vin, case_id, at, latitude, longitude, accuracy_m) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (row.vin, row.case_id, text(row.at), row.latitude, row.longitude, row.accuracy_m)
            for row in decision.track
        ],
    )
    connection.executemany(
        "INSERT OR IGNORE INTO left_cases VALUES (?, ?)",
        [(row.case_id, text(row.at)) for row in decision.left_cases],
    )
    _registrations(connection, decision)
    commands.put(connection, decision.commands)
    protection.keep(connection, decision.unprotected)
    for gone in decision.revocations:
        accounts.revoke_access(connection, gone)
    append(connection, decision.audit)


def _vehicles(connection: sqlite3.Connection, decision: Decision) -> None:
    """Each state replaces exactly the version it was made from: two writers can't both win."""
    for steps, rows in _by_steps(decision.vehicles).items():
        written = insert(
            connection,
            "vehicles",
            [(row.vin, row.version, row.body, row.wake_at and text(row.wake_at)) for row in rows],
            "ON CONFLICT (vin) DO UPDATE"
            " SET version = excluded.version, body = excluded.body, wake_at = excluded.wake_at"
            " WHERE vehicles.version = excluded.version - ?",
            (steps,),
        )
        if written < len(rows):
            raise StoreError(f"the state of {_overtaken(connection, rows)} was changed by another writer")
    whole = [(row.vin,) for row in decision.vehicles if row.whole]
    connection.executemany("DELETE FROM vehicle_parts WHERE vin = ?", whole)
    parts = [(row.vin, name, body) for row in decision.vehicles for name, body in row.parts.items()]
    connection.executemany(
        "DELETE FROM vehicle_parts WHERE vin = ? AND part = ?",
        [(vin, name) for vin, name, body in parts if body is None],
    )
    insert(
        connection,
        "vehicle_parts",
        [row for row in parts if row[2] is not None],
        "ON CONFLICT (vin, part) DO UPDATE SET body = excluded.body",
    )


def _by_steps(vehicles: Sequence[VehicleRow]) -> dict[int, list[VehicleRow]]:
    by_steps: dict[int, list[VehicleRow]] = defaultdict(list)
    for row in vehicles:
        by_steps[row.steps].append(row)
    return by_steps


def _overtaken(connection: sqlite3.Connection, rows: Sequence[VehicleRow]) -> str:
    """The first vehicle that was not written, as its version says."""
    query = "SELECT version FROM vehicles WHERE vin = ?"
    stored = ((row, connection.execute(query, (row.vin,)).fetchone()) for row in rows)
    return next((row.vin for row, found in stored if found != (row.version,)), "a vehicle")


def _registrations(connection: sqlite3.Connection, decision: Decision) -> None:
    """Each entry replaces exactly the one it was made from: an import beside the gateway is not undone."""
    for row in decision.registrations:
        if _bare(_entry(connection, row.registration.vin)) != _bare(row.replaces):
            raise StoreError(f"the registry entry of {row.registration.vin} was changed by another writer")
    if decision.registrations:
        people.register(
            connection, [replace(row.registration, unavailable={}) for row in decision.registrations]
        )


def _bare(entry: Registration | None) -> Registration | None:
    """An entry without what is worked out at each reading."""
    return None if entry is None else replace(entry, unavailable={})


def _messages(connection: sqlite3.Connection, decision: Decision, sinks: Sequence[SinkPlan]) -> None:
    insert(
        connection,
        "messages",
        [
            (
                *(row.soc, row.sequence, row.type, row.alarm_id, row.subject, row.critical, row.body),
                text(row.created_at),
            )
            for row in decision.messages
        ],
    )
    insert(
        connection,
        "deliveries (sink, soc, sequence, subject, critical, created_at, is_primary)",
        [
            (sink.name, row.soc, row.sequence, row.subject, row.critical, text(row.created_at), 1)
            for row in decision.messages
            for sink in sinks_of(row.soc, "primary", sinks)
        ],
    )


def _escalations(connection: sqlite3.Connection, decision: Decision, sinks: Sequence[SinkPlan]) -> None:
    """Standby sinks get the first and the newest message of an alarm that nobody has acted on."""
    connection.executemany(
        "INSERT OR IGNORE INTO deliveries (sink, soc, sequence, subject, critical, created_at, is_primary)"
        " SELECT ?, m.soc, m.sequence, m.subject, m.critical, m.created_at, 0 FROM alarms a"
        " JOIN messages m ON m.soc = a.soc AND m.sequence IN (a.first_sequence, a.last_sequence)"
        " WHERE a.alarm_id = ?",
        [
            (sink.name, row.alarm_id)
            for row in decision.escalations
            for sink in sinks_of(row.soc, "standby", sinks)
        ],
    )


def sinks_of(soc: str, role: str, sinks: Sequence[SinkPlan]) -> list[SinkPlan]:
    """Sinks of a SOC in a role; a SOC without any primary falls back to ``default``."""
    if not any(sink.soc == soc and sink.role == "primary" for sink in sinks):
        soc = "default"
    return [sink for sink in sinks if sink.soc == soc and sink.role == role]


def _quarantine(connection: sqlite3.Connection, decision: Decision) -> None:
    connection.executemany(
        "INSERT INTO quarantine (topic, sha256, reason, payload, vin, first_at, last_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (topic, sha256) DO UPDATE SET count = count + 1, last_at = excluded.last_at",
        [
            (
                *(row.topic, row.sha256, row.reason, row.payload, row.vin),
                *(text(row.received_at), text(row.received_at)),
            )
            for row in decision.quarantine
        ],
    )


def newest_decided(connection: sqlite3.Connection) -> datetime | None:
    """When the newest fact was decided, by the clock of then."""
    row = connection.execute("SELECT decided_at FROM facts ORDER BY n DESC LIMIT 1").fetchone()
    return None if row is None else datetime.fromisoformat(row[0])


def timers(connection: sqlite3.Connection) -> list[tuple[str, datetime]]:
    """Every vehicle that asked to be woken."""
    query = "SELECT vin, wake_at FROM vehicles WHERE wake_at IS NOT NULL ORDER BY wake_at"
    return [(vin, datetime.fromisoformat(at)) for vin, at in connection.execute(query)]
