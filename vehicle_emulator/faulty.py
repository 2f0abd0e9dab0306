"""
A station whose links lose, double, disorder and delay what passes, break, hang, and carry poison.

1. What befalls a message is decided in ``faults``; here it is done to a ``Link``, between it and its vehicle.
2. What is heard is lost or doubled only: the broker does the rest by itself.
3. What is held back is bounded and is lost with its connection; the vehicle's outbox sends events again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.wire.topics import vehicle_topic
from vehicle_emulator import faults

if TYPE_CHECKING:
    from collections.abc import Callable

    from vehicle_emulator import codec
    from vehicle_emulator.faults import Faults
    from vehicle_emulator.link import Listener, Station

MOST_HELD: Final = 2_000
# Nothing may follow for hours: then the one that waits to be second goes alone.
OVERTAKEN_WITHIN_S: Final = 1.0


class _Said(NamedTuple):
    topic: str
    payload: bytes
    surely: bool
    retain: bool


class FaultyStation:
    """Implements ``Carrier`` over another station."""

    def __init__(self, station: Station, what: Faults, seed: int) -> None:
        """``counts`` are the station's, with ``fault_…`` for each fault that happened."""
        self.station, self.faults, self.seed = station, what, seed
        self.version, self.counts = station.version, station.counts

    def link(self, listener: Listener) -> FaultyLink:
        """See ``Carrier``."""
        return FaultyLink(self, listener)


class FaultyLink:
    """Implements ``Radio`` over a ``Link``, whose listener it is."""

    __slots__ = (
        "_connection", "_heard", "_is_silent", "_link", "_listener", "_overtaken", "_said", "_station",
        "_tunnel", "_vin", "_waiting", "_waits",
    )  # fmt: skip

    def __init__(self, station: FaultyStation, listener: Listener) -> None:
        """Make a link that is closed until ``open`` is called."""
        self._station, self._listener = station, listener
        self._vin = listener.greeting().client_id
        self._link = station.station.link(self)
        self._said = self._heard = self._connection = self._waits = 0
        self._is_silent = False
        self._tunnel: list[_Said] | None = None
        self._overtaken: _Said | None = None
        self._waiting: deque[_Said] = deque()

    @property
    def is_up(self) -> bool:
        """As far as the vehicle can tell."""
        return self._link.is_up

    @property
    def room(self) -> int:
        """What waits has the first place in the window."""
        return max(0, self._link.room - len(self._waiting))

    @property
    def is_gone(self) -> bool:
        """Whether there is no connection, and none in the making."""
        return self._link.is_gone

    def open(self) -> None:
        """See ``Radio``."""
        self._link.open()

    def cut(self) -> None:
        """See ``Radio``."""
        self._forget()
        self._link.cut()

    def close(self) -> None:
        """See ``Radio``."""
        self._forget()
        self._link.close()

    def publish(self, topic: str, payload: bytes) -> bool:
        """QoS 0. False if it was dropped and nobody made it so."""
        if self._link.is_up:
            self._meet(_Said(topic, payload, surely=False, retain=False))
        return self._link.is_up

    def publish_surely(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        """QoS 1. False if the window is full or the link is down."""
        if self.room <= 0:
            return False
        self._meet(_Said(topic, payload, surely=True, retain=retain))
        return True

    def keep_alive(self) -> None:
        """A half-open link answers no ping; it is noticed after its time."""
        if not self._is_silent:
            self._link.keep_alive()

    def greeting(self) -> codec.Greeting:
        """See ``Listener``, as for all that follows."""
        return self._listener.greeting()

    def topics(self) -> tuple[str, ...]:
        """The vehicle's."""
        return self._listener.topics()

    def link_up(self) -> None:
        """A new connection begins well."""
        self._forget()
        self._listener.link_up()

    def link_down(self) -> None:
        """Rule 3."""
        self._forget()
        self._listener.link_down()

    def link_room(self) -> None:
        """First what waited."""
        while self._waiting and self._link.room > 0:
            self._write(self._waiting.popleft())
        if self.room > 0:
            self._listener.link_room()

    def link_message(self, topic: str, payload: bytes) -> None:
        """Rule 2."""
        station = self._station
        self._heard += 1
        kind = faults.fate(station.faults, station.seed, self._vin, self._heard, "heard").kind
        if kind in {"loss", "duplicate"}:
            station.counts[f"fault_{kind}_heard"] += 1
        for _ in range({"loss": 0, "duplicate": 2}.get(kind, 1)):
            self._listener.link_message(topic, payload)

    def _meet(self, said: _Said) -> None:
        """Let the message meet its fate."""
        station = self._station
        self._said += 1
        kind, part = faults.fate(station.faults, station.seed, self._vin, self._said)
        if kind == "none":
            self._pass(said)
            return
        station.counts[f"fault_{kind}"] += 1
        if kind == "duplicate":
            self._pass(said)
            self._pass(said)
        elif kind == "reorder":
            self._be_overtaken(said)
        elif kind == "delay":
            self._later(part * station.faults.delay_s, lambda: self._pass(said))
        elif kind == "tunnel":
            self._enter_tunnel(said)
        elif kind == "dead":
            self._is_silent = True
            self._break()
        elif kind == "half_open":
            self._hang()
        elif kind == "poison":
            self._pass(said)
            self._poison(part)

    def _pass(self, said: _Said) -> None:
        """On the way, but for the tunnel, and before the one that waits to be second."""
        if self._tunnel is None:
            self._send(said)
        elif len(self._tunnel) < MOST_HELD:
            self._tunnel.append(said)
        else:
            self._station.counts["fault_overflow"] += 1
        if (second := self._overtaken) is not None:
            self._overtaken = None
            self._pass(second)

    def _send(self, said: _Said) -> None:
        if said.surely and (self._waiting or self._link.room <= 0):
            if len(self._waiting) < MOST_HELD:
                self._waiting.append(said)
            else:
                self._station.counts["fault_overflow"] += 1
        else:
            self._write(said)

    def _write(self, said: _Said) -> None:
        if self._is_silent:
            return
        if said.surely:
            self._link.publish_surely(said.topic, said.payload, retain=said.retain)
        else:
            self._link.publish(said.topic, said.payload)

    def _be_overtaken(self, said: _Said) -> None:
        if self._overtaken is not None:
            self._pass(said)
            return
        self._overtaken = said
        self._later(OVERTAKEN_WITHIN_S, lambda: self._go_alone(said))

    def _go_alone(self, said: _Said) -> None:
        if self._overtaken is said:
            self._overtaken = None
            self._pass(said)

    def _enter_tunnel(self, said: _Said) -> None:
        if self._tunnel is None:
            self._tunnel = []
            self._later(self._station.faults.tunnel_s, self._leave_tunnel, at_once=False)
        self._pass(said)

    def _leave_tunnel(self) -> None:
        held, self._tunnel = self._tunnel or [], None
        for said in held:
            self._send(said)

    def _hang(self) -> None:
        if not self._is_silent:
            self._is_silent = True
            self._link.stop_reading()
            self._later(self._station.faults.half_open_s, self._break, at_once=False)

    def _break(self) -> None:
        self._link.cut()
        self._link.open()

    def _poison(self, part: float) -> None:
        kind, payload = faults.poison(part, self._said)
        self._pass(_Said(vehicle_topic(self._vin, kind), payload, kind != "telemetry", retain=False))

    def _later(self, delay_s: float, act: Callable[[], None], *, at_once: bool = True) -> None:
        """On this connection or never; ``at_once`` where too much waits."""
        if at_once and self._waits >= MOST_HELD:
            act()
            return
        connection = self._connection
        self._waits += 1

        def do() -> None:
            if connection == self._connection:
                self._waits -= 1
                act()

        asyncio.get_running_loop().call_later(delay_s, do)

    def _forget(self) -> None:
        self._connection += 1
        self._waits, self._is_silent = 0, False
        self._tunnel = self._overtaken = None
        self._waiting.clear()
