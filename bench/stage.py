"""All that a drill or a measurement runs: broker, SOC, gateway and vehicles, processes that can be killed."""

from __future__ import annotations

import base64
import json
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Container, Sequence
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from bench import ledger
from bench.fleet import Report, Work
from bench.ledger import Ledger
from devtools import CACHE, ROOT
from devtools.broker import HOST, Broker, free_ports
from devtools.processes import Process
from tests.support.gateway import GatewayProcess
from vehicle_emulator.fleet import vins

SECRET = "whsec_" + base64.b64encode(b"the secret of a drill: 32 bytes.").decode()
START_WITHIN_S = 30.0
EXTRA_SINKS = {
    "log": '[[soc.sinks]]\nname = "log"\ntype = "log"\n',
    "mqtt": '[[soc.sinks]]\nname = "mqtt"\ntype = "mqtt"\n',
}


class StageError(RuntimeError):
    """Something did not start or did not end; the text says what, and shows its log."""


class SocProcess:
    """The SOC, on the same port and ledger through all its lives."""

    def __init__(self, folder: Path) -> None:
        self.ledger = folder / "soc.jsonl"
        self.ledger.touch()
        (self.port,) = free_ports(1)
        self.url = f"http://{HOST}:{self.port}"
        self._log = folder / "soc.log"
        self._process: Process | None = None

    @property
    def pid(self) -> int:
        """Its process id."""
        if self._process is None:
            raise StageError("the SOC was not started")
        return self._process.pid

    def start(self) -> None:
        """Start it and return when it listens."""
        self._process = Process(
            sys.executable, "-m", "bench.soc", "--port", str(self.port), "--ledger", self.ledger,
            "--secret", SECRET,
            log=self._log, cwd=ROOT,
        )  # fmt: skip
        wait_for(self._listens, START_WITHIN_S, "the SOC did not start", self._log)

    def kill(self) -> None:
        """SIGKILL."""
        self._end(signal.SIGKILL)

    def close(self) -> None:
        """End it in good order."""
        self._end(signal.SIGTERM)

    def mode(self, name: str) -> None:
        """Make it ill, or well (``ok``)."""
        connection = HTTPConnection(HOST, self.port, timeout=5)
        connection.request("POST", f"/mode/{name}")
        connection.getresponse()
        connection.close()

    def _end(self, how: signal.Signals) -> None:
        if self._process:
            self._process.end(how)
            self._process = None

    def _listens(self) -> bool:
        try:
            socket.create_connection((HOST, self.port), timeout=1).close()
        except OSError:
            return False
        return True


class Stage:
    """
    A context manager: starts a broker without persistence, SOC and gateway, and waits until they are ready.

    ``folder`` is kept if given; else it is a new one on the checkout's own disk, removed if all went well.
    ``crowd`` vehicles exist beside the others, for telemetry. Without ``soc_runs`` the caller is the SOC.
    ``excused`` causes need not reach the SOC: a siren may end below its minimum.
    """

    def __init__(
        self,
        *,
        vehicles: int,
        seed: int = 1,
        sinks: Sequence[str] = ("webhook",),
        settings: str = "",
        folder: Path | None = None,
        gateways: Sequence[str] = (),
        crowd: int = 0,
        soc_runs: bool = True,
        excused: Container[str] = (),
    ) -> None:
        self._keep = folder is not None
        self.folder = folder or _new_folder()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.seed, self.vehicles = seed, vehicles
        self._stack = ExitStack()
        self.broker = self._stack.enter_context(Broker(persistence=False, gateways=("gateway", *gateways)))
        self.vins = vins(seed, vehicles)
        self.passwords = self.folder / "passwords.json"
        self.passwords.write_text(json.dumps(self.broker.add("vehicles", *self.vins)))
        self.crowd, self._crowd_seed, self._crowd_passwords = crowd, seed + 1, self.folder / "crowd.json"
        if crowd:
            added = self.broker.add("vehicles", *vins(self._crowd_seed, crowd))
            self._crowd_passwords.write_text(json.dumps(added))
        self._soc_runs, self._excused = soc_runs, excused
        self.soc = SocProcess(self.folder)
        self.gateway = GatewayProcess(
            self.folder / "gateway", self.broker.url(), sinks=self._sinks(sinks), settings=settings
        )
        self._counted = self._counted_bytes = 0
        self._fleet_report, self.fleet_log = self.folder / "fleet.json", self.folder / "fleet.log"
        self.vehicles_report = self.folder / "vehicles.json"
        self.telemetry_report = self.folder / "telemetry.json"
        self.vehicles_ledger = self.folder / "vehicles.jsonl"

    def __enter__(self) -> Self:
        """Start everything but the vehicles."""
        try:
            self._stack.callback(self.soc.close)
            if self._soc_runs:
                self.soc.start()
            self._stack.push(self.gateway)
            self.gateway.start()
            self.gateway.wait_ready()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything; the folder stays if something went wrong."""
        self._stack.close()
        if error is None and not self._keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    def fleet(self, work: Work) -> Process:
        """Start vehicles that only alarm; they end by themselves."""
        self._fleet_report.unlink(missing_ok=True)
        return Process(
            sys.executable, "-m", "bench.fleet", "--port", str(self.broker.ports["vehicles"]),
            "--passwords", self.passwords, "--ledger", self.vehicles_ledger, "--report", self._fleet_report,
            "--work", msgspec.json.encode(work).decode(),
            log=self.fleet_log, cwd=ROOT,
        )  # fmt: skip

    def fleet_report(self) -> Report:
        """What they counted. Errors: StageError."""
        if not self._fleet_report.exists():
            tail = self.fleet_log.read_text(errors="replace")[-2000:]
            raise StageError(f"the vehicles did not report\n{tail}")
        return msgspec.json.decode(self._fleet_report.read_bytes(), type=Report)

    def check_alive(self) -> None:
        """Errors: StageError if the gateway ended by itself."""
        if not self.gateway.running:
            self.keep_folder()
            raise StageError(f"the gateway ended by itself:\n{self.gateway.log_tail()}")

    def keep_folder(self) -> Path:
        """Leave the evidence where it is."""
        self._keep = True
        return self.folder

    def emulator(
        self,
        *,
        alarm_rate: float = 0.0,
        telemetry_rate: float = 0.0,
        drain_s: float = 90.0,
        crowd: bool = False,
        duration_s: float = 0.0,
        more: Sequence[str | Path] = (),
    ) -> Process:
        """
        Start vehicles (or the crowd) that live until SIGTERM and then wait for their last receipts.

        ``duration_s``: or so long; ``more``: words of the emulator's command line.
        """
        passwords = self._crowd_passwords if crowd else self.passwords
        count, seed = (self.crowd, self._crowd_seed) if crowd else (self.vehicles, self.seed)
        ledger, report = self.vehicles_ledger, self.vehicles_report
        if crowd:
            ledger, report = self.folder / "crowd.jsonl", self.folder / "crowd-report.json"
        return Process(
            sys.executable, "-m", "vehicle_emulator", "run",
            "--broker", f"mqtt://{HOST}:{self.broker.ports['vehicles']}", "--passwords", passwords,
            "--vehicles", str(count), "--seed", str(seed), "--duration", str(duration_s),
            "--drain", str(drain_s), "--alarm-rate", str(alarm_rate), "--telemetry-rate", str(telemetry_rate),
            "--ledger", ledger, "--report", report, *more, log=self.folder / "vehicles.log", cwd=ROOT,
        )  # fmt: skip

    def telemetry(self, per_s: float) -> Process:
        """Let the crowd say so much a second, and nothing else, until SIGTERM; then it reports."""
        self.telemetry_report.unlink(missing_ok=True)
        return Process(
            sys.executable, "-m", "bench.reading.steady", "--port", str(self.broker.ports["vehicles"]),
            "--passwords", self._crowd_passwords, "--per-s", str(per_s), "--report", self.telemetry_report,
            log=self.folder / "telemetry.log", cwd=ROOT,
        )  # fmt: skip

    def at_soc(self) -> int:
        """How many requests are in the SOC's ledger by now."""
        with self.soc.ledger.open("rb") as file:
            file.seek(self._counted_bytes)
            new = file.read()
        self._counted_bytes += len(new)
        self._counted += new.count(b"\n")
        return self._counted

    def read_ledger(self) -> Ledger:
        """Both sides as far as they are written."""
        return ledger.read(self.vehicles_ledger, self.soc.ledger, self._excused)

    def undelivered(self) -> int:
        """Rows of the outbox that still wait."""
        return int(self.gateway.rows("SELECT COUNT(*) FROM deliveries WHERE state <> 'done'")[0][0])

    def last_sequence(self) -> int:
        """Where the feed stands."""
        return int(self.gateway.rows("SELECT COALESCE(MAX(sequence), 0) FROM messages")[0][0])

    def verify(self) -> str:
        """The gateway's own walk over its store: ``whole``, or the sentences it prints."""
        done = self.gateway.command("verify")
        return "whole" if done.returncode == 0 else (done.stdout + done.stderr).strip()

    def _sinks(self, names: Sequence[str]) -> str:
        webhook = (
            f'[[soc.sinks]]\nname = "soc"\ntype = "webhook"\nurl = "{self.soc.url}/alarms"\n'
            f'secret = "{SECRET}"\nconfirm = "echo"\n'
        )
        return "\n".join(webhook if name == "webhook" else EXTRA_SINKS[name] for name in names)


def wait_for(true: Callable[[], bool], within_s: float, complaint: str, log: Path | None = None) -> None:
    """Ask again and again until it is true. Errors: StageError."""
    until = time.monotonic() + within_s
    while not true():
        if time.monotonic() > until:
            tail = (
                "\n".join(log.read_text(errors="replace").splitlines()[-15:]) if log and log.exists() else ""
            )
            raise StageError(f"{complaint} within {within_s:g} s\n{tail}".rstrip())
        time.sleep(0.02)


def end_vehicles(emulator: Process, within_s: float) -> int:
    """Let vehicles drain and leave; returns their exit code."""
    return emulator.end(signal.SIGTERM, patience_s=within_s)


def _new_folder() -> Path:
    # Not /tmp: on many machines that is memory, and a commit to memory proves and measures nothing.
    parent = CACHE / "bench"
    parent.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(dir=parent, prefix="run-"))
