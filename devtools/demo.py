"""
The demo: a broker, a gateway, a fleet with two thefts and a security operations centre, on this machine.

Everything it makes is in ``.demo/``, made anew each time unless ``--keep`` says otherwise.
The gateway may be killed at any time: it is started again, and no alarm may be missing.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType
from urllib.error import URLError
from urllib.parse import urlsplit

from devtools import ROOT
from devtools.broker import HOST, Broker, free_ports
from devtools.environment import BIN
from devtools.mosquitto import Mosquitto, find_or_fetch
from devtools.processes import Process
from vehicle_emulator.fleet import vins

FOLDER = ROOT / ".demo"
CONFIG = FOLDER / "gateway.toml"
SEED = 1
# Name and start of what is played, and the alarm that must come of it.
THEFTS = {"glass_break@17": "intrusion", "card_missing@0": "driver_card_missing"}
PLAYED_S = 120  # the emulator insists on playing its scenarios to the end
READY_S = 30

# Colours are for people: a log or a pipe gets plain text.
COLOURED = sys.stdout.isatty() and "NO_COLOR" not in os.environ
BOLD, DIM, RESET = ("\033[1m", "\033[2m", "\033[0m") if COLOURED else ("", "", "")
COLOURS = {"critical": "\033[97;41m", "major": "\033[30;43m", "minor": "\033[36m"} if COLOURED else {}


class Soc:
    """A security operations centre of one screen: prints a line for each message and remembers the causes."""

    def __init__(self) -> None:
        """Listen on a free port."""
        self.causes: set[str] = set()
        self.seen: set[str] = set()
        soc = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                answer = json.dumps(soc.take(self.headers.get("webhook-id", ""), body)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                """Keep the screen for alarms."""

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self.url = f"http://{HOST}:{self._server.server_port}/alarms"
        threading.Thread(target=self._server.serve_forever, name="soc", daemon=True).start()

    def take(self, message_id: str, body: bytes) -> dict[str, object]:
        """Print a message of the feed and answer as a receiver should: with the alarm's id."""
        message = json.loads(body)
        alarm = message.get("data", {})
        kind = str(message.get("type", ""))
        if kind.startswith("alarm."):
            again = f"{DIM} (again: the same webhook-id){RESET}" if message_id in self.seen else ""
            self.seen.add(message_id)
            self.causes.add(alarm["cause"])
            colour = COLOURS.get(alarm["severity"], "")
            place = alarm.get("vin") or message.get("subject")
            what = f"{colour} {alarm['severity']:8} {RESET} {alarm['cause']:22} {place}"
            which = f"{DIM}{kind} #{alarm['sequence']}, counts {alarm['count']}{RESET}{again}"
            print(f"{time.strftime('%H:%M:%S')} {what} {which}", flush=True)
        return {"alarm_id": alarm.get("alarm_id")}


class Gateway:
    """The gateway's process, started again whenever it dies."""

    def __init__(self, api: str) -> None:
        """Remember where it will answer."""
        self.api = api
        self._process: Process | None = None

    def start(self) -> None:
        """Start it and return when it says that it is ready."""
        log = FOLDER / "gateway.log"
        self._process = Process(BIN / "vehicle-gateway", "run", "--config", CONFIG, log=log, cwd=ROOT)
        until = time.monotonic() + READY_S
        while not self._ready():
            if not self._process.running or time.monotonic() > until:
                last = "\n  ".join(log.read_text().splitlines()[-10:])
                sys.exit(f"The gateway did not get ready; {log.relative_to(ROOT)} ends with:\n  {last}")
            time.sleep(0.1)

    @property
    def pid(self) -> int:
        """The process to kill."""
        return self._process.pid if self._process else 0

    def keep_running(self) -> None:
        """Start it again if it is gone."""
        if self._process and not self._process.running:
            say(f"the gateway is gone (exit code {self._process.exit_code()}): starting it again")
            self.start()
            say(f"the gateway is back: kill -9 {self.pid}")

    def stop(self) -> None:
        """Ask it to end."""
        if self._process:
            self._process.end()

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.api}/health/ready", timeout=2):  # noqa: S310 - our own address
                return True
        except (URLError, OSError):
            return False


def main() -> int:
    """Run the demo until Ctrl-C, or for a while; 1 if a theft was not alarmed in an unattended run."""
    options = parse(sys.argv[1:])
    # SIGTERM ends it like Ctrl-C.
    signal.signal(signal.SIGTERM, interrupt)
    if not options.keep:
        shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(exist_ok=True)
    # A second Ctrl-C, while things end, must not leave anything behind: the watchdogs see to that.
    soc = Soc()
    with ExitStack() as stack:
        try:
            run(options, soc, stack)
        except KeyboardInterrupt:
            say("ending")
    missing = set(THEFTS.values()) - soc.causes
    if options.for_s and missing:
        say(f"not alarmed: {', '.join(sorted(missing))}")
    return 1 if options.for_s and missing else 0


def run(options: argparse.Namespace, soc: Soc, stack: ExitStack) -> None:
    """Start the parts one after another, each with its end on the stack, and watch over the gateway."""
    fleet = vins(SEED, options.vehicles)
    spare = vins(SEED + 1, 1)[0]  # for whoever wants to be a vehicle
    place = stack.enter_context(broker_for([*fleet, spare]))
    passwords_file = FOLDER / "passwords.json"
    passwords_file.write_text(json.dumps(place.passwords))
    passwords_file.chmod(0o600)
    listen = f"{HOST}:{free_ports(1)[0]}"
    write_config(place, listen, soc.url)
    register([*fleet, spare])
    if place.clients is not None:
        stack.callback(read_feed(place).end)
    gateway = Gateway(f"http://{listen}")
    stack.callback(gateway.stop)
    say("starting the gateway")
    gateway.start()
    token = make_token()
    scenarios = [part for theft in THEFTS for part in ("--scenario", theft)]
    duration = max(options.for_s or 86_400, PLAYED_S)
    emulator = Process(
        BIN / "vehicle-emulator", "run", "--broker", place.vehicles_url, "--vehicles", str(options.vehicles),
        "--seed", str(SEED), "--passwords", passwords_file, "--duration", f"{duration:g}", "--drain", "5",
        *scenarios,
        log=FOLDER / "emulator.log", cwd=ROOT,
    )  # fmt: skip
    stack.callback(emulator.end)
    say(f"{options.vehicles} vehicles are driving; two thefts will happen within a minute")
    print(f"\n  {BOLD}console{RESET}   {gateway.api}/#token={token}")
    print(f"  {BOLD}crash it{RESET}  kill -9 {gateway.pid}    (it comes back, and no alarm is missing)")
    print(f"  {BOLD}logs{RESET}      {FOLDER.relative_to(ROOT)}/*.log    {BOLD}end{RESET}  Ctrl-C")
    if place.clients is not None:
        print(f"  {BOLD}SOC{RESET}       webhook: the lines below    MQTT: .demo/soc-mqtt.log")
        print(f"  {BOLD}be a car{RESET}  {by_hand(place, spare)}")
    print(flush=True)
    until = time.monotonic() + (options.for_s or float("inf"))
    while time.monotonic() < until:
        gateway.keep_running()
        time.sleep(0.2)


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the options."""
    about = (__doc__ or "").strip().partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python3 dev.py demo", description=about)
    parser.add_argument(
        "--vehicles", type=int, default=50, metavar="N", help="size of the fleet (default 50)"
    )
    parser.add_argument("--keep", action="store_true", help="go on with what the last demo stored")
    parser.add_argument(
        "--for", dest="for_s", type=float, metavar="SECONDS",
        help="end by itself, with exit code 1 if a theft was not alarmed (both need about 60 s)",
    )  # fmt: skip
    return parser.parse_args(arguments)


@dataclass(frozen=True)
class Place:
    """A broker to play on; ``clients`` starts mosquitto_pub and mosquitto_sub, where it is our own broker."""

    gateway_url: str
    vehicles_url: str
    passwords: dict[str, str]
    clients: Mosquitto | None = None
    soc_url: str = ""


@contextmanager
def broker_for(fleet: list[str]) -> Iterator[Place]:
    """Give addresses and passwords at a broker of ours or the user's."""
    if own := os.environ.get("GATEWAY_MQTT_URL"):
        parts = urlsplit(own)
        yield Place(own, f"{parts.scheme}://{parts.hostname}:{parts.port or 1883}", dict.fromkeys(fleet, ""))
        return
    clients = find_or_fetch()
    with Broker(folder=FOLDER / "broker", mosquitto=clients) as broker:
        passwords = broker.add("vehicles", *fleet)
        say(f"the broker listens on {broker.ports}")
        there = clients if client_program(clients, "mosquitto_sub") else None
        vehicles_url = f"mqtt://{HOST}:{broker.ports['vehicles']}"
        yield Place(broker.url(), vehicles_url, passwords, there, broker.url("users", "soc"))


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


def register(fleet: list[str]) -> None:
    """Make the vehicles known, as an import of customers does."""
    lines = FOLDER / "fleet.jsonl"
    until = f"{time.gmtime().tm_year + 1}-01-01T00:00:00Z"
    services = {"car_security": {"until": until, "certified": True}, "remote_access": {"until": until}}
    contacts = [{"name": "Demo Owner", "phone": "+31 20 555 0100"}]
    with lines.open("w") as file:
        for number, vin in enumerate(fleet):
            line = {"vin": vin, "country": "NL", "main_user": f"owner-{number}", "driver_cards": ["DC-1"]}
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


def make_token() -> str:
    """Ask the gateway for an operator's token: the last line of the answer."""
    who = ("--role", "operator", "--person", "demo")
    answer = subprocess.run(
        [BIN / "vehicle-gateway", "token", "create", *who, "--config", CONFIG],
        check=True,
        capture_output=True,
        text=True,
    )
    return answer.stdout.strip().splitlines()[-1]


def interrupt(_number: int, _frame: FrameType | None) -> None:
    """Turn a signal into Ctrl-C."""
    raise KeyboardInterrupt


def say(line: str) -> None:
    """Print a line of progress."""
    print(f"{DIM}· {line}{RESET}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
