"""``vehicle-emulator play``: a recording on the air again, each vehicle on its own connection."""

from __future__ import annotations

import asyncio
import time
from array import array
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from gateway.wire.topics import vehicle_topic
from vehicle_emulator import access, codec, messages, report, tape
from vehicle_emulator.figures import Percentiles, percentiles
from vehicle_emulator.progress import Bar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from vehicle_emulator.access import Credentials
    from vehicle_emulator.link import Station
    from vehicle_emulator.tape import Message

KEEPALIVE_S: Final = 60
SHOW_EVERY_S: Final = 1.0
PATIENCE_S: Final = 30.0
_BREATHE_EVERY = 64
_NAP_S = 0.002
_LONGEST_NAP_S = KEEPALIVE_S / 3
_HEAR_OUT_S = 1.0


class PlayError(Exception):
    """The broker does not take it; the text says what."""


class Played(msgspec.Struct, frozen=True):
    """What became of a recording. ``late_ms``: how much later than on the tape, at this speed."""

    vehicles: int
    messages: int
    missing: int
    receipted: int
    rejected: int
    seconds: float
    late_ms: Percentiles
    connections: dict[str, int]


class Player:
    """One vehicle of the recording: a voice that was recorded, and ears for receipts."""

    __slots__ = ("_counts", "_credentials", "link", "vin")

    def __init__(self, vin: str, station: Station, credentials: Credentials, counts: Counter[str]) -> None:
        """Stay off the air until ``link.open``."""
        self.vin, self._credentials, self._counts = vin, credentials, counts
        self.link = station.link(self)

    def greeting(self) -> codec.Greeting:
        """Who calls. The wills stand in the recording, so there is none."""
        username, password = self._credentials(self.vin)
        return codec.Greeting(self.vin, username, password, "", b"", KEEPALIVE_S)

    def topics(self) -> tuple[str, ...]:
        """Receipts."""
        return (vehicle_topic(self.vin, messages.RECEIPT),)

    def link_up(self) -> None:
        """See ``Listener``, as for all that follows."""

    def link_down(self) -> None:
        """Counted by the station."""

    def link_room(self) -> None:
        """Whoever waits for room asks for it."""

    def link_message(self, topic: str, payload: bytes) -> None:  # noqa: ARG002  # one topic only
        """Count a receipt."""
        try:
            receipt = messages.decode_receipt(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._counts["unreadable"] += 1
            return
        self._counts["receipted"] += len(receipt.event_ids)
        self._counts["rejected"] += len(receipt.rejected)

    async def say(self, message: Message) -> None:
        """
        Publish as soon as there is room: the order of a recording holds.

        Errors:  PlayError after half a minute without room.
        """
        if not self._publish(message):
            await _until(lambda: self._publish(message), f"{self.vin}: the broker takes no more")

    def _publish(self, message: Message) -> bool:
        if message.surely:
            return self.link.publish_surely(message.topic, message.payload, retain=message.retain)
        return self.link.publish(message.topic, message.payload)


async def play(path: Path, station: Station, credentials: Credentials, speed: float) -> Played:
    """
    Publish a recording at so many times its speed, 0: as fast as the broker takes it.

    Errors:  PlayError, tape.TapeError.
    """
    lost = total = 0
    vins: dict[str, None] = {}
    for line in tape.read(path):
        lost += line.lost
        for message in tape.said(iter((line,))):
            vins[message.vin] = None
            total += 1
    if not vins:
        raise PlayError(f"{path}: no message of a vehicle stands in it")
    access.allow_files(len(vins))
    counts: Counter[str] = Counter()
    players = {vin: Player(vin, station, credentials, counts) for vin in vins}
    began_s = time.monotonic()
    try:
        await _connect(players.values())
        with Bar(Console(stderr=True), total, "messages") as bar:
            shown = _shown(tape.said(tape.read(path)), bar, counts)
            count, late_ms = await _play(shown, players, speed)
        await _hear_out(players.values(), counts)
    finally:
        for player in players.values():
            player.link.close()
    return Played(
        len(players), count, lost, counts["receipted"], counts["rejected"],
        round(time.monotonic() - began_s, 3), percentiles(late_ms), dict(station.counts),
    )  # fmt: skip


def _shown(said: Iterator[Message], bar: Bar, counts: Counter[str]) -> Iterator[Message]:
    """All of it, while a bar tells how far it is and how fast."""
    began_s = shown_s = time.monotonic()
    for number, message in enumerate(said):
        if (now_s := time.monotonic()) - shown_s >= SHOW_EVERY_S:
            shown_s = now_s
            heard = f"{counts['receipted']:,} receipted, {counts['rejected']:,} rejected"
            bar.tell(number, f"{number / (now_s - began_s):,.0f}/s, {heard}")
        yield message


async def _connect(players: Iterable[Player]) -> None:
    for player in players:
        player.link.open()
    await _until(
        lambda: all(player.link.is_up for player in players), "not all vehicles connect, check --passwords"
    )


async def _play(
    said: Iterable[Message], players: dict[str, Player], speed: float
) -> tuple[int, array[float]]:
    """By the tape's clock; connections are kept alive in its pauses."""
    late_ms: array[float] = array("d")
    began_s, first_at, count = time.monotonic(), None, 0
    next_ping_s = began_s + _LONGEST_NAP_S
    for message in said:
        first_at = first_at or message.at
        due_s = began_s + ((message.at - first_at).total_seconds() / speed if speed else 0.0)
        while (wait_s := due_s - time.monotonic()) > 0 or time.monotonic() >= next_ping_s:
            if time.monotonic() >= next_ping_s:
                next_ping_s += _LONGEST_NAP_S
                for player in players.values():
                    player.link.keep_alive()
            await asyncio.sleep(max(0.0, min(wait_s, _LONGEST_NAP_S)))
        await players[message.vin].say(message)
        late_ms.append((time.monotonic() - due_s) * 1_000 if speed else 0.0)
        count += 1
        if count % _BREATHE_EVERY == 0:
            await asyncio.sleep(0)
    return count, late_ms


async def _hear_out(players: Iterable[Player], counts: Counter[str]) -> None:
    """Until all is acknowledged, and then as long as receipts still come."""
    await _until(
        lambda: not any(player.link.in_flight for player in players), "the broker acknowledges no more"
    )
    before = -1
    while counts["receipted"] != before:
        before = counts["receipted"]
        await asyncio.sleep(_HEAR_OUT_S)


async def _until(true: Callable[[], bool], complaint: str) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not true():  # noqa: ASYNC110  # a link has no event for it
                await asyncio.sleep(_NAP_S)
    except TimeoutError as error:
        raise PlayError(f"{complaint}, for {PATIENCE_S:g} s") from error


def play_file(  # noqa: PLR0917  # one parameter per option of the command line
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="of `run --record` or `day`")],
    broker: access.Broker = "mqtt://127.0.0.1:1883",
    speed: Annotated[
        float, typer.Option(min=0.0, help="times as fast; 0: as fast as the broker takes it")
    ] = 1.0,
    passwords: access.Passwords = None,
    password: access.Password = None,
    protocol: access.ProtocolOption = access.Protocol.V5,
    ca_file: access.CaFile = None,
) -> None:
    """Publish a recording again, the same bytes in the same order; exit 1 if a connection was lost."""
    where = access.address(broker)
    station = access.station(where, protocol, ca_file, seed=1)
    try:
        played = asyncio.run(play(file, station, access.credentials(where, passwords, password), speed))
    except (PlayError, tape.TapeError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    view = Table(title=str(file), show_header=False)
    for name, value in msgspec.structs.asdict(played).items():
        if isinstance(value, Percentiles):
            report.add_row(view, "late, ms", report.in_words(value))
        elif isinstance(value, dict):
            report.add_row(view, name, value)
        else:
            view.add_row(name, str(value))
    Console().print(view)
    raise typer.Exit(1 if station.counts["disconnects"] else 0)
