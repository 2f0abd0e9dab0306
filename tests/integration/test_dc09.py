"""From a car's theft sensor to receivers of the alarm trade, through the broker and the real process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pysiaalarm.event import SIAEvent

from devtools.broker import Broker
from tests.integration.conftest import FAST, PATIENCE_S, Car, until
from tests.support.dc09 import Heard, Peer, Receiver, answer, framed, peer
from tests.support.gateway import GatewayProcess

VIN = "XVGZZZ99ZTS000931"
ACCOUNT = "A1B2"
KEY = "0123456789abcdef"
THEIRS = datetime(2031, 1, 2, 3, 4, 5, tzinfo=UTC)


def is_test(heard: Heard) -> bool:
    """Whether it is supervision and no alarm."""
    return heard.identity == "NULL"


def wrong_clock(heard: Heard) -> bytes:
    """Answer like one whose clock is years ahead: NAK with its time until it is told that time."""
    if is_test(heard) or abs(heard.at - THEIRS) < timedelta(minutes=5):
        return answer("ACK", heard)
    return framed(f'"NAK"0000R0L0A0[]_{THEIRS:%H:%M:%S,%m-%d-%Y}')


class Receivers:
    """Three of them, in a loop of their own: another author's, one with a wrong clock, one that refuses."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._stack = AsyncExitStack()
        self.other: Peer = self._do(self._stack.enter_async_context(peer(ACCOUNT, key=KEY)))
        self.ahead: Receiver = self._do(self._stack.enter_async_context(Receiver(wrong_clock)))
        refuses = Receiver(lambda heard: answer("ACK" if is_test(heard) else "DUH", heard))
        self.refusing: Receiver = self._do(self._stack.enter_async_context(refuses))

    @property
    def sinks(self) -> str:
        """As TOML."""
        return "\n".join(
            f'[[soc.sinks]]\nname = "{name}"\ntype = "sia-dc09"\nurl = "tcp://127.0.0.1:{port}"\n'
            f'account = "{ACCOUNT}"\n{more}'
            for name, port, more in (
                ("other", self.other.port, f'secret = "{KEY.encode().hex()}"\n'),
                ("ahead", self.ahead.port, ""),
                ("refusing", self.refusing.port, ""),
            )
        )

    def close(self) -> None:
        """Stop."""
        self._do(self._stack.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)


@pytest.fixture(scope="module")
def receivers() -> Iterator[Receivers]:
    made = Receivers()
    yield made
    made.close()


@pytest.fixture(scope="module")
def gateway(
    path_broker: Broker, receivers: Receivers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    folder: Path = tmp_path_factory.mktemp("dc09")
    path_broker.add("vehicles", VIN)
    with GatewayProcess(folder, path_broker.url(), sinks=receivers.sinks, settings=FAST) as process:
        yield process


def test_a_theft_reaches_every_receiver_and_a_refusal_is_told(
    gateway: GatewayProcess, path_broker: Broker, receivers: Receivers
) -> None:
    token = gateway.token("supervisor")

    def deliveries() -> dict[str, dict[str, Any]]:
        return {one["sink"]: one for one in gateway.get("/deliveries", token)["items"]}

    def read() -> list[SIAEvent]:
        return [one for one in receivers.other.events if one.code != "RP"]

    def alarms(receiver: Receiver) -> list[Heard]:
        return [one for one in receiver.heard if not is_test(one)]

    car = Car(path_broker, VIN)
    try:
        car.trigger("tamper", position={"latitude": 52.1, "longitude": 4.30004, "accuracy_m": 8})
        until(lambda: read() and len(alarms(receivers.ahead)) > 1 and alarms(receivers.refusing))
    finally:
        car.close()
    event = read()[0]
    assert (event.code, event.account, event.encrypted) == ("TA", ACCOUNT, True)
    assert event.message == f"0008^{VIN} tamper^"
    stated = {one.identifier: one.value for one in event.extended_data or ()}
    assert (stated["X"], stated["Y"]) == ("004E18.002", "52N06.000")
    first, again = alarms(receivers.ahead)[:2]
    assert first.number == again.number
    assert abs(again.at - THEIRS) < timedelta(minutes=5), "sent once more with the receiver's time"
    until(lambda: [one["state"] for one in deliveries().values()].count("pending") == 0 and deliveries())
    states = {name: one["state"] for name, one in deliveries().items()}
    assert states == {"other": "done", "ahead": "done", "refusing": "parked"}
    assert deliveries()["refusing"]["last_error"] == "primary: DUH, the receiver can't take this message"
    assert len(alarms(receivers.refusing)) == 1, "parked, not tried again"
    assert "delivery.parked" in gateway.log_path.read_text()
