"""Programs that never outlive the one that started them, however that one ends."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

PATIENCE_S = 10.0  # the gateway answers SIGTERM within 8 s


class Process:
    """
    A running program in a session of its own (Ctrl-C is for us, who end it in good order), writing to a log.

    Beside it waits a shell for the end of our pipe, which comes with our end, and kills the program then. A
    parent-death signal would fire when the starting *thread* ends, and exists on Linux only.
    """

    def __init__(
        self,
        *command: str | Path,
        log: Path,
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        """Start it; its output is added to ``log``."""
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                cwd=cwd,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.pid = self._process.pid
        self._watchdog: subprocess.Popen[bytes] | None = subprocess.Popen(
            ["/bin/sh", "-c", 'read -r _; kill -9 "$1"', "watchdog", str(self.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def exit_code(self) -> int | None:
        """Return how it ended (minus the signal that killed it), or None while it runs."""
        code = self._process.poll()
        if code is not None:
            self._dismiss_watchdog()
        return code

    @property
    def running(self) -> bool:
        """Whether it lives; a frozen one does."""
        return self.exit_code() is None

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; nothing happens if it is gone."""
        self._process.send_signal(number)

    def end(self, how: signal.Signals = signal.SIGTERM, *, patience_s: float = PATIENCE_S) -> int:
        """End it (a frozen one wakes up for that), insist after a while, and return its exit code."""
        self.send(how)
        self.send(signal.SIGCONT)
        try:
            return self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()
        finally:
            self._dismiss_watchdog()

    def _dismiss_watchdog(self) -> None:
        # At once: the process id may soon belong to somebody else.
        if self._watchdog:
            self._watchdog.kill()
            self._watchdog.communicate()
            self._watchdog = None
