"""The gateway as a process of its own: started, killed and started again on the same data."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from devtools.broker import HOST, free_ports
from devtools.processes import Process

READY_WITHIN_S = 60.0


class GatewayProcess:
    """
    One gateway with its own folder, port and configuration.

    ``sinks`` are TOML tables as text; ``environment`` adds to the process's own.
    """

    def __init__(
        self,
        folder: Path,
        mqtt_url: str,
        *,
        sinks: str = '[[soc.sinks]]\nname = "log"\ntype = "log"\n',
        settings: str = "",
        environment: Mapping[str, str] | None = None,
        instance: str = "gw-1",
    ) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        (port,) = free_ports(1)
        self.url = f"http://{HOST}:{port}"
        self.config = folder / "gateway.toml"
        self.log_path = folder / "gateway.log"
        self.database = folder / "var" / "gateway.db"
        self._environment = dict(environment or {})
        self._process: Process | None = None
        self.config.write_text(
            f'[gateway]\ninstance = "{instance}"\ndata_dir = "var"\n'
            f'[mqtt]\nurl = "{mqtt_url}"\n[api]\nlisten = "{HOST}:{port}"\n{settings}\n{sinks}\n'
        )

    def __enter__(self) -> Self:
        """Start it and wait until it is ready."""
        self.start()
        self.wait_ready()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        if self.running:
            self.kill()

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.running

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it runs."""
        return None if self._process is None else self._process.exit_code()

    @property
    def pid(self) -> int:
        """Process id of a started gateway."""
        if self._process is None:
            raise RuntimeError("the gateway was not started")
        return self._process.pid

    def start(self, environment: Mapping[str, str] | None = None) -> None:
        """Start it; ``environment`` counts for this start only."""
        variables = {**os.environ, **self._environment, **(environment or {})}
        self._process = Process(
            sys.executable,
            "-m",
            "gateway",
            "run",
            "--config",
            self.config,
            log=self.log_path,
            environment=variables,
        )

    def kill(self) -> None:
        """SIGKILL."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        return self._end(signal.SIGTERM)

    def pause(self) -> None:
        """SIGSTOP."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def wait_dead(self, within_s: float = READY_WITHIN_S) -> int:
        """Wait for its end by itself; returns the exit code."""
        code = self.wait_for(lambda: self.exit_code, within_s, "the gateway did not end")
        return int(code)

    def wait_ready(self, within_s: float = READY_WITHIN_S) -> None:
        """Wait for ``/health/ready`` to answer 200."""
        self.wait_for(lambda: self.health()[0] == 200 or None, within_s, "the gateway did not become ready")

    def wait_for(self, what: Any, within_s: float, complaint: str) -> Any:
        """Ask until the answer is not None."""
        end_s = time.monotonic() + within_s
        while time.monotonic() < end_s:
            answer = what()
            if answer is not None:
                return answer
            time.sleep(0.02)
        raise AssertionError(f"{complaint} within {within_s:g} s:\n{self.log_tail()}")

    def health(self) -> tuple[int, dict[str, Any]]:
        """Status and body of ``/health/ready``; (0, {}) while nobody listens."""
        try:
            with urllib.request.urlopen(f"{self.url}/health/ready", timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)
        except (OSError, ValueError):
            return 0, {}

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a ``vehicle-gateway`` command with this configuration."""
        line = [sys.executable, "-m", "gateway", *words, "--config", str(self.config)]
        return subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)

    def token(self, role: str = "operator", person: str = "test", user: str | None = None) -> str:
        """Make a token, for a person's app with its user."""
        words = ("--role", role, "--person", person, *(("--user", user) if user else ()))
        done = self.command("token", "create", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()[-1]

    def get(self, path: str, token: str) -> Any:
        """GET of ``/api/v1<path>`` as JSON."""
        request = urllib.request.Request(
            f"{self.url}/api/v1{path}", headers={"Authorization": f"Bearer {token}"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def rows(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Read the store beside the running gateway."""
        connection = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)
        try:
            return connection.execute(query, parameters).fetchall()
        finally:
            connection.close()

    def log_tail(self, lines: int = 15) -> str:
        """The end of its log."""
        if not self.log_path.exists():
            return "(no log)"
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])

    def _end(self, how: signal.Signals) -> int:
        assert self._process is not None
        code = self._process.end(how)
        self._process = None
        return code


def webhook_sink(url: str, *, name: str = "soc", extra: str = "") -> str:
    """A webhook sink as TOML."""
    return f'[[soc.sinks]]\nname = "{name}"\ntype = "webhook"\nurl = "{url}"\n{extra}\n'
