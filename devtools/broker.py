"""
A Mosquitto of one's own: the shipped ``mosquitto.conf`` on free ports in a folder of its own.

Rules of this file:

1. What runs is the shipped profile and the shipped ACL files; only ports, paths and the named options differ.
2. The ports stay the same for the life of a ``Broker``, through any number of stops, kills and restarts.
3. The broker never outlives the process that started it, however that process ends.
"""

from __future__ import annotations

import os
import random
import secrets
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from devtools import ROOT
from devtools.mosquitto import Mosquitto, find_or_fetch
from devtools.passwords import write_password_file
from devtools.processes import Process

Party = Literal["vehicles", "users", "gateways"]

# In the order of the listeners in mosquitto.conf.
PARTIES: tuple[Party, ...] = ("vehicles", "users", "gateways")
HOST = "127.0.0.1"
START_S = 30.0
STOP_S = 30.0
PINGREQ = b"\xc0\x00"


class BrokerError(RuntimeError):
    """The broker did not do what was asked; the text ends with its log."""


class Broker:
    """
    One Mosquitto with its three listeners; a context manager that starts and stops it.

    ``folder`` is kept if given (a demo's broker remembers), else a temporary one goes with ``close``.
    ``gateways`` are the gateway users that the ACL knows; all get a password at once, as does ``soc``.
    """

    def __init__(
        self,
        *,
        folder: Path | None = None,
        mosquitto: Mosquitto | None = None,
        persistence: bool = True,
        max_packet_size: bool = True,
        gateways: Iterable[str] = ("gateway",),
        extra: Iterable[str] = (),
    ) -> None:
        self._mosquitto = mosquitto or find_or_fetch()
        self._own_folder = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="broker-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ports: dict[Party, int] = dict(zip(PARTIES, free_ports(len(PARTIES)), strict=True))
        self.passwords: dict[Party, dict[str, str]] = {party: {} for party in PARTIES}
        self._named: dict[Party, set[str]] = {party: set() for party in PARTIES}
        """Everyone whom this object ever added; who was added by others stays in the files."""
        self._process: Process | None = None
        self._options = {"persistence": persistence, "max_packet_size": max_packet_size}
        self._extra = list(extra)
        gateway_names = list(gateways)
        self._write_acls(gateway_names)
        self.add("gateways", *gateway_names)
        self.add("users", "soc")
        self.add("vehicles")
        self._write_config()

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it and remove its temporary folder."""
        self.close()

    # ── Names and addresses ───────────────────────────────────────────────────────────────────────

    def add(self, party: Party, *names: str, passwords: Mapping[str, str] | None = None) -> dict[str, str]:
        """Let users connect, at once; the answer is name → password (random where only a name is given)."""
        added = {name: secrets.token_urlsafe(12) for name in names} | dict(passwords or {})
        self.passwords[party] |= added
        self._named[party] |= added.keys()
        write_password_file(
            self.folder / f"{party}.passwd", self.passwords[party], replacing=self._named[party]
        )
        if self.running:
            self._reload()
        return added

    def remove(self, party: Party, *names: str) -> None:
        """Take users' access away: they are refused from their next connection on."""
        for name in names:
            del self.passwords[party][name]
        self.add(party)

    def url(self, party: Party = "gateways", name: str = "gateway") -> str:
        """Return ``mqtt://name:password@host:port`` of a user that was added."""
        return f"mqtt://{name}:{self.passwords[party][name]}@{HOST}:{self.ports[party]}"

    # ── Life ──────────────────────────────────────────────────────────────────────────────────────

    @property
    def running(self) -> bool:
        """Whether the process lives (a paused one does)."""
        return self._process is not None and self._process.running

    @property
    def pid(self) -> int:
        """The process id of a running broker."""
        return self._alive().pid

    def start(self) -> None:
        """Start on the ports of this Broker and return when all three listeners are served."""
        if self.running:
            return
        self._process = Process(
            self._mosquitto.program,
            "-c",
            self.folder / "mosquitto.conf",
            log=self.log_path,
            environment=self._mosquitto.environment,
        )
        self._wait(self._serves, START_S, "did not start")
        self.pid_path.write_text(f"{self.pid}\n")

    def stop(self) -> None:
        """Stop in good order: it writes its sessions to disk first."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it without warning, as a power cut would: it comes back with what it saved last."""
        self._end(signal.SIGKILL)

    def restart(self, *, kill: bool = False) -> None:
        """Stop (or kill) and start again on the same ports."""
        if kill:
            self.kill()
        else:
            self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing answers, as on a dead link."""
        self._alive().send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen broker go on."""
        self._alive().send(signal.SIGCONT)

    def save(self) -> None:
        """Write sessions and queued messages to disk now rather than at the next autosave."""
        before = self._database_stamp()
        self._alive().send(signal.SIGUSR1)
        self._wait(lambda: self._database_stamp() != before, STOP_S, "did not save")

    def close(self) -> None:
        """Stop it, if it runs, and remove a temporary folder."""
        self.stop()
        if self._own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    # ── What it says ──────────────────────────────────────────────────────────────────────────────

    @property
    def log_path(self) -> Path:
        """Where its log goes, across restarts."""
        return self.folder / "mosquitto.log"

    @property
    def pid_path(self) -> Path:
        """A file with the process id of the running broker."""
        return self.folder / "mosquitto.pid"

    def log(self) -> str:
        """Everything it logged so far."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def client(self, name: str) -> Path | None:
        """The path of ``mosquitto_pub`` or ``mosquitto_sub``, if this machine has them."""
        return self._mosquitto.client(name)

    # ── Inside ────────────────────────────────────────────────────────────────────────────────────

    def _write_acls(self, gateways: list[str]) -> None:
        shipped = ROOT / "deploy" / "acl"
        for party in PARTIES:
            text = (shipped / f"{party}.acl").read_text()
            if party == "gateways":
                text = "".join(text.replace("user gateway\n", f"user {name}\n") + "\n" for name in gateways)
            path = self.folder / f"{party}.acl"
            path.write_text(text)
            path.chmod(0o600)  # later versions warn about files that others can read

    def _write_config(self) -> None:
        path = self.folder / "mosquitto.conf"
        path.write_text(
            render((ROOT / "mosquitto.conf").read_text(), self.folder, self.ports, **self._options)
        )
        with path.open("a") as config:
            config.writelines(f"{line}\n" for line in self._extra)

    def _alive(self) -> Process:
        if self._process is None or not self._process.running:
            raise BrokerError(self._complaint("is not running"))
        return self._process

    def _serves(self) -> bool:
        self._alive()
        return all(_serves(port) for port in self.ports.values())

    def _reload(self) -> None:
        # It reads all files before its next turn, so its word that it began is enough for who connects after.
        said = self.log().count("Reloading config.")
        self._alive().send(signal.SIGHUP)
        self._wait(lambda: self.log().count("Reloading config.") > said, STOP_S, "did not reload")

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process:
            process.end(how)

    def _database_stamp(self) -> int:
        path = self.folder / "mosquitto.db"
        return path.stat().st_mtime_ns if path.exists() else 0

    def _wait(self, true: Callable[[], bool], limit_s: float, complaint: str) -> None:
        until = time.monotonic() + limit_s
        while not true():
            if time.monotonic() > until:
                raise BrokerError(self._complaint(f"{complaint} within {limit_s:g} s"))
            time.sleep(0.01)

    def _complaint(self, what: str) -> str:
        last = "\n  ".join(self.log().splitlines()[-8:])
        return f"the broker {what}; its log in {self.log_path} ends with:\n  {last}"


def render(
    text: str, folder: Path, ports: Mapping[Party, int], *, persistence: bool, max_packet_size: bool
) -> str:
    """Turn the shipped profile into one for this machine: other ports, paths, user; comments left out."""
    listeners = iter(ports.values())
    replaced: dict[str, Callable[[str], str | None]] = {
        "listener": lambda _: f"{next(listeners)} {HOST}",
        "password_file": lambda path: str(folder / Path(path).name),
        "acl_file": lambda path: str(folder / Path(path).name),
        "persistence": lambda _: str(persistence).lower(),
        "persistence_location": lambda _: f"{folder}{os.sep}",
        "max_packet_size": lambda size: size if max_packet_size else None,
    }
    lines = []
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        if not key or key.startswith("#"):
            continue
        kept = replaced[key](value) if key in replaced else value
        if kept is not None:
            lines.append(f"{key} {kept}")
    # Started as root it would drop to a user that can't read our folder (and would slip off a death signal).
    if os.geteuid() == 0:
        lines.insert(0, "user root")
    return "\n".join(lines) + "\n"


def free_ports(count: int) -> list[int]:
    """
    Return free TCP ports below the range that the system gives to outgoing connections.

    Inside that range a client that reconnects to a stopped broker can be given the broker's own port as its
    source: it then talks to itself, and the broker can't come back. None is given twice: the port of the same
    number for datagrams, which nobody here uses, is kept until this process ends.
    """
    try:
        low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except OSError:
        low = 49152  # the registered beginning of the dynamic range
    found: list[int] = []
    candidates = random.SystemRandom().sample(range(min(10240, low - 1000), low), 500)
    for port in candidates:
        if len(found) == count:
            break
        with socket.socket() as probe, socket.socket(type=socket.SOCK_DGRAM) as kept:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                kept.bind((HOST, port))
                probe.bind((HOST, port))
            except OSError:
                continue
            kept.detach()
        found.append(port)
    return found


def _serves(port: int) -> bool:
    """Whether it answers: the system accepts before it does, and a SIGHUP so early would end it."""
    try:
        with socket.create_connection((HOST, port), timeout=1) as probe:
            probe.sendall(PINGREQ)  # before any CONNECT, so its answer is to hang up
            probe.recv(1)
    except ConnectionResetError:
        return True
    except OSError:
        return False
    return True
