"""
What is deleted, and when: every table that grows has a period or a size.

Rules of this file:

1. Work is done in bites: each looks at a few hundred rows and is a job of its own for the writer, so that an
   alarm never waits behind more than one of them.
2. A message that is still to be delivered stays, and with it all later ones: only the beginning of a feed may
   be gone. The newest message stays as well, because the feed goes on counting from it.
3. What may not be deleted holds up nothing in another table: a sweep goes on after the last row it has seen.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import islice

from msgspec import Struct

from gateway.adapters.storage.sqlite import accounts, cases, handovers
from gateway.adapters.storage.sqlite.listing import distinct
from gateway.adapters.storage.sqlite.times import text
from gateway.ports import KEEP_TRACK

KEEP_DELIVERED = timedelta(days=30)
KEEP_CANARY = timedelta(days=1)
KEEP_CASES = timedelta(days=430)
"""After they were closed."""
KEEP_COMMANDS = timedelta(days=90)
MAX_TRACK = 20_000
MAX_QUARANTINE = 50_000
BITE = 200
TRACKS_AT_ONCE = 5
PURGED = "purged_until"
"""Key in ``meta``: when the newest message was made that is deleted."""


class Keeping(Struct, frozen=True):
    """Periods that an operator may configure (``[store]``)."""

    messages: timedelta = timedelta(days=90)
    """Messages of the feeds: so far back a receiver can read them again."""
    journal: timedelta = timedelta(days=430)
    """Facts. Event ids are unique for 400 days; the key must be kept at least as long."""


BY_DEFAULT = Keeping()


class Bitten(Struct, frozen=True):
    """What one bite did."""

    deleted: int
    more: bool
    """Whether there may be more of it."""


Bite = Callable[[datetime, sqlite3.Connection], Bitten]


class Sweep:
    """Goes once through all tables; a new one begins at their beginnings."""

    def __init__(self, keeping: Keeping, canary_vin: str) -> None:
        self._keeping = keeping
        self._canary_vin = canary_vin
        self._delivery = 0
        self._canary = ""
        self._track = ""

    def bites(self) -> Iterator[tuple[str, Bite]]:
        """Table and bite; each is asked for again as long as it says that there is more."""
        yield "messages", self._messages
        yield "deliveries", self._deliveries
        yield "facts", self._facts
        yield "facts", self._canaries
        yield "quarantine", _quarantine
        yield "commands", _commands
        yield "tracks", _left_tracks
        yield "tracks", self._long_tracks
        yield "cases", _cases
        yield "handovers", _handovers
        yield "user_tries", _tries

    def _messages(self, now: datetime, connection: sqlite3.Connection) -> Bitten:
        before, deleted, more = text(now - self._keeping.messages), 0, False
        for soc in distinct(connection, "messages", "soc"):
            over = _over(connection, soc, before)
            if over:
                _forget(connection, soc, over)
            deleted += len(over)
            more |= len(over) == BITE
        return Bitten(deleted, more)

    def _deliveries(self, now: datetime, connection: sqlite3.Connection) -> Bitten:
        query = "SELECT id, state, created_at FROM deliveries WHERE id > ? ORDER BY id LIMIT ?"
        rows = connection.execute(query, (self._delivery, BITE)).fetchall()
        before = text(now - KEEP_DELIVERED)
        old = [(one, state) for one, state, created_at in rows if created_at < before]
        done = [(one,) for one, state in old if state == "done"]
        connection.executemany("DELETE FROM deliveries WHERE id = ?", done)
        if old:
            self._delivery = old[-1][0]
        return Bitten(len(done), more=len(old) == BITE)

    def _facts(self, now: datetime, connection: sqlite3.Connection) -> Bitten:
        """Rows are in the order of time."""
        first = "SELECT n FROM facts ORDER BY n LIMIT ?"
        query = f"DELETE FROM facts WHERE n IN ({first}) AND decided_at < ?"
        return _bitten(connection.execute(query, (BITE, text(now - self._keeping.journal))))

    def _canaries(self, now: datetime, connection: sqlite3.Connection) -> Bitten:
        query = (
            "SELECT n, event_id, decided_at FROM facts INDEXED BY facts_key"
            " WHERE vin = ? AND event_id > ? ORDER BY event_id LIMIT ?"
        )
        rows = connection.execute(query, (self._canary_vin, self._canary, BITE)).fetchall()
        before = text(now - KEEP_CANARY)
        over = [(n,) for n, _, decided_at in rows if decided_at < before]
        connection.executemany("DELETE FROM facts WHERE n = ?", over)
        if rows:
            self._canary = rows[-1][1]
        return Bitten(len(over), more=len(rows) == BITE)

    def _long_tracks(self, _now: datetime, connection: sqlite3.Connection) -> Bitten:
        """A track is bounded while its case is open: its newest positions stay."""
        deleted = 0
        cases_seen = list(
            islice(distinct(connection, "tracks", "case_id", after=self._track), TRACKS_AT_ONCE)
        )
        for case_id in cases_seen:
            newest = "SELECT n FROM tracks WHERE case_id = ? ORDER BY n DESC LIMIT 1 OFFSET ?"
            last = connection.execute(newest, (case_id, MAX_TRACK)).fetchone()
            if last is not None:
                few = "SELECT n FROM tracks WHERE case_id = ? AND n <= ? ORDER BY n LIMIT ?"
                query = f"DELETE FROM tracks WHERE n IN ({few})"
                deleted += connection.execute(query, (case_id, last[0], BITE)).rowcount
            if deleted:
                return Bitten(deleted, more=True)
            self._track = case_id
        return Bitten(0, more=len(cases_seen) == TRACKS_AT_ONCE)


def _over(connection: sqlite3.Connection, soc: str, before: str) -> list[tuple[int, str]]:
    """Sequence and time of the oldest messages of a feed that may go."""
    query = (
        "SELECT sequence, created_at FROM messages WHERE soc = :soc"
        " AND sequence < (SELECT MAX(sequence) FROM messages WHERE soc = :soc) ORDER BY sequence LIMIT :limit"
    )
    rows = connection.execute(query, {"soc": soc, "limit": BITE}).fetchall()
    sinks = list(distinct(connection, "deliveries", "sink"))
    waits = "SELECT 1 FROM deliveries WHERE sink = ? AND soc = ? AND sequence = ? AND state = 'pending'"
    over = []
    for sequence, created_at in rows:
        if created_at >= before or any(
            connection.execute(waits, (sink, soc, sequence)).fetchone() for sink in sinks
        ):
            break
        over.append((sequence, created_at))
    return over


def _forget(connection: sqlite3.Connection, soc: str, over: list[tuple[int, str]]) -> None:
    """Messages go with what was on its way of them: what is parked so long, nobody sends again."""
    keys = [(soc, sequence) for sequence, _ in over]
    for sink in distinct(connection, "deliveries", "sink"):
        query = "DELETE FROM deliveries WHERE sink = ? AND soc = ? AND sequence = ?"
        connection.executemany(query, [(sink, *key) for key in keys])
    connection.executemany("DELETE FROM messages WHERE soc = ? AND sequence = ?", keys)
    connection.execute(
        "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = MAX(value, excluded.value)",
        (PURGED, over[-1][1]),
    )


def _quarantine(_now: datetime, connection: sqlite3.Connection) -> Bitten:
    few = "SELECT n FROM quarantine WHERE n <= (SELECT MAX(n) FROM quarantine) - ? ORDER BY n LIMIT ?"
    return _bitten(connection.execute(f"DELETE FROM quarantine WHERE n IN ({few})", (MAX_QUARANTINE, BITE)))


def _commands(now: datetime, connection: sqlite3.Connection) -> Bitten:
    few = "SELECT command_id FROM commands WHERE changed_at < ? LIMIT ?"
    query = f"DELETE FROM commands WHERE command_id IN ({few})"
    return _bitten(connection.execute(query, (text(now - KEEP_COMMANDS), BITE)))


def _left_tracks(now: datetime, connection: sqlite3.Connection) -> Bitten:
    """A track ends with its case."""
    query = "SELECT case_id FROM left_cases WHERE at < ? ORDER BY at LIMIT 1"
    left = connection.execute(query, (text(now - KEEP_TRACK),)).fetchone()
    if left is None:
        return Bitten(0, more=False)
    few = "SELECT n FROM tracks WHERE case_id = ? LIMIT ?"
    deleted = connection.execute(f"DELETE FROM tracks WHERE n IN ({few})", (*left, BITE)).rowcount
    if deleted < BITE:
        connection.execute("DELETE FROM left_cases WHERE case_id = ?", left)
    return Bitten(deleted, more=True)


def _cases(now: datetime, connection: sqlite3.Connection) -> Bitten:
    forgotten = cases.forget(connection, now - KEEP_CASES)
    return Bitten(forgotten, more=forgotten == cases.FORGET_AT_ONCE)


def _handovers(now: datetime, connection: sqlite3.Connection) -> Bitten:
    forgotten = handovers.forget(connection, now - KEEP_CASES)
    return Bitten(forgotten, more=forgotten == handovers.FORGET_AT_ONCE)


def _tries(now: datetime, connection: sqlite3.Connection) -> Bitten:
    return _bitten(accounts.forget_tries(connection, now, BITE))


def _bitten(done: sqlite3.Cursor) -> Bitten:
    return Bitten(done.rowcount, more=done.rowcount == BITE)
