"""
A store as it is after years: the lives of a few vehicles (``bench.lives``), each of them multiplied.

A row of a template becomes a row of each clone with another VIN, other ids and its own place in the feed.
VINs and ids of clones lie scattered, as real ones do: neighbours in the feed are no neighbours in the tables.
What is over its time was deleted by the store's own retention before. The audit trail is left out.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from bench import lives as template
from bench.lives import LIVES, Life
from devtools import CACHE, ROOT
from gateway.adapters.storage.sqlite.schema import migrate
from gateway.adapters.storage.sqlite.store import SqliteStore

NIGHTS = 10
"""Alarms of each vehicle."""
SCATTER = 11_184_811
"""Odd, so that numbers below 2^24 times this are scattered over them and stay different."""
SPAN = 1 << 24
MAX_VEHICLES = 1_000_000
IN_FEED_ORDER = (
    "facts", "messages", "deliveries", "cases", "case_entries", "tracks",
)  # fmt: skip
IN_KEY_ORDER = (
    "vehicles", "vehicle_parts", "alarms", "left_cases", "unprotected", "registry", "registry_users",
)  # fmt: skip

PLACES = frozenset({"sequence", "first_sequence", "last_sequence"})
TEMPLATE_VIN = "XVG000000"

Told = Sequence[tuple[str, int, str]]
"""SOC, sequence and subject of every message that ever was, in order."""
Maker = Callable[[int], tuple[Any, ...]]
"""The row of a clone."""


def store(vehicles: int, lives: tuple[Life, ...] = LIVES, nights: int = NIGHTS) -> Path:
    """The folder of such a store, made at the first call and kept under the bench's scratch folder."""
    if vehicles > MAX_VEHICLES:
        raise ValueError(f"at most {MAX_VEHICLES:,} vehicles")
    folder = CACHE / "bench" / f"filled-{_key(vehicles, lives, nights)}"
    path = folder / "gateway.db"
    if not path.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        _write(folder, vehicles, lives, nights)
    return path


def heard_just_now(path: Path) -> None:
    """The watch over each vehicle's silence ends some time in the next two days, as if it had just spoken."""
    connection = sqlite3.connect(path)
    now = datetime.now(UTC)
    wakes = [
        (now + timedelta(minutes=60 + place)).isoformat(timespec="microseconds") for place in range(2880)
    ]
    connection.create_function("wake_of", 1, lambda vin: wakes[int(vin[3:9], 16) % len(wakes)])
    connection.execute("UPDATE vehicles SET wake_at = wake_of(vin) WHERE vin NOT LIKE 'gateway:%'")
    connection.commit()
    connection.close()


def _key(vehicles: int, lives: tuple[Life, ...], nights: int) -> str:
    """Another schema, or another way to make it, is another store."""
    sources = [Path(__file__), Path(template.__file__)]
    sources += sorted((ROOT / "gateway" / "adapters" / "storage" / "sqlite" / "migrations").glob("*.sql"))
    digest = sha256(f"{vehicles} {nights} {lives}".encode())
    for source in sources:
        digest.update(source.read_bytes())
    return f"{vehicles}-{digest.hexdigest()[:8]}"


def _write(folder: Path, vehicles: int, lives: tuple[Life, ...], nights: int) -> None:
    few, unfinished = folder / "template.db", folder / "unfinished.db"
    template.write(few, lives, nights)
    source = sqlite3.connect(few, isolation_level=None)
    told = source.execute("SELECT soc, sequence, subject FROM messages ORDER BY soc, sequence").fetchall()
    asyncio.run(_prune(few))
    target = sqlite3.connect(unfinished, isolation_level=None)
    target.execute("PRAGMA page_size = 4096")
    migrate(target)
    for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -1000000"):
        target.execute(f"PRAGMA {pragma}")
    clones = {life.vin: max(1, vehicles * life.percent // 100) for life in lives}
    _multiply(source, target, Cloning(source, clones, told))
    source.close()
    target.close()
    unfinished.rename(folder / "gateway.db")


async def _prune(path: Path) -> None:
    store = SqliteStore(path, template.CANARY)
    await store.prune(datetime.now(UTC))
    store.close()


def _multiply(source: sqlite3.Connection, target: sqlite3.Connection, cloning: Cloning) -> None:
    indexes = target.execute("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
    again = indexes.fetchall()
    target.execute("BEGIN")
    for name, _ in again:
        target.execute(f"DROP INDEX {name}")
    target.execute("DELETE FROM meta")
    target.executemany("INSERT INTO meta VALUES (?, ?)", source.execute("SELECT * FROM meta"))
    target.execute("UPDATE meta SET value = replace(value, 'XVG000000', 'ZZZ000000') WHERE key = 'survey'")
    target.execute("DELETE FROM meta WHERE key = 'audit_head'")
    for table in (*IN_FEED_ORDER, *IN_KEY_ORDER):
        names, makers = cloning.makers(table)
        marks = ", ".join("?" * len(names))
        rows = _by_template(makers) if table in IN_FEED_ORDER else _by_clone(makers)
        target.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", rows)  # noqa: S608
    for _, sql in again:
        target.execute(sql)
    target.execute("COMMIT")


def _by_template(makers: Sequence[tuple[int, Maker]]) -> Iterator[tuple[Any, ...]]:
    for count, make in makers:
        yield from map(make, range(count))


def _by_clone(makers: Sequence[tuple[int, Maker]]) -> Iterator[tuple[Any, ...]]:
    """In the order in which clones lie in tables that are sorted by VIN or id."""
    for clone in sorted(range(max((count for count, _ in makers), default=0)), key=scattered):
        for count, make in makers:
            if clone < count:
                yield make(clone)


def scattered(clone: int) -> int:
    """Where a clone lies among all."""
    return clone * SCATTER % SPAN


class Cloning:
    """Knows what in a template's rows must differ from clone to clone."""

    def __init__(self, source: sqlite3.Connection, clones: dict[str, int], told: Told) -> None:
        self._source, self._clones = source, clones
        self._vin_of: dict[str, str] = {}
        for query in ("SELECT alarm_id, subject FROM alarms", "SELECT case_id, vin FROM cases"):
            self._vin_of.update(tuple(row) for row in source.execute(query))
        ids = "|".join(map(re.escape, self._vin_of))
        self._tokens = re.compile(
            rf'(?P<vin>{TEMPLATE_VIN})|(?P<id>{ids})|"(?P<key>sequence|id)":(?P<quote>"?)(?P<sequence>\d+)"?|%'
        )
        self._soc_of = {subject: soc for soc, _, subject in told}
        self._first: dict[tuple[str, int], int] = {}
        taken: Counter[str] = Counter()
        for soc, sequence, subject in told:
            self._first[soc, sequence] = taken[soc] + 1
            taken[soc] += clones.get(subject, 0)

    def makers(self, table: str) -> tuple[list[str], list[tuple[int, Maker]]]:
        """Columns, and for each row of the template how many clones it has and what makes theirs."""
        cursor = self._source.execute(f"SELECT * FROM {table}")  # noqa: S608  # a name of ours
        columns = [column[0] for column in cursor.description]
        rows = [dict(zip(columns, row, strict=True)) for row in cursor]
        names = [
            name
            for _, name, kind, _, _, key in self._source.execute(f"PRAGMA table_info({table})")
            if not (key == 1 and kind == "INTEGER")  # SQLite numbers these itself
        ]
        makers = []
        for row in rows:
            vin = str(
                row.get("vin")
                or row.get("subject")
                or self._vin_of.get(row.get("alarm_id") or row["case_id"])
            )
            if vin in self._clones:
                makers.append((self._clones[vin], self._maker(vin, [(name, row[name]) for name in names])))
        return names, makers

    def _maker(self, vin: str, row: list[tuple[str, Any]]) -> Maker:
        """What makes a clone's row: texts with gaps, and places in the feed."""
        soc, firsts = self._soc_of.get(vin, "default"), {}

        def gap(found: re.Match[str]) -> str:
            if found["vin"]:
                return "XVG%(vin)s"
            if found["id"]:
                return f"%(id)s{found['id'][6:]}"
            if found["sequence"] and (first := self._first.get((soc, int(found["sequence"])))) is not None:
                firsts[found["sequence"]] = first
                return f'"{found["key"]}":{found["quote"]}%({found["sequence"]})d{found["quote"]}'
            return found[0].replace("%", "%%")

        cells: list[Callable[[dict[str, Any]], Any]] = []
        for name, value in row:
            if name in PLACES:
                cells.append(partial(_placed, self._first[soc, value]))
            elif isinstance(value, str):
                cells.append(self._tokens.sub(gap, value).__mod__)
            elif isinstance(value, bytes) and value[:1] in {b"{", b"["}:
                cells.append(partial(_encoded, self._tokens.sub(gap, value.decode())))
            else:
                cells.append(partial(_same, value))

        def make(clone: int) -> tuple[Any, ...]:
            place = scattered(clone)
            values: dict[str, Any] = {name: first + clone for name, first in firsts.items()}
            values |= {"clone": clone, "vin": f"{place:06X}", "id": f"{place:06x}"}
            return tuple([cell(values) for cell in cells])

        return make


def _placed(first: int, values: dict[str, Any]) -> int:
    return first + int(values["clone"])


def _encoded(text: str, values: dict[str, Any]) -> bytes:
    return (text % values).encode()


def _same(value: Any, _values: dict[str, Any]) -> Any:
    return value
