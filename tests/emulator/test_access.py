"""Addresses to call from, and who may connect."""

from __future__ import annotations

import asyncio

import pytest
import typer

from devtools.broker import HOST, Broker
from tests.emulator.test_link import PASSWORD, PATIENCE_S, VIN, close, vehicle_ear
from vehicle_emulator import access
from vehicle_emulator.dice import Dice
from vehicle_emulator.link import Link, Station


@pytest.mark.parametrize(
    ("text", "count", "last"),
    [("127.0.0.2", 1, "127.0.0.2"), ("127.0.0.2-20", 19, "127.0.0.20"), ("10.1.2.3-3", 1, "10.1.2.3")],
)
def test_addresses_to_call_from_are_read(text: str, count: int, last: str) -> None:
    found = access.sources(text)
    assert (len(found), found[-1]) == (count, last)


@pytest.mark.parametrize("text", ["host", "127.0.0.2-x", "127.0.0.2-300", "127.0.0.9-2", "::1"])
def test_no_addresses_are_told(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        access.sources(text)


async def test_links_call_from_each_address_in_turn(broker: Broker) -> None:
    broker.add("vehicles", passwords={VIN: PASSWORD})
    station = Station(HOST, broker.ports["vehicles"], Dice(1), sources=access.sources("127.0.0.2-3"))
    for address in ("127.0.0.2", "127.0.0.3", "127.0.0.2"):
        ear = vehicle_ear()
        link = Link(station, ear)
        link.open()
        await asyncio.wait_for(ear.ups.acquire(), PATIENCE_S)
        assert link._transport is not None
        assert link._transport.get_extra_info("sockname")[0] == address
        await close(link)
