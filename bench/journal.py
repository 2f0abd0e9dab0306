"""
A fleet's journal as ``export-facts`` would print it: seeded lives of vehicles, in the order of arrival.

Each vehicle is driven and parked again and again for some hours: cards, ignition, movement that is told again
while it lasts, charging, mobile data, connections; now and then a sensor triggers, a siren flaps, a thief
drives off without a card or jams. Operators close what was raised. Some facts arrive late or out of order.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from gateway.domain.facts import AnyFact
from gateway.domain.signals import (
    Charging,
    Close,
    Connection,
    DataBundle,
    DriverCard,
    Ignition,
    Mode,
    Movement,
    TheftSensor,
)
from vehicle_emulator.dice import Dice
from vehicle_emulator.fleet import vins

BEGAN = datetime(2026, 3, 2, 6, tzinfo=UTC)
THEFTS_PER_DRIVE = 0.01
TROUBLES_PER_STOP = 0.05
"""Far more than any real fleet has: the rules shall have work."""
TOLD_AGAIN_S = 25.0
SENSORS = ("intrusion", "tilt", "tamper", "battery_low", "battery_disconnect")
ATTACKS = ("jamming_gsm", "intrusion", "car_alarm")


class Life:
    """One vehicle's facts, in the order in which they happen."""

    def __init__(self, seed: int, vin: str) -> None:
        self._dice = Dice(seed, vin, "journal")
        self._now_s = self._dice.between(0, 1800)
        self._number = 0
        self._used_mb = 0.0
        self.facts: list[tuple[float, AnyFact]] = []
        self.acts: list[tuple[float, str]] = []
        """When an operator closes an alarm, and its cause."""

    def live(self, until_s: float) -> None:
        """Drive and park until then."""
        self._event(Connection, online=True, bearer="LTE", numbered=False)
        while self._now_s < until_s:
            stolen = self._dice.chance(THEFTS_PER_DRIVE)
            self._drive(with_card=not stolen)
            self._park()

    def _drive(self, *, with_card: bool) -> None:
        if with_card:
            self._event(DriverCard, present=True, card_id="DC-1", battery="ok")
        self._wait(2, 10)
        self._event(Ignition, on=True, numbered=False)
        for _leg in range(1 + self._dice.below(4)):
            self._leg()
            self._event(Movement, moving=False, speed_km_h=0.0, numbered=False)
            self._wait(5, 90)
        self._event(Ignition, on=False, numbered=False)
        if with_card:
            self._wait(3, 30)
            self._event(DriverCard, present=False, card_id="DC-1", battery="ok")

    def _leg(self) -> None:
        end_s = self._now_s + self._dice.between(60, 1200)
        while self._now_s < end_s:
            speed_km_h = round(self._dice.between(8, 110), 1)
            self._event(Movement, moving=True, speed_km_h=speed_km_h, numbered=False)
            self._wait(TOLD_AGAIN_S, TOLD_AGAIN_S + 3)
            if self._dice.chance(0.01):
                self._event(Connection, online=self._dice.chance(0.5), bearer="E", numbered=False)

    def _park(self) -> None:
        end_s = self._now_s + self._dice.between(300, 5400)
        if self._dice.chance(0.3):
            self._event(Charging, connected=True, charging=True, evse_id="NL*ABC*E1")
        if self._dice.chance(0.4):
            self._used_mb += self._dice.between(5, 60)
            self._event(DataBundle, bundle_id="B1", used_mb=self._used_mb, total_mb=1000.0)
        if self._dice.chance(0.05):
            self._event(Mode, private_mode=self._dice.chance(0.3))
        if self._dice.chance(TROUBLES_PER_STOP):
            self._wait(80, 300)
            self._trouble()
        self._now_s = max(self._now_s, end_s)

    def _trouble(self) -> None:
        cause = self._dice.pick(SENSORS if self._dice.chance(0.5) else ATTACKS)
        for _again in range(1 + self._dice.below(6)):
            self._event(TheftSensor, cause=cause, state="triggered")
            self._wait(1, 25)
            if self._dice.chance(0.6):
                self._event(TheftSensor, cause=cause, state="restored")
                self._wait(1, 5)
        self.acts += [(self._now_s + 600, one) for one in (cause, "driver_card_missing")]

    def _wait(self, least_s: float, most_s: float) -> None:
        self._now_s += self._dice.between(least_s, most_s)

    def _event(self, kind: Any, *, numbered: bool = True, **fields: Any) -> None:
        delay_s = self._dice.between(0.05, 1.0)
        if self._dice.chance(0.02):
            delay_s = self._dice.between(2, 400)
        if numbered:
            self._number += 1
            fields |= {"event_id": f"b1-{self._number}", "boot_id": "b1", "seq": self._number}
        arrived_s = self._now_s + delay_s
        fact = kind(received_at=_at(arrived_s), occurred_at=_at(self._now_s), **fields)
        self.facts.append((arrived_s, fact))


def write(path: Path, *, seed: int, vehicles: int, hours: float) -> int:
    """Write the journal; returns how many facts it holds."""
    encode = msgspec.json.Encoder().encode
    lines = sorted(_lines(seed, vehicles, hours), key=lambda line: line[0])
    with path.open("wb") as file:
        for arrived_s, vin, fact, cause in lines:
            file.write(encode({"vin": vin, "at": _at(arrived_s), "fact": fact, "cause": cause}) + b"\n")
    return len(lines)


def _lines(seed: int, vehicles: int, hours: float) -> Iterator[tuple[float, str, AnyFact, str | None]]:
    for vin in vins(seed, vehicles):
        life = Life(seed, vin)
        life.live(hours * 3600)
        for arrived_s, fact in life.facts:
            yield arrived_s, vin, fact, None
        for at_s, cause in life.acts:
            close = Close(received_at=_at(at_s), alarm_id="?", by="Kim", disposition="unknown")
            yield at_s, vin, close, cause


def _at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=round(seconds, 3))
