"""
A broker in the process: what vehicles publish goes to the gateway's ingest as bytes, and back.

Rules of this file:

1. What is at QoS 1 is kept until the gateway acknowledges it, and told again if the gateway had no room.
2. Like a broker without persistence, a restart forgets what was not acknowledged yet, and every connection.
3. All that comes in within ``GATHER_S`` is one batch, as a network and a session gather it.
4. A connection that is cut publishes its last will at once.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from gateway.errors import LinkDown
from gateway.ports import Clock, Inbound, Reply
from gateway.wire.topics import split_vehicle_topic
from vehicle_emulator.codec import Version
from vehicle_emulator.link import WINDOW, Listener

if TYPE_CHECKING:
    from vehicle_emulator.dice import Dice

GATHER_S = 0.05
DIAL_S = (0.05, 0.4)
DIAL_AGAIN_S = (0.5, 5.0)
TOLD_AGAIN_S = 1.0

Takes = Callable[[Sequence[Inbound]], bool]


class Air:
    """All connections, and the gateway's. Implements the emulator's Carrier and the gateway's Link."""

    def __init__(self, clock: Clock, dice: Dice) -> None:
        self.version = Version.V5
        self.counts: Counter[str] = Counter()
        self.connected = True
        self.take: Takes = lambda _batch: True
        """The gateway's ingest."""
        self.dice = dice
        self._clock = clock
        self._radios: dict[str, AirRadio] = {}
        self._arriving: list[Inbound] = []
        self._unacknowledged: dict[int, tuple[str, bytes]] = {}
        self._number = 0

    # -- vehicles -----------------------------------------------------------------------------------------

    def link(self, listener: Listener) -> AirRadio:
        """See ``Carrier``."""
        return AirRadio(self, listener)

    def carry(self, topic: str, payload: bytes, *, surely: bool) -> None:
        """Take a message on its way to the gateway."""
        if not self.connected:
            return
        if not surely:
            self._arrive(Inbound(topic, payload, self._clock.now()))
            return
        self._number += 1
        self._unacknowledged[self._number] = topic, payload
        self._arrive(self._inbound(self._number))

    def up(self, user: str, radio: AirRadio) -> None:
        """A connection is subscribed."""
        self._radios[user] = radio
        self.counts["connects"] += 1

    def down(self, user: str) -> None:
        """A connection is gone."""
        self._radios.pop(user, None)
        self.counts["disconnects"] += 1

    # -- the gateway --------------------------------------------------------------------------------------

    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False, expiry_s: int | None = None
    ) -> None:
        """See the gateway's ``Link``; what is a vehicle's own topic comes back, as the canary's does."""
        del qos, retain, expiry_s
        if not self.connected:
            raise LinkDown("the broker is away")
        self.carry(topic, payload, surely=True)

    def post(
        self, topic: str, payload: bytes, *, expiry_s: int | None = None, reply: Reply | None = None
    ) -> bool:
        """See the gateway's ``Link``."""
        del expiry_s, reply
        if not self.connected:
            return False
        parts = split_vehicle_topic(topic)
        radio = None if parts is None else self._radios.get(parts[0])
        if radio is not None:
            asyncio.get_running_loop().call_later(GATHER_S, radio.hear, topic, payload)
        return True

    async def restart(self, away_s: float) -> None:
        """Forget every connection and what was not acknowledged, and be back after a while."""
        self.connected = False
        self._arriving.clear()
        self._unacknowledged.clear()
        for radio in list(self._radios.values()):
            radio.lose()
        await asyncio.sleep(away_s)
        self.connected = True

    def _inbound(self, number: int) -> Inbound:
        topic, payload = self._unacknowledged[number]
        return Inbound(topic, payload, self._clock.now(), lambda: self._acknowledged(number))

    def _acknowledged(self, number: int) -> None:
        self._unacknowledged.pop(number, None)

    def _arrive(self, message: Inbound) -> None:
        if not self._arriving:
            asyncio.get_running_loop().call_later(GATHER_S, self._hand_over)
        self._arriving.append(message)

    def _hand_over(self) -> None:
        batch, self._arriving = self._arriving, []
        if batch and not self.take(batch):
            self.counts["no_room"] += 1
            asyncio.get_running_loop().call_later(TOLD_AGAIN_S, self._tell_again)

    def _tell_again(self) -> None:
        for number in list(self._unacknowledged):
            self._arrive(self._inbound(number))


class AirRadio:
    """One connection. Implements the emulator's Radio."""

    __slots__ = ("_air", "_dialling", "_listener", "_wanted", "is_up")

    def __init__(self, air: Air, listener: Listener) -> None:
        self._air, self._listener = air, listener
        self._wanted = self.is_up = False
        self._dialling: asyncio.TimerHandle | None = None

    @property
    def room(self) -> int:
        return WINDOW if self.is_up else 0

    @property
    def is_gone(self) -> bool:
        return not self.is_up and self._dialling is None

    def open(self) -> None:
        if not self._wanted:
            self._wanted = True
            self._dial(DIAL_S)

    def cut(self) -> None:
        self._hang_up(will=True)

    def close(self) -> None:
        self._hang_up(will=False)

    def publish(self, topic: str, payload: bytes) -> bool:
        if self.is_up:
            self._air.carry(topic, payload, surely=False)
        return self.is_up

    def publish_surely(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        del retain
        if self.is_up:
            self._air.carry(topic, payload, surely=True)
        return self.is_up

    def keep_alive(self) -> None:
        """Nothing to do: here a connection that is gone says so."""

    def hear(self, topic: str, payload: bytes) -> None:
        """A message for this vehicle."""
        if self.is_up:
            self._listener.link_message(topic, payload)

    def lose(self) -> None:
        """The broker has dropped the connection."""
        self._fall()
        if self._wanted:
            self._dial(DIAL_AGAIN_S)

    def _dial(self, within_s: tuple[float, float]) -> None:
        delay_s = self._air.dice.between(*within_s)
        self._dialling = asyncio.get_running_loop().call_later(delay_s, self._dialled)

    def _dialled(self) -> None:
        self._dialling = None
        if not self._air.connected:
            self._dial(DIAL_AGAIN_S)
            return
        self.is_up = True
        self._air.up(self._listener.greeting().client_id, self)
        self._listener.link_up()

    def _hang_up(self, *, will: bool) -> None:
        self._wanted = False
        if self._dialling is not None:
            self._dialling.cancel()
            self._dialling = None
        if self.is_up:
            if will:
                greeting = self._listener.greeting()
                self._air.carry(greeting.will_topic, greeting.will_payload, surely=True)
            self._fall()

    def _fall(self) -> None:
        self.is_up = False
        self._air.down(self._listener.greeting().client_id)
        self._listener.link_down()
