"""Where the demo plays: broker, configuration, customers, and lines to paste for whoever joins in."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from devtools import ROOT
from devtools.broker import HOST, Broker
from devtools.environment import BIN
from devtools.mosquitto import Mosquitto, find_or_fetch
from devtools.processes import Process

FOLDER = ROOT / ".demo"
CONFIG = FOLDER / "gateway.toml"
OWNERS = FOLDER / "owners.json"
# Main users who set a mode prove their security code, where their car has one.
SECURITY_CODES = {"workshop_service": "1234", "leaves_yard": None}
# Main users of other cars, who use their app.
APP_USERS, APP_CODE = 6, "2580"

# Colours are for people: a log or a pipe gets plain text.
COLOURED = sys.stdout.isatty() and "NO_COLOR" not in os.environ
BOLD, DIM, RESET = ("\033[1m", "\033[2m", "\033[0m") if COLOURED else ("", "", "")


@dataclass(frozen=True)
class Place:
    """A broker to play on; ``clients`` starts mosquitto_pub and mosquitto_sub, where it is our own broker."""

    gateway_url: str
    vehicles_url: str
    passwords: dict[str, str]
    clients: Mosquitto | None = None
    soc_url: str = ""
    user_files: str = ""
    """Lines of ``[mqtt]`` for ``vehicle-gateway user add``."""
    users_url: str = ""
    people: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Vehicle to main user and password of those who use an app."""


@contextmanager
def broker_for(fleet: list[str], roles: set[str]) -> Iterator[Place]:
    """Give addresses and passwords at a broker of ours or the user's; there nobody uses an app."""
    if own := os.environ.get("GATEWAY_MQTT_URL"):
        parts = urlsplit(own)
        yield Place(own, f"{parts.scheme}://{parts.hostname}:{parts.port or 1883}", dict.fromkeys(fleet, ""))
        return
    clients = find_or_fetch()
    with Broker(folder=FOLDER / "broker", mosquitto=clients) as broker:
        passwords = broker.add("vehicles", *fleet)
        say(f"the broker listens on {broker.ports}")
        there = clients if client_program(clients, "mosquitto_sub") else None
        vehicles_url, users_url = (f"mqtt://{HOST}:{broker.ports[party]}" for party in ("vehicles", "users"))
        files = f'users_password_file = "{broker.folder / "users.passwd"}"\n'
        files += f'broker_pid_file = "{broker.pid_path}"\n'
        cars = [vin for vin in fleet[:-1] if vin not in roles][:APP_USERS]  # the last is for by hand
        users = [owner_of(fleet, vin) for vin in cars]
        people = dict(zip(cars, broker.add("users", *users).items(), strict=True))
        soc_url = broker.url("users", "soc")
        yield Place(broker.url(), vehicles_url, passwords, there, soc_url, files, users_url, people)


def owner_of(fleet: list[str], vin: str) -> str:
    """The main user of a car."""
    return f"owner-{fleet.index(vin)}"


def client_program(clients: Mosquitto, name: str) -> str | None:
    """Where mosquitto_pub or mosquitto_sub is: beside the fetched broker, or on the PATH."""
    fetched = clients.program.parent.parent / "bin" / name
    return str(fetched) if fetched.exists() else shutil.which(name)


def by_hand(place: Place, vin: str) -> str:
    """One line that plays a theft of a vehicle nobody else plays; it can be pasted as it is."""
    clients = place.clients
    program = client_program(clients, "mosquitto_pub") if clients is not None else None
    library = (
        f"LD_LIBRARY_PATH={clients.library_path} " if clients is not None and clients.library_path else ""
    )
    port = urlsplit(place.vehicles_url).port
    event = '{\\"event_id\\":\\"by-hand-$(date +%s)\\",\\"occurred_at\\":\\"$(date -u +%FT%TZ)\\",'
    event += '\\"cause\\":\\"tilt\\",\\"state\\":\\"triggered\\"}'
    topic = f"v1/vehicles/{vin}/theft-sensor"
    return f'{library}{program} -p {port} -u {vin} -P {place.passwords[vin]} -q 1 -t {topic} -m "{event}"'


def as_an_owner(place: Place) -> str:
    """One line that locks and unlocks a car, as its main user's app does; it can be pasted as it is."""
    vin, (user, password) = next(iter(place.people.items()))
    address = place.users_url.replace("//", f"//{user}:{password}@")
    app = (ROOT / "examples" / "owner_app.py").relative_to(ROOT)
    return f"{(BIN / 'python').relative_to(ROOT)} {app} {address} {vin} --code {APP_CODE} lock unlock"


def read_feed(place: Place) -> Process:
    """Read the SOC's MQTT feed as a SOC would, with an ordinary client."""
    assert place.clients is not None  # noqa: S101  # for the type checker
    parts = urlsplit(place.soc_url)
    return Process(
        str(client_program(place.clients, "mosquitto_sub")),
        *("-h", str(parts.hostname), "-p", str(parts.port), "-u", "soc", "-P", str(parts.password)),
        *("-i", "demo-soc", "-c", "-q", "1", "-t", "v1/soc/default/alarms"),
        log=FOLDER / "soc-mqtt.log",
        environment=place.clients.environment,
    )


def register(fleet: list[str], roles: dict[str, str], people: dict[str, tuple[str, str]]) -> None:
    """Make the vehicles known, as an import does; ``roles`` are cars of scenes, ``people`` use an app."""
    lines = FOLDER / "fleet.jsonl"
    until = f"{time.gmtime().tm_year + 1}-01-01T00:00:00Z"
    services = {"car_security": {"until": until, "certified": True}, "remote_access": {"until": until}}
    contacts = [{"name": "Demo Owner", "phone": "+31 20 555 0100"}]
    codes = {roles[name]: code for name, code in SECURITY_CODES.items()} | dict.fromkeys(people, APP_CODE)
    with lines.open("w") as file:
        for vin in fleet:
            user = owner_of(fleet, vin)
            line = {"vin": vin, "country": "NL", "main_user": user, "driver_cards": ["DC-1"]}
            if code := codes.get(vin):
                line["security_code"] = code
            file.write(json.dumps(line | {"services": services, "contacts": contacts}) + "\n")
    command = [BIN / "vehicle-gateway", "fleet", "import", lines, "--config", CONFIG]
    subprocess.run([str(part) for part in command], check=True, capture_output=True)


def write_config(place: Place, listen: str, soc_url: str) -> None:
    """Write the gateway's configuration, which holds secrets."""
    secret = base64.b64encode(secrets.token_bytes(24)).decode()
    mqtt_sink = '\n[[soc.sinks]]\nname = "soc-mqtt"\ntype = "mqtt"\n' if place.clients is not None else ""
    CONFIG.touch(mode=0o600)
    CONFIG.write_text(
        f"""\
[gateway]
instance = "demo"
data_dir = "var"

[mqtt]
url = "{place.gateway_url}"
{place.user_files}
[store]
url = "sqlite:///var/gateway.db"

[api]
listen = "{listen}"

[[soc.sinks]]
name = "soc"
type = "webhook"
url = "{soc_url}"
secret = "whsec_{secret}"
confirm = "echo"
{mqtt_sink}"""
    )


def write_owners(fleet: list[str], roles: dict[str, str], people: dict[str, tuple[str, str]]) -> None:
    """Give the emulator what a main user's app has: user, token or password and, if any, security code."""
    owners: dict[str, dict[str, str | None]] = {
        vin: {"user": user, "password": password, "security_code": APP_CODE}
        for vin, (user, password) in people.items()
    }
    for name, code in SECURITY_CODES.items():
        vin = roles[name]
        user = owner_of(fleet, vin)
        token = make_token("--role", "main_user", "--person", "Demo Owner", "--user", user, "--vin", vin)
        owners[vin] = {"user": user, "token": token, "security_code": code}
    OWNERS.touch(mode=0o600)
    OWNERS.write_text(json.dumps(owners))


def add_person(name: str, role: str) -> str:
    """Let somebody log in to the console; gives the link to do so, which is good once."""
    answer = subprocess.run(
        [BIN / "vehicle-gateway", "user", "add", name, "--role", role, "--config", CONFIG],
        check=True,
        capture_output=True,
        text=True,
    )
    return answer.stdout.strip().splitlines()[-2]


def make_token(*who: str) -> str:
    """Ask the gateway for a token: the last line of the answer."""
    answer = subprocess.run(
        [BIN / "vehicle-gateway", "token", "create", *who, "--config", CONFIG],
        check=True,
        capture_output=True,
        text=True,
    )
    return answer.stdout.strip().splitlines()[-1]


def say(line: str) -> None:
    """Print a line of progress."""
    print(f"{DIM}· {line}{RESET}", file=sys.stderr, flush=True)
