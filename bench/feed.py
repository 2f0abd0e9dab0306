"""Alarm latency with live readers of the feed beside it and without; none of them misses or doubles one."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import re
import socket
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.alarms import Lap, lap
from bench.figures import Rounds
from bench.fleet import Work
from bench.show import Progress, broken, save, table
from bench.stage import Stage, StageError, wait_for
from devtools.broker import HOST

EVENT = re.compile(rb"(?<=\n)id: (\d+)\n[^\n]*\ndata: [^\n]*\n\n")
CHUNK = re.compile(rb"\r\n[0-9a-f]+\r\n")
"""Between two chunks of HTTP; no event holds a carriage return."""
LITTLE_BYTES = 4096
CATCH_UP_S = 60.0
DRAIN_S = 30.0
WARM_UP_S = 1.0
CAUSES_EACH = 8
"""Of a vehicle's causes so many are used: each is an alarm of its own, and none waits to be gathered."""


class Reader:
    """One reader of the feed, which notes every sequence number it is given."""

    def __init__(self, url: str, token: str, after: int | None) -> None:
        self._address = HOST, int(url.rpartition(":")[2])
        self._after = "" if after is None else f"Last-Event-ID: {after}\r\n"
        self._token = token
        self.sequences: list[int] = []
        self.is_up = False

    async def open(self, buffer_bytes: int | None = None) -> asyncio.StreamReader:
        """Connect and ask."""
        link = socket.socket()
        if buffer_bytes is not None:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        link.setblocking(False)
        await asyncio.get_running_loop().sock_connect(link, self._address)
        reader, self._writer = await asyncio.open_connection(sock=link, limit=buffer_bytes or 2**16)
        head = f"GET /api/v1/feed HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {self._token}\r\n"
        self._writer.write(f"{head}{self._after}\r\n".encode())
        return reader

    async def follow(self, reader: asyncio.StreamReader | None = None) -> None:
        """Read until the connection ends."""
        reader = reader or await self.open()
        rest = b""
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(2**16):
                self.is_up = True
                rest = CHUNK.sub(b"", rest + data)
                found = list(EVENT.finditer(rest))
                self.sequences += [int(one[1]) for one in found]
                if found:
                    rest = rest[found[-1].end() - 1 :]
        self._writer.close()


class Readers:
    """Readers in a thread of their own; a context manager."""

    def __init__(self, url: str, token: str, count: int, after: int) -> None:
        self.all = [Reader(url, token, after) for _ in range(count)]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        """Connect them."""
        self._thread.start()
        for one in self.all:
            self.do(one.follow())
        wait_for(lambda: all(one.is_up for one in self.all), CATCH_UP_S, "the readers did not connect")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect them."""
        self.do(_end_all()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run something in their thread."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)


async def _end_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Its command line."""
    parser.add_argument("--readers", type=int, default=20)
    parser.add_argument("--rate", type=float, default=200.0, help="alarms per second")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each lap")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--max-ratio", type=float, help="bound: latency with readers to without, p50 and p99")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")


def main(options: argparse.Namespace) -> int:
    """Measure, report, judge."""
    say = Progress()
    quiet, beside, slow = run(options, say)
    say.done()
    rows: list[tuple[str, object]] = []
    ratios = {}
    for name, of in (("receipt", _receipt), ("webhook", _webhook)):
        for place in ("p50", "p99"):
            with_readers = Rounds(tuple(getattr(of(one), place) for one in beside))
            without = Rounds(tuple(getattr(of(one), place) for one in quiet))
            ratios[f"{name} {place}"] = with_readers.median / without.median
            rows.append((f"event to {name}, {place}, ms", with_readers.text(2)))
            rows.append(("  without readers", without.text(2)))
            rows.append(("  RATIO", f"{ratios[f'{name} {place}']:.2f}"))
    rows += [("gateway CPU, us per alarm", _cpu(beside).text()), ("  without readers", _cpu(quiet).text())]
    rows.append(("slow reader", slow))
    table(f"{options.readers} feed readers at {options.rate:g} alarms/s: none missed one, none doubled", rows)
    most = options.max_ratio
    sentences = broken(
        [(most is not None and ratio > most, f"{name}: ratio above {most}") for name, ratio in ratios.items()]
    )
    save(options.json, {"feed": ratios, "slow": slow, "failed": sentences})
    return 1 if sentences else 0


def _receipt(one: Lap) -> Any:
    return one.report.latency_ms


def _webhook(one: Lap) -> Any:
    return one.soc_latency_ms


def _cpu(laps: list[Lap]) -> Rounds:
    return Rounds(tuple(one.us_per_alarm("gateway") for one in laps))


def run(options: argparse.Namespace, say: Callable[[str], None]) -> tuple[list[Lap], list[Lap], str]:
    """Laps without readers and with them, in turn. Errors: StageError if a reader has not seen all."""
    work = Work(rate=options.rate, warm_up_s=WARM_UP_S, seconds=options.seconds, drain_s=DRAIN_S)
    events = options.rate * (options.seconds + WARM_UP_S) * options.rounds * 2
    quiet, beside = [], []
    with Stage(vehicles=max(1, round(events / CAUSES_EACH))) as stage:
        url, token = stage.gateway.url, stage.gateway.token()
        with Readers(url, token, 0, 0) as bench:
            slow = Reader(url, token, 0)
            unread = bench.do(slow.open(LITTLE_BYTES)).result()
            for number in range(options.rounds):
                say(f"round {number + 1} of {options.rounds}, without readers")
                quiet.append(lap(stage, work))
                say(f"round {number + 1} of {options.rounds}, with readers")
                first = stage.last_sequence()
                with Readers(url, token, options.readers, first) as readers:
                    beside.append(lap(stage, work))
                    _caught_up(stage, readers.all, first)
            told = _slow(stage, bench, slow, unread)
        _judge(stage, [*quiet, *beside])
    return quiet, beside, told


def _caught_up(stage: Stage, readers: list[Reader], first: int) -> None:
    """Every reader has every message from the first to the last, each once, in order."""
    last = stage.last_sequence()
    expected = list(range(first + 1, last + 1))
    for number, reader in enumerate(readers):

        def has_all(reader: Reader = reader) -> bool:
            return len(reader.sequences) >= len(expected)

        wait_for(has_all, CATCH_UP_S, f"reader {number} has {len(reader.sequences)} of {len(expected)}")
        if reader.sequences[: len(expected)] != expected:
            raise StageError(f"reader {number} missed or doubled something after {first}")


def _slow(stage: Stage, bench: Readers, slow: Reader, unread: asyncio.StreamReader) -> str:
    """One that read nothing all the time: what became of it, and whether it can go on without a gap."""
    _, before = bench.do(slow.follow(unread)), stage.last_sequence()
    with contextlib.suppress(StageError):
        wait_for(lambda: len(slow.sequences) >= before, 5.0, "was cut off")
    seen = len(slow.sequences)
    url, token = stage.gateway.url, stage.gateway.token()
    again = Reader(url, token, seen)
    bench.do(again.follow())
    _caught_up(stage, [again], seen)
    if slow.sequences != list(range(1, seen + 1)):
        raise StageError("the slow reader missed or doubled something")
    how = "cut off" if seen < before else "not cut off: all of it was in buffers; measure for longer"
    return f"{how} after message {seen:,} of {before:,}; went on to the last without a gap"


def _judge(stage: Stage, laps: list[Lap]) -> None:
    """Errors: StageError if an alarm was lost."""
    verdict, said = stage.read_ledger().verdict(stage.last_sequence()), stage.verify()
    if not verdict.is_good or said != "whole" or not all(one.all_delivered for one in laps):
        stage.keep_folder()
        raise StageError(f"a promise is broken: {verdict.examples or said}; evidence in {stage.folder}")
