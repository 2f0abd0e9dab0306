"""Addresses to call from, and who may connect."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import typer

from devtools.broker import HOST, Broker, free_ports
from devtools.mosquitto import Mosquitto
from tests.emulator.test_link import OTHER, PASSWORD, PATIENCE_S, VIN, close, vehicle_ear
from tests.support.certificates import self_signed
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


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """The broker's own, and each vehicle's; what signs itself is its own authority."""
    self_signed(tmp_path / "broker.crt")
    own = [self_signed(tmp_path / f"{vin}.crt", vin).read_text() for vin in (VIN, OTHER)]
    (tmp_path / "vehicles.pem").write_text("".join(own))
    return tmp_path


def tls_listener(port: int, folder: Path) -> list[str]:
    return [
        f"listener {port} {HOST}", "allow_anonymous false", f"certfile {folder / 'broker.crt'}",
        f"keyfile {folder / 'broker.key'}", f"cafile {folder / 'vehicles.pem'}", "require_certificate true",
        "use_identity_as_username true",
    ]  # fmt: skip


async def test_each_vehicle_shows_its_own_certificate(mosquitto: Mosquitto, certificates: Path) -> None:
    (port,) = free_ports(1)
    extra = tls_listener(port, certificates)
    with Broker(mosquitto=mosquitto, persistence=False, extra=extra) as broker:
        where = access.address(f"mqtts://{HOST}:{port}")
        ca_file = certificates / "broker.crt"
        for protocol in access.Protocol:
            station = access.station(
                where, protocol, ca_file, 1, source="127.0.0.2-3", certificates=certificates
            )  # fmt: skip
            for vin in (VIN, OTHER):
                ear = vehicle_ear(vin, "of no use")
                link = Link(station, ear)
                link.open()
                await asyncio.wait_for(ear.ups.acquire(), PATIENCE_S)
                await close(link)
        assert f"u'{OTHER}'" in broker.log()


def test_a_missing_certificate_stops_the_start(certificates: Path) -> None:
    access.check_certificates(certificates, (VIN, OTHER))
    with pytest.raises(typer.BadParameter, match=r"lacks 2 files, as XVGNONE\.crt"):
        access.check_certificates(certificates, (VIN, "XVGNONE"))
    with pytest.raises(typer.BadParameter, match="mqtts"):
        access.station(access.address("mqtt://x"), access.Protocol.V5, None, 1, certificates=certificates)


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
