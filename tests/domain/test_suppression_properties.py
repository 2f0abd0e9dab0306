"""What no history of a car, its people and its modes may do: mute a thief, or lose what was held back."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.causes import STATED_BY_VEHICLE
from gateway.domain.effects import Announce, Effect, Verdict
from gateway.domain.facts import AnyFact
from gateway.domain.services.special_modes import INSTALLATION, MODES
from gateway.domain.signals import (
    EndMode,
    ForgedRepeat,
    Located,
    Mode,
    Place,
    Position,
    SetMode,
    Software,
    TheftSensor,
    Tick,
    Unreadable,
)
from tests.domain.cars import Car, at, card, ignition, moves, registered, sensor, stands
from tests.domain.test_special_modes import LETTERS, NEVER, TABLE

CAUSES = (*sorted(STATED_BY_VEHICLE), "moonlight")
FACTS = 100
YARD = Place(52, 5, 300)


class History:
    """One random life of one car, watched step by step by rules that share no code with the fold."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.causes = self.rng.sample(CAUSES, self.rng.choice((2, len(CAUSES))))
        self.pauses_s = self.rng.choice(((0, 0.1, 0.3, 2), (0, 0.3, 2, 16, 75, 301, 700, 4000, 20_000)))
        self.car = Car()
        self.now_s = 0.0
        self.decisions = 0
        self.triggers: dict[str, str] = {}
        self.told: Counter[str] = Counter()
        self.held_back: set[str] = set()
        self.dismissed: set[str] = set()
        self.verdicts: dict[str, str] = {}
        self.suppressed: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()
        self.held_at: dict[str, int] = {}
        self.restored_at: dict[str, int] = {}
        self.alarmed_at: dict[str, int] = {}

    def live(self, facts: int) -> None:
        """Live through so many facts, then until every mode has ended."""
        self._take(registered(0, *self.rng.choice(((), ("A",))), main_user="anna"))
        for number in range(facts):
            self._pass_time()
            self._take(self._fact(number))
        while self._goes_on() and (wake_at := self.car.vehicle.wake_at) is not None:
            self._take(Tick(received_at=wake_at))
        self._check_the_end()

    def _goes_on(self) -> bool:
        """Whether more than the vehicle's own silence is awaited."""
        return bool(self.car.vehicle.modes.running) or not self.car.rests

    def _pass_time(self) -> None:
        self.now_s += self.rng.choice(self.pauses_s)
        on_time = self.rng.random() < 0.8
        while on_time and (wake_at := self.car.vehicle.wake_at) is not None and wake_at < at(self.now_s):
            self._take(Tick(received_at=wake_at))

    def _take(self, fact: AnyFact) -> None:
        self.decisions += 1
        if isinstance(fact, TheftSensor) and fact.state == "triggered":
            self.triggers[fact.event_id] = fact.cause
        if isinstance(fact, TheftSensor) and fact.state == "restored":
            self.restored_at[fact.cause] = self.decisions
        forged = isinstance(fact, ForgedRepeat)
        before = {mode.mode_id: mode for mode in self.car.vehicle.modes.running}
        effects = self.car.take(fact)
        after = {mode.mode_id: mode for mode in self.car.vehicle.modes.running}
        self.car.effects.clear()
        assert not forged or "tamper" in self.car.vehicle.alarms
        for effect in effects:
            self._check(effect, before | after, forged=forged)

    def _check(self, effect: Effect, modes: dict[str, Any], *, forged: bool) -> None:
        if isinstance(effect, Verdict):
            self.verdicts[effect.event_id] = effect.verdict
            if effect.verdict == "suppressed":
                self.held_at[self.triggers[effect.event_id]] = self.decisions
        if not isinstance(effect, Announce):
            return
        self.told.update(effect.event_ids)
        alarm = effect.alarm
        if effect.type == "alarm.suppressed":
            self._is_covered(alarm.cause, modes.get(alarm.suppressed_by or ""))
            assert not (forged and alarm.cause == "tamper" and not effect.event_ids)
            assert (alarm.state, alarm.case_id) == ("suppressed", None)
            self.held_back.update(effect.event_ids)
            self.suppressed[alarm.alarm_id] += 1
        elif alarm.note == "mode_ended":
            assert (effect.type, effect.event_ids, alarm.state) == ("alarm.updated", (), "suppressed")
            self.ended[alarm.alarm_id] += 1
        else:
            assert alarm.suppressed_by is None
            self.alarmed_at[alarm.cause] = self.decisions

    def _is_covered(self, cause: str, mode: Any) -> None:
        """By a mode that is valid at this very time, or whose last second has just been gathered."""
        assert mode is not None, f"{cause} was suppressed without a mode"
        assert cause not in NEVER
        if mode.mode == INSTALLATION:
            assert cause in {"car_alarm", "intrusion"}
        else:
            assert mode.mode in {LETTERS[one][0] for one in TABLE[cause].split()}
        assert mode.starts_at <= self.car.now
        assert mode.ends_at - mode.set_at <= (
            MODES[mode.mode].operator if mode.role == "operator" else at(12 * 6 * 3600) - at(0)
        )

    def _check_the_end(self) -> None:
        for event_id, cause in self.triggers.items():
            verdict = self.verdicts[event_id]
            assert verdict in {"alarm", "suppressed", "below_minimum"}
            assert self.told[event_id] == (verdict != "below_minimum"), (event_id, cause, verdict)
            assert (event_id in self.held_back) == (verdict == "suppressed")
            if cause in NEVER or cause not in STATED_BY_VEHICLE:
                assert verdict == "alarm"
        for cause, held_at in self.held_at.items():
            if cause != "car_alarm" and self.restored_at.get(cause, -1) < held_at:
                assert self.alarmed_at.get(cause, -1) >= held_at, f"{cause} was still there at the end"
        assert set(self.told) <= set(self.triggers)
        assert self.ended == Counter(dict.fromkeys(self.suppressed, 1)), "each says once what was held back"
        assert self.car.vehicle.suppressed == {}
        assert self.car.vehicle.modes.running == ()
        assert self.car.vehicle.held_back == {}

    def _fact(self, number: int) -> AnyFact:
        rng, now_s = self.rng, self.now_s
        stamp_s = now_s - rng.choice((0, 0, 0, 0, 1, 30, 290, 400, 5000, -400))
        times: dict[str, Any] = {"occurred_at": at(stamp_s), "received_at": at(now_s)}
        event: dict[str, Any] = {"event_id": f"e{number}", **times}
        chosen = rng.random()
        if chosen < 0.4:
            return self._sensor(number, stamp_s)
        if chosen < 0.55:
            return self._act(now_s)
        if chosen < 0.65:
            position = Position(52 + rng.choice((0, 0, 0.001, 0.02, 0.03)), 5, rng.choice((None, 8)))
            return Located(position=position, **times)
        makers = (
            lambda: moves(
                stamp_s,
                now_s,
                speed_km_h=rng.choice((None, 20, 80)),
                odometer_m=rng.choice((None, 10 * now_s)),
            ),
            lambda: stands(stamp_s, now_s),
            lambda: ignition(rng.random() < 0.5, stamp_s, now_s),
            lambda: card(f"e{number}", rng.random() < 0.5, stamp_s, now_s, card_id=rng.choice("AB")),
            lambda: Mode(private_mode=rng.random() < 0.5, **event),
            lambda: Software(
                package_id=rng.choice("PQR"),
                kind="update",
                state=rng.choice(("installing", "active")),
                **event,
            ),
            lambda: Unreadable(sha256=f"{number:064}", reason="r", **times),
            lambda: ForgedRepeat(kind="mode", **event),
            lambda: Tick(received_at=at(now_s)),
        )
        return rng.choice(makers)()

    def _sensor(self, number: int, stamp_s: float) -> TheftSensor:
        state = self.rng.choice(("triggered", "triggered", "restored"))
        return sensor(
            f"e{number}",
            stamp_s,
            self.now_s,
            self.rng.choice(self.causes),
            state,
            active_for_s=self.rng.choice((None, None, 3.0, 20.0)),
        )

    def _act(self, now_s: float) -> AnyFact:
        mode, role = self.rng.choice((*MODES, "workshop")), self.rng.choice(("main_user", "operator"))
        who: dict[str, Any] = {"by": role, "role": role, "user": "anna" if role == "main_user" else None}
        if self.rng.random() < 0.3:
            return EndMode(mode=mode, received_at=at(now_s), **who)
        return SetMode(
            mode=mode,
            received_at=at(now_s),
            reason="r",
            duration_s=self.rng.choice((None, 1, 600, 40_000)),
            place=self.rng.choice((None, YARD)),
            **who,
        )


def lived(seed: int) -> History:
    history = History(seed)
    history.live(FACTS)
    return history


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**62))
def test_no_mode_mutes_a_thief_and_nothing_that_is_held_back_is_lost(seed: int) -> None:
    """Twenty thousand decisions and more in each run; a million in the drill."""
    lived(seed)


@pytest.mark.drill
def test_a_million_decisions_mute_no_thief() -> None:
    """The same over histories from consecutive seeds, until a million facts are decided."""
    decisions = seed = held_back = 0
    while decisions < 1_000_000:
        history = lived(seed)
        decisions, seed = decisions + history.decisions, seed + 1
        held_back += len(history.held_back)
    print(f"{decisions} decisions in {seed} histories, {held_back} triggers held back")  # noqa: T201
    assert held_back > 10_000
