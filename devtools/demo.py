"""
The demo: a broker, a gateway, a fleet with four thefts, a workshop and a SOC, on this machine.

The cars that are stolen from their parking place or stand in the workshop have been parked for six hours:
they say so when they connect, with the time at which it was so, and are therefore armed from the beginning.
No number of the gateway differs from its default.

Everything it makes is in ``.demo/``, made anew each time unless ``--keep`` says otherwise.
The gateway may be killed at any time: it is started again, and no alarm may be missing.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import threading
import time
import urllib.request
from contextlib import ExitStack
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.error import URLError

import msgspec

from devtools import ROOT
from devtools.broker import HOST, free_ports
from devtools.demo_place import (
    BOLD,
    COLOURED,
    CONFIG,
    DIM,
    FOLDER,
    OWNERS,
    RESET,
    Place,
    add_person,
    as_an_owner,
    broker_for,
    by_hand,
    read_feed,
    register,
    say,
    write_config,
    write_owners,
)
from devtools.environment import BIN
from devtools.processes import Process
from vehicle_emulator.casting import cast
from vehicle_emulator.fleet import vins
from vehicle_emulator.report import Commands
from vehicle_emulator.verdict import Verdict

SEED = 1
# Name of what is played, and the second of its start. All have played after 90 s.
SCENES = {"glass_break": 17, "card_missing": 0, "workshop_service": 6, "towed_away": 3, "leaves_yard": 10}
# What main users of other cars ask by their app meanwhile, over all of them.
APP_COMMANDS_PER_S = 0.25
# Who may log in to the console: what ends a theft needs two of them.
PERSONS = {"kim": "operator", "sam": "supervisor", "alex": "auditor"}
PLAYED_S = 120  # the emulator insists on playing its scenarios to the end
STORY, SOC_LEDGER, REPORT = FOLDER / "story.jsonl", FOLDER / "soc.jsonl", FOLDER / "report.json"
READY_S = 30

COLOURS = {"critical": "\033[97;41m", "major": "\033[30;43m", "minor": "\033[36m"} if COLOURED else {}


class Story:
    """What the vehicles play, line by line, as the emulator writes it down."""

    def __init__(self) -> None:
        """Begin with an empty page."""
        STORY.write_text("")
        self._file = STORY.open()
        self._rest = ""
        self._reading = threading.Lock()

    def tell(self) -> None:
        """Print what is new."""
        with self._reading:
            *lines, self._rest = (self._rest + self._file.read()).split("\n")
            for line in map(json.loads, lines):
                scene = f"{BOLD} story     {RESET} {line['scenario']:22} {line['vin']}"
                print(f"{time.strftime('%H:%M:%S')} {scene} {line['text']}", flush=True)


class Soc:
    """A security operations centre of one screen: prints a line for each message and keeps it in a ledger."""

    def __init__(self, story: Story) -> None:
        """Listen on a free port."""
        SOC_LEDGER.write_text("")
        self._story = story
        self.seen: set[str] = set()
        self._writing = threading.Lock()
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
            self._story.tell()  # what led to it was written down before
            now = datetime.now(UTC).isoformat()
            with self._writing, SOC_LEDGER.open("a") as ledger:
                ledger.write(json.dumps({"received_at": now, **message}) + "\n")
                again = f"{DIM} (again: the same webhook-id){RESET}" if message_id in self.seen else ""
                self.seen.add(message_id)
            held_back = alarm["state"] == "suppressed"
            colour = DIM if held_back else COLOURS.get(alarm["severity"], "")
            place = alarm.get("vin") or message.get("subject")
            grade = "held back" if held_back else alarm["severity"]
            what = f"{colour} {grade:9} {RESET} {alarm['cause']:22} {place}"
            note = f", {alarm['note']}" if alarm["note"] else ""
            which = f"{DIM}{kind} #{alarm['sequence']}, counts {alarm['count']}{note}{RESET}{again}"
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
    """Run the demo until Ctrl-C, or for a while; 1 if a label was broken in an unattended run."""
    options = parse(sys.argv[1:])
    # SIGTERM ends it like Ctrl-C.
    signal.signal(signal.SIGTERM, interrupt)
    if not options.keep:
        shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(exist_ok=True)
    # A second Ctrl-C, while things end, must not leave anything behind: the watchdogs see to that.
    REPORT.unlink(missing_ok=True)
    story = Story()
    soc = Soc(story)
    with ExitStack() as stack:
        try:
            run(options, soc, story, stack)
        except KeyboardInterrupt:
            say("ending")
    return 0 if conclude() or not options.for_s else 1


def run(options: argparse.Namespace, soc: Soc, story: Story, stack: ExitStack) -> None:
    """Start the parts one after another, each with its end on the stack, and watch over the gateway."""
    fleet = vins(SEED, options.vehicles)
    spare = vins(SEED + 1, 1)[0]  # for whoever wants to be a vehicle
    roles = dict(zip(SCENES, cast(SEED, fleet, len(SCENES)), strict=True))
    place = stack.enter_context(broker_for([*fleet, spare], set(roles.values())))
    passwords_file = FOLDER / "passwords.json"
    passwords_file.write_text(json.dumps(place.passwords))
    passwords_file.chmod(0o600)
    listen = f"{HOST}:{free_ports(1)[0]}"
    write_config(place, listen, soc.url)
    register([*fleet, spare], roles, place.people)
    if place.clients is not None:
        stack.callback(read_feed(place).end)
    gateway = Gateway(f"http://{listen}")
    stack.callback(gateway.stop)
    say("starting the gateway")
    gateway.start()
    logins = {name: add_person(name, role) for name, role in PERSONS.items()}
    write_owners(fleet, roles, place.people)
    stack.callback(story.tell)
    stack.callback(start_emulator(options, place, gateway, passwords_file).end)
    welcome(options, place, spare, gateway, logins)
    until = time.monotonic() + (options.for_s or float("inf"))
    while time.monotonic() < until:
        gateway.keep_running()
        story.tell()
        time.sleep(0.2)


def start_emulator(
    options: argparse.Namespace, place: Place, gateway: Gateway, passwords_file: Path
) -> Process:
    """Let the fleet live; it holds its labels against what the SOC got, and reports at its end."""
    duration = max(options.for_s or 86_400, PLAYED_S)
    scenes = [part for name, start_s in SCENES.items() for part in ("--scenario", f"{name}@{start_s}")]
    apps = [
        "--users", str(len(place.people)), "--users-broker", place.users_url,
        "--command-rate", str(APP_COMMANDS_PER_S),
    ] if place.people else []  # fmt: skip
    return Process(
        BIN / "vehicle-emulator", "run", "--broker", place.vehicles_url, "--vehicles", str(options.vehicles),
        "--seed", str(SEED), "--passwords", passwords_file, "--duration", f"{duration:g}", "--drain", "5",
        "--api", gateway.api, "--owners", OWNERS, "--story", STORY, "--soc", SOC_LEDGER, "--report", REPORT,
        *scenes, *apps,
        log=FOLDER / "emulator.log", cwd=ROOT,
    )  # fmt: skip


def welcome(
    options: argparse.Namespace, place: Place, spare: str, gateway: Gateway, logins: dict[str, str]
) -> None:
    """Say what is going on and where to look."""
    say(f"{options.vehicles} vehicles live; within 90 s four thefts are alarmed and a workshop's work is not")
    say("three of them have been parked for six hours and say so: they are armed from the beginning")
    print(f"\n  {BOLD}console{RESET}   {gateway.api}/")
    for name, link in logins.items():
        print(f"            log in once as {name:5} ({PERSONS[name]}), choosing a password: {link}")
    print(f"  {BOLD}crash it{RESET}  kill -9 {gateway.pid}    (it comes back, and no alarm is missing)")
    print(f"  {BOLD}logs{RESET}      {FOLDER.relative_to(ROOT)}/*.log    {BOLD}end{RESET}  Ctrl-C")
    if place.clients is not None:
        print(f"  {BOLD}SOC{RESET}       webhook: the lines below    MQTT: .demo/soc-mqtt.log")
        print(f"  {BOLD}be a car{RESET}  {by_hand(place, spare)}")
    if place.people:
        print(f"  {BOLD}an owner{RESET}  {as_an_owner(place)}")
    print(flush=True)


def conclude() -> bool:
    """Print what became of each label; False if an alarm is missing or was not called for."""
    if not REPORT.exists():
        say(f"no report: see {(FOLDER / 'emulator.log').relative_to(ROOT)}")
        return False
    report = json.loads(REPORT.read_text())
    good = not (report["elsewhere"] or report["left_out"])
    for verdict in msgspec.convert(report["verdicts"], list[Verdict]):
        say(f"{verdict.name:18} {verdict.sentence()}")
        good = good and not verdict.is_broken
    if report["commands"]:
        say(f"remote commands    {commands_of(report['commands'])}")
    for word, found in (("alarms elsewhere", report["elsewhere"]), ("not played", report["left_out"])):
        if found:
            say(f"{word}: {', '.join(found)}")
    return good


def commands_of(told: dict[str, Any]) -> str:
    """What became of the commands of people with an app, in a line."""
    counts = msgspec.convert(told, Commands).by_status()
    took = told["performed_ms"]
    words = ", ".join(f"{count} {status}" for status, count in counts.items())
    median = f"performed after {took['p50'] / 1_000:.1f} s (median)"
    return f"{told['asked']} of {told['users']} users: {words}; {median}"


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the options."""
    about = (__doc__ or "").strip().partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python3 dev.py demo", description=about)
    parser.add_argument(
        "--vehicles", type=fleet_size, default=50, metavar="N", help="size of the fleet (default 50)"
    )
    parser.add_argument(
        "--keep", action="store_true", help="go on with what the last demo stored; a mode may be refused"
    )
    parser.add_argument(
        "--for", dest="for_s", type=float, metavar="SECONDS",
        help="end by itself, with exit code 1 if an alarm is missing or uncalled for (all is played in 100)",
    )  # fmt: skip
    return parser.parse_args(arguments)


def fleet_size(text: str) -> int:
    """Read a number of vehicles: one for each scene at the least."""
    if int(text) < len(SCENES):
        raise argparse.ArgumentTypeError(f"{len(SCENES)} scenes need as many vehicles")
    return int(text)


def interrupt(_number: int, _frame: FrameType | None) -> None:
    """Turn a signal into Ctrl-C."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
