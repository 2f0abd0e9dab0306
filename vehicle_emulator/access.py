"""Where the broker is and who may connect: what every command line that goes on the air asks for."""

from __future__ import annotations

import resource
import ssl
import sys
from collections.abc import Callable, Iterable
from enum import StrEnum
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

import msgspec
import typer

from vehicle_emulator import files
from vehicle_emulator.codec import Version
from vehicle_emulator.dice import Dice
from vehicle_emulator.link import Station, Tls
from vehicle_emulator.share import ALL, Share

_PORTS = {"mqtt": 1883, "mqtts": 8883}
_SPARE_FILES = 64
MOST_VEHICLES = 100_000

Credentials = Callable[[str], tuple[str, str | None]]


class Protocol(StrEnum):
    """MQTT version."""

    V5 = "5"
    V311 = "311"


class Address(msgspec.Struct, frozen=True):
    """Where the broker is, and the one user for all vehicles if the URL names one."""

    host: str
    port: int
    tls: bool
    username: str | None
    password: str | None


Broker = Annotated[str, typer.Option(help="mqtt:// or mqtts://[user:pass@]host:port")]
Passwords = Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="JSON: VIN to password")]
Password = Annotated[str | None, typer.Option(help="one password for all vehicles")]
ProtocolOption = Annotated[Protocol, typer.Option(help="MQTT 5 or 3.1.1")]
Source = Annotated[
    str, typer.Option(help="own IPv4 addresses to call from in turn, e.g. 127.0.0.2-20: 28,000 ports each")
]
Certificates = Annotated[
    Path | None,
    typer.Option(exists=True, file_okay=False, help="folder of VIN.crt and VIN.key, each vehicle's own"),
]
CaFile = Annotated[Path | None, typer.Option(exists=True, help="authority to trust with mqtts://")]


def address(url: str) -> Address:
    """
    Read a broker's URL.

    Errors:  typer.BadParameter.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:  # a port or an address that is none
        parts, host, port = urlsplit(""), None, None
    if parts.scheme not in _PORTS or not host or port == 0:
        # What was typed may hold a password.
        raise typer.BadParameter("write mqtt://host:port or mqtts://host:port", param_hint="--broker")
    user, secret = parts.username, parts.password
    return Address(
        host,
        port or _PORTS[parts.scheme],
        parts.scheme == "mqtts",
        unquote(user) if user else None,
        unquote(secret) if secret else None,
    )


def station(
    where: Address,
    protocol: Protocol,
    ca_file: Path | None,
    seed: int,
    *,
    source: str = "",
    certificates: Path | None = None,
    share: Share = ALL,
) -> Station:
    """
    What all links of a process share; opens nothing. Each process calls from addresses of its own, if enough.

    Errors:  typer.BadParameter.
    """
    callers = sources(source)
    return Station(
        where.host, where.port, Dice(seed, "reconnects", *share.words),
        tls=_tls(where, ca_file, certificates),
        version=Version.V5 if protocol is Protocol.V5 else Version.V311,
        sources=tuple(share.take(callers)) or callers,
    )  # fmt: skip


def _tls(where: Address, ca_file: Path | None, certificates: Path | None) -> Tls:
    if not where.tls:
        if certificates is not None:
            raise typer.BadParameter("certificates need an mqtts:// broker", param_hint="--certificates")
        return None
    try:
        for_all = ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # what OpenSSL does not like is one as well
        raise typer.BadParameter(f"{ca_file} is no file of certificates", param_hint="--ca-file") from error
    if certificates is None:
        return for_all

    def own(vin: str) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=ca_file)
        context.load_cert_chain(certificates / f"{vin}.crt", certificates / f"{vin}.key")
        return context

    return own


def check_certificates(folder: Path | None, vins: Iterable[str]) -> None:
    """
    Each vehicle needs its own.

    Errors:  typer.BadParameter.
    """
    names = [f"{vin}.{end}" for vin in vins for end in ("crt", "key")] if folder else []
    missing = [name for name in names if folder and not (folder / name).exists()]
    if missing:
        sentence = f"{folder} lacks {len(missing)} files, as {missing[0]}"
        raise typer.BadParameter(sentence, param_hint="--certificates")


def sources(text: str) -> tuple[str, ...]:
    """
    Addresses from one, or from a range of its last number; none of an empty text.

    Errors:  typer.BadParameter.
    """
    if not text:
        return ()
    first, _, last = text.partition("-")
    try:
        low = IPv4Address(first)
        high = IPv4Address(f"{first.rpartition('.')[0]}.{last}") if last else low
    except ValueError as error:
        raise typer.BadParameter(f"{text} is no a.b.c.d or a.b.c.d-e", param_hint="--source") from error
    found = tuple(str(IPv4Address(number)) for number in range(int(low), int(high) + 1))
    if not found:
        raise typer.BadParameter(f"{text} ends before it begins", param_hint="--source")
    return found


def credentials(where: Address, passwords: Path | None, password: str | None) -> Credentials:
    """User name and password of a VIN: the URL's for all, else the VIN with its own password."""
    known = files.read_json(passwords, dict[str, str], "--passwords") if passwords else {}

    def find(vin: str) -> tuple[str, str | None]:
        if where.username is not None:
            return where.username, where.password
        return vin, known.get(vin, password)

    return find


def allow_files(vehicles: int) -> None:
    """Each vehicle is an open file; take what the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = vehicles + _SPARE_FILES
    if needed > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(needed, hard), hard))
    if needed > hard:
        sys.stderr.write(f"only {hard} open files are allowed: raise the limit (ulimit -n {needed})\n")
