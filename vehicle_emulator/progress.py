"""How far something is: a bar where somebody watches; in a log, a line every ten seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

EVERY_S: Final = 10.0


class Pulse(msgspec.Struct, frozen=True):
    """A fleet at a moment; ``elapsed_s`` since its life began, None before."""

    vehicles: int = 0
    up: int = 0
    elapsed_s: float | None = None
    receipted: int = 0
    waiting: int = 0
    resent: int = 0
    lost: int = 0
    """Events given up or rejected."""
    telemetry: int = 0
    dropped: int = 0
    """Telemetry that nobody could take."""
    disconnects: int = 0

    def __add__(self, other: Pulse) -> Pulse:
        """Both together, on one clock."""
        mine, others = msgspec.structs.asdict(self), msgspec.structs.asdict(other)
        elapsed_s = [one.elapsed_s for one in (self, other) if one.elapsed_s is not None]
        sums = {name: mine[name] + others[name] for name in mine if name != "elapsed_s"}
        return Pulse(**sums, elapsed_s=max(elapsed_s, default=None))

    def sentence(self, before: Pulse) -> str:
        """For people; rates are those since ``before``."""
        if self.elapsed_s is None:
            return f"connecting: {self.up:,} of {self.vehicles:,}"
        over_s = self.elapsed_s - (before.elapsed_s or 0.0)
        events, telemetry = (
            (now - then) / over_s if over_s > 0 else 0.0
            for now, then in ((self.receipted, before.receipted), (self.telemetry, before.telemetry))
        )
        parts = [
            f"{self.up:,} on the air", f"{events:,.0f} receipts/s", f"{telemetry:,.0f} telemetry/s",
            f"{self.waiting:,} waiting", f"{self.lost:,} lost",
        ]  # fmt: skip
        seldom = {"resent": self.resent, "telemetry dropped": self.dropped, "disconnects": self.disconnects}
        return ", ".join([*parts, *(f"{count:,} {name}" for name, count in seldom.items() if count)])


class Bar:
    """A context manager. ``total`` in the same unit as what is done of it; 0: nobody knows."""

    def __init__(
        self,
        console: Console,
        total: float,
        unit: str = "s",
        *,
        log: Console | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Shown on this console if it is a terminal, else on ``log``, usually standard error."""
        own = console if _is_watched(console) else log or Console(stderr=True)
        self._total, self._unit, self._now, self._next_s = total, unit, now, now() + EVERY_S
        self._log = None if _is_watched(own) else own
        self._bar = Progress(
            BarColumn(bar_width=24), TextColumn("{task.description}"), console=own, auto_refresh=False,
            transient=True, disable=self._log is not None,
        )  # fmt: skip
        self._task = self._bar.add_task("", total=total or None)

    def __enter__(self) -> Self:
        """Begin to show."""
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave no trace on a terminal."""
        self._bar.stop()

    def tell(self, done: float, text: str) -> None:
        """Say how it is now."""
        whole = f" of {self._total:,.10g}" if self._total else ""
        line = f"{min(done, self._total or done):,.0f}{whole} {self._unit}: {text}"
        if self._log is None:
            self._bar.update(self._task, completed=done, description=line, refresh=True)
        elif self._now() >= self._next_s:
            self._next_s = self._now() + EVERY_S
            self._log.print(line, markup=False, highlight=False, soft_wrap=True)


class Meter:
    """Shows a fleet's pulse again and again."""

    def __init__(self, bar: Bar) -> None:
        """From nothing."""
        self._bar, self._before = bar, Pulse()

    def show(self, pulse: Pulse) -> None:
        """How it is now."""
        self._bar.tell(pulse.elapsed_s or 0.0, pulse.sentence(self._before))
        self._before = pulse


def _is_watched(console: Console) -> bool:
    return console.is_terminal and not console.is_dumb_terminal
