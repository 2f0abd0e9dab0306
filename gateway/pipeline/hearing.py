"""
Whether silence may be counted: since when the gateway itself has heard, and whether many fell silent at once.

A vehicle that says nothing while we are deaf is not silent. Only the canary proves that we hear: it goes
through broker, decoder and store like any other vehicle.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from gateway.domain.signals import Tick
from gateway.pipeline.canary import Canary
from gateway.ports import Clock, Link

TOGETHER_S = 120.0
MANY = 20
MANY_SHARE = 0.05
COUNT_EVERY_S = 10.0
ONLINE_WITHIN = timedelta(minutes=10)
MAX_SILENT = 200_000


class Hearing:
    """Looked at every second and at every timer. The monotonic clock decides."""

    def __init__(self, link: Link, canary: Canary, clock: Clock, canary_late_s: float) -> None:
        self._link = link
        self._canary = canary
        self._clock = clock
        self._late_s = canary_late_s
        self._since_s: float | None = None

    def since(self) -> datetime | None:
        """Since when everything that was sent was heard; None: we are deaf."""
        age_s = self._canary.age_s
        if not self._link.connected or age_s is None or age_s > self._late_s:
            self._since_s = None
            return None
        now_s = self._clock.mono_s()
        if self._since_s is None:
            self._since_s = now_s
        return self._clock.now() - timedelta(seconds=now_s - self._since_s)


class MassLoss:
    """Counts vehicles that fell silent within two minutes. One note of many is worth more than many notes."""

    def __init__(self, clock: Clock, online: Callable[[datetime, int], int]) -> None:
        """``online`` counts the vehicles that were heard since a time, up to so many."""
        self._clock = clock
        self._online = online
        self._silent: OrderedDict[str, float] = OrderedDict()
        self._fleet, self._most = 0, 0
        """Those online, and up to how many were counted."""
        self._fleet_at_s = -COUNT_EVERY_S

    def note(self, vins: Iterable[str]) -> None:
        """Take note of vehicles that are silent now."""
        for vin in vins:
            self._silent[vin] = self._clock.mono_s()
            self._silent.move_to_end(vin)
        while len(self._silent) > MAX_SILENT:
            self._silent.popitem(last=False)

    @property
    def count(self) -> int:
        """How many fell silent, or still are, within two minutes."""
        before_s = self._clock.mono_s() - TOGETHER_S
        while self._silent and next(iter(self._silent.values())) < before_s:
            self._silent.popitem(last=False)
        return len(self._silent)

    @property
    def lasts(self) -> bool:
        """Whether they are too many to be told one by one."""
        count = self.count
        return count > MANY and count > MANY_SHARE * (count + self._heard(int(count / MANY_SHARE)))

    def _heard(self, enough: int) -> int:
        """How many, up to twice as many as are enough: to count a million takes a quarter second."""
        now_s = self._clock.mono_s()
        is_short = self._fleet >= self._most and enough > self._most
        if is_short or now_s - self._fleet_at_s >= COUNT_EVERY_S:
            self._fleet_at_s, self._most = now_s, 2 * enough
            self._fleet = self._online(self._clock.now() - ONLINE_WITHIN, self._most)
        return self._fleet


def ticker(
    hearing: Callable[[], datetime | None],
    heard_at: Callable[[str], datetime | None],
    mass_loss: MassLoss,
    reachable: Callable[[], bool] = lambda: True,
) -> Callable[[str, datetime], Tick]:
    """Make what a vehicle is woken with: all that it can't know by itself."""

    def tick(subject: str, now: datetime) -> Tick:
        return Tick(
            received_at=now,
            hearing_since=hearing(),
            heard_at=heard_at(subject),
            mass_loss=mass_loss.lasts,
            reachable=reachable(),
        )

    return tick
