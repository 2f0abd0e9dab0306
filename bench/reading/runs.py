"""One measured run: a consumer, and what it reads from, each on a core of its own where there are two."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from bench.stage import StageError, wait_for
from devtools import CACHE, ROOT
from devtools.broker import HOST, free_ports
from devtools.mosquitto import find_or_fetch
from devtools.processes import Process

STARTS_WITHIN_S = 60.0
ENDS_WITHIN_S = 180.0
MOMENT_S = 0.3
REFERENCES = CACHE / "bench"
GMQTT = "gmqtt==0.8.0"
CONF = """\
listener {port} 127.0.0.1
allow_anonymous true
set_tcp_nodelay true
max_queued_messages 0
max_inflight_messages 0
"""


class Load(msgspec.Struct, frozen=True):
    """What is read."""

    messages: int
    vehicles: int
    qos: int

    def options(self) -> list[str]:
        """As a command line."""
        return ["--messages", str(self.messages), "--vehicles", str(self.vehicles), "--qos", str(self.qos)]


class Run(msgspec.Struct, frozen=True):
    """What a consumer says of its run, from its first message to its last."""

    messages: int
    wall_s: float
    cpu_s: float

    @property
    def per_s(self) -> float:
        """Messages a second."""
        return self.messages / self.wall_s

    @property
    def cpu_us(self) -> float:
        """CPU for each message, user and system."""
        return self.cpu_s / self.messages * 1e6


def from_spout(name: str, load: Load, folder: Path) -> Run:
    """
    From a stand-in for the broker.

    Errors:  StageError.
    """
    (port,) = free_ports(1)
    spout = _spout(port, load, folder)
    try:
        wait_for(lambda: _listens(port), STARTS_WITHIN_S, "nothing pours", folder / "spout.log")
        consumer = _consumer(name, port, load, folder)
        return _report(name, consumer, load, folder)
    finally:
        spout.end()


def through_broker(name: str, load: Load, folder: Path) -> Run:
    """
    Through Mosquitto, published as fast as it takes them.

    Errors:  StageError.
    """
    (port,) = free_ports(1)
    (folder / "broker.conf").write_text(CONF.format(port=port))
    begin = folder / "begin"
    begin.unlink(missing_ok=True)
    mosquitto = find_or_fetch()
    broker = Process(
        mosquitto.program, "-c", folder / "broker.conf",
        log=folder / "broker.log", environment=mosquitto.environment,
    )  # fmt: skip
    _pin(broker.pid, 0)
    spout: Process | None = None
    try:
        wait_for(lambda: _listens(port), STARTS_WITHIN_S, "no broker", folder / "broker.log")
        consumer = _consumer(name, port, load, folder)
        spout = _spout(port, load, folder, "--into-when", begin)
        said = folder / "consumer.log"
        wait_for(lambda: "ready" in said.read_text(), STARTS_WITHIN_S, f"{name} did not subscribe", said)
        wait_for(lambda: _connections(port) > 4, STARTS_WITHIN_S, "nothing pours", folder / "spout.log")
        time.sleep(MOMENT_S)
        begin.touch()
        return _report(name, consumer, load, folder)
    finally:
        if spout is not None:
            spout.end()
        broker.end()


def drain(folder: Path) -> Path:
    """
    The reference in C, built.

    Errors:  StageError.
    """
    program, source = folder / "drain", ROOT / "bench" / "reading" / "drain.c"
    compiler = shutil.which("cc")
    if compiler is None:
        raise StageError("the reference in C needs a C compiler (Debian, Ubuntu: sudo apt install gcc)")
    command = [compiler, "-O2", "-o", str(program), str(source), "-l:libmosquitto.so.1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StageError(f"the reference in C was not built: {done.stderr.strip().splitlines()[-1]}")
    return program


def installed(requirement: str) -> Path:
    """
    Where a reference or tool (``name==version``) is, installed first where it is not: a folder of its own.

    Errors:  StageError.
    """
    target = REFERENCES / requirement
    if not target.exists():
        REFERENCES.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=REFERENCES, prefix="install-") as unfinished:
            packages = Path(unfinished) / "packages"
            command = [
                sys.executable,
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-deps",
                "--target",
                str(packages),
            ]
            done = subprocess.run([*command, requirement], capture_output=True, text=True, check=False)
            if done.returncode:
                raise StageError(f"{requirement} was not installed: {done.stderr.strip().splitlines()[-1]}")
            packages.rename(target)
    return target


def _spout(port: int, load: Load, folder: Path, *more: str | Path) -> Process:
    spout = Process(
        sys.executable, "-m", "bench.reading.spout", "--port", str(port), *load.options(), *more,
        log=folder / "spout.log", cwd=ROOT,
    )  # fmt: skip
    _pin(spout.pid, 0)
    return spout


def _consumer(name: str, port: int, load: Load, folder: Path) -> subprocess.Popen[str]:
    environment = dict(os.environ)
    if name == "drain":
        command = [str(drain(folder)), str(port), str(load.messages), str(load.qos)]
    else:
        command = [sys.executable, "-m", "bench.reading.consumers", name, "--port", str(port)]
        command += ["--messages", str(load.messages), "--qos", str(load.qos)]
    if name == "gmqtt":
        environment["PYTHONPATH"] = os.pathsep.join([str(installed(GMQTT)), str(ROOT)])
    with (folder / "consumer.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT, env=environment
        )
    _pin(process.pid, 1)
    return process


def _report(name: str, consumer: subprocess.Popen[str], load: Load, folder: Path) -> Run:
    try:
        said, _ = consumer.communicate(timeout=ENDS_WITHIN_S)
    except subprocess.TimeoutExpired as error:
        raise StageError(f"{name} did not end within {ENDS_WITHIN_S:g} s") from error
    finally:
        consumer.kill()
        consumer.wait()
    lines = said.splitlines()
    if not lines:
        raise StageError(f"{name} said nothing:\n{(folder / 'consumer.log').read_text()[-2000:]}")
    run = msgspec.json.decode(lines[-1], type=Run)
    if run.messages < load.messages:
        raise StageError(f"{name} got {run.messages:,} of {load.messages:,} messages")
    return run


def _pin(pid: int, core: int) -> None:
    """Keep a process on one core, where there are two for us."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else []
    if len(cores) > 1:
        os.sched_setaffinity(pid, {cores[core]})


def _listens(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def _connections(port: int) -> int:
    """How many clients are connected to a port of this machine."""
    wanted = f":{port:04X}"
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return sum(row[1].endswith(wanted) and row[3] == "01" for row in rows)
