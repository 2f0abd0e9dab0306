"""What holds for every sequence of facts, found by search rather than by example."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.domain.alarms import Alarm
from gateway.domain.causes import STATED_BY_VEHICLE
from gateway.domain.effects import Announce, Verdict
from gateway.domain.facts import AnyFact
from gateway.domain.moment import on_gateway_clock, on_vehicle_clock
from gateway.domain.rules import RULES, nothing_due
from gateway.domain.signals import (
    Acknowledge,
    Close,
    DataBundle,
    DriverCard,
    ForgedRepeat,
    Ignition,
    Located,
    Mode,
    Movement,
    Position,
    TheftSensor,
    Tick,
    Unreadable,
)
from gateway.domain.situation import Situation
from gateway.domain.step import step
from gateway.domain.thresholds import Thresholds
from gateway.domain.vehicle import Vehicle, sort_key
from tests.domain.cars import START, VIN, Car, at, card, is_at_rest, moves, registered, sensor

TEN_YEARS_S = 10 * 365 * 86400
PLACES = (Position(52.1, 4.3), Position(52.1004, 4.3), Position(52.13, 4.3), Position(0, 0), Position(10, 10))
CAUSES = (*sorted(STATED_BY_VEHICLE), "moonlight")
_vehicle = msgspec.json.Decoder(Vehicle)


@st.composite
def statements(draw: st.DrawFn, span_s: int = 590, at_most: int = 14) -> list[AnyFact]:
    """Facts of the car in the order in which they occur, all within ten minutes of its clock."""
    seconds = sorted(draw(st.lists(st.integers(0, span_s), min_size=1, max_size=at_most)))
    facts: list[AnyFact] = []
    for number, second in enumerate(seconds):
        times: dict[str, Any] = {"occurred_at": at(second), "received_at": at(1000)}
        event: dict[str, Any] = {"event_id": f"e{number}", **times}
        facts.append(
            draw(
                st.one_of(
                    st.builds(
                        DriverCard, present=st.booleans(), card_id=st.sampled_from("AB"), **_just(event)
                    ),
                    st.builds(Movement, moving=st.booleans(), after_gap=st.booleans(), **_just(times)),
                    st.builds(Ignition, on=st.booleans(), **_just(times)),
                    st.builds(
                        Located, position=st.sampled_from(PLACES), driven=st.booleans(), **_just(times)
                    ),
                    st.builds(
                        TheftSensor,
                        cause=st.sampled_from(("car_alarm", "car_alarm", "tilt")),
                        state=st.sampled_from(("triggered", "restored")),
                        active_for_s=st.sampled_from((None, 3.0, 16.0)),
                        **_just(event),
                    ),
                )
            )
        )
    return facts


def _just(fields: dict[str, Any]) -> dict[str, st.SearchStrategy[Any]]:
    return {name: st.just(value) for name, value in fields.items()}


@st.composite
def lives(draw: st.DrawFn, skew: bool = False) -> list[AnyFact]:
    """Anything that may reach one car, in the order of arrival; stamps anywhere within ten minutes of it."""
    facts: list[AnyFact] = []
    now_s = 0.0
    offset_s = draw(st.integers(-TEN_YEARS_S, TEN_YEARS_S)) if skew else 0
    for number in range(draw(st.integers(1, 30))):
        now_s += draw(st.sampled_from((0, 0.05, 0.5, 4, 16, 70, 700)))
        stamp_s = draw(st.one_of(st.none(), st.sampled_from((0, 0, 0, 1, 10, 20, 290, 310, 601, -200, -400))))
        times: dict[str, Any] = {
            "occurred_at": None if stamp_s is None else at(now_s - stamp_s + offset_s),
            "received_at": at(now_s),
        }
        event: dict[str, Any] = {"event_id": f"e{number}", **times}
        trigger = st.builds(
            TheftSensor,
            cause=st.sampled_from((*CAUSES, *["car_alarm"] * 12)),
            state=st.sampled_from(("triggered", "triggered", "restored")),
            active_for_s=st.sampled_from((None, None, 0.0, 14.9, 15.0)),
            **_just(event),
        )
        facts.append(
            draw(
                st.one_of(
                    trigger,
                    trigger,
                    st.builds(
                        DriverCard, present=st.booleans(), card_id=st.sampled_from("ABC"), **_just(event)
                    ),
                    st.builds(Movement, moving=st.booleans(), **_just(times)),
                    st.builds(Ignition, on=st.booleans(), **_just(times)),
                    st.builds(Located, position=st.sampled_from(PLACES), **_just(times)),
                    st.builds(Mode, private_mode=st.sampled_from((None, True, False)), **_just(event)),
                    st.builds(
                        Unreadable, sha256=st.just(f"{number:064}"), reason=st.just("r"), **_just(times)
                    ),
                    st.builds(ForgedRepeat, kind=st.just("mode"), **_just(event)),
                    st.builds(Tick, received_at=st.just(at(now_s))),
                )
            )
        )
    return facts


def projected(situation: Situation) -> Situation:
    """The situation without the times of arrival, which differ with the order of arrival."""
    encoded = msgspec.to_builtins(situation)

    def strip(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: strip(one) for name, one in value.items()}
        if isinstance(value, (list, tuple)) and len(value) == 3 and isinstance(value[2], bool):
            return (value[0], value[2])  # a moment
        return [strip(one) for one in value] if isinstance(value, (list, tuple)) else value

    return strip(encoded)  # type: ignore[no-any-return]


def causes_of(car: Car) -> set[str]:
    return set(car.raised)


@settings(max_examples=150, deadline=None)
@given(facts=statements(), data=st.data(), gap_s=st.sampled_from((0.0, 0.01, 1.0)))
def test_the_order_of_arrival_changes_no_state_and_costs_no_alarm(
    facts: list[AnyFact], data: st.DataObject, gap_s: float
) -> None:
    """Facts within ten minutes of vehicle time, all delivered late, in any order."""
    facts = sorted(facts, key=sort_key)  # type: ignore[arg-type]  # each of them is one of the situation
    in_order, shuffled = Car(), Car()
    for car, order in ((in_order, facts), (shuffled, data.draw(st.permutations(facts)))):
        for index, fact in enumerate(order):
            car.live([replace(fact, received_at=at(1000 + index * gap_s))], until_s=1000 + index * gap_s)
        car.wait(None)
    assert projected(shuffled.vehicle.past.now) == projected(in_order.vehicle.past.now)
    assert causes_of(shuffled) >= causes_of(in_order)


@settings(max_examples=100, deadline=None)
@given(facts=lives(), listed=st.sampled_from(((), ("A",), ("A", "B", "C"))))
def test_where_nothing_is_due_no_rule_finds_anything(facts: list[AnyFact], listed: tuple[str, ...]) -> None:
    """The short way round the rules misses none of them."""
    car, thresholds = Car().live([registered(-1, *listed)]), Thresholds()
    for fact in facts:
        car.take(fact)
        situation, counting = car.vehicle.past.now, car.vehicle.counting_cards
        if nothing_due(situation, counting):
            for rule in RULES:
                for clock in (on_vehicle_clock, on_gateway_clock):
                    assert rule.due(situation, counting, thresholds, clock) is None


def told_or_dismissed(car: Car) -> tuple[Counter[str], set[str]]:
    told = Counter(event_id for one in car.announced for event_id in one.event_ids)
    return told, {event_id for event_id, verdict in car.verdicts if verdict == "below_minimum"}


@settings(max_examples=100, deadline=None)
@given(facts=lives() | lives(skew=True), on_time=st.booleans(), data=st.data())
def test_no_trigger_is_lost_and_none_is_told_twice(
    facts: list[AnyFact], on_time: bool, data: st.DataObject
) -> None:
    """Whatever the clocks say, with timers on time or late, with people acknowledging and closing between."""
    car = Car()
    open_alarms: dict[str, str] = {}
    for fact in facts:
        if on_time:
            car.wait(fact.received_at)
        car.take(fact)
        if car.vehicle.alarms and data.draw(st.integers(0, 4)) == 0:
            _act(car, data)
    car.wait(None)
    for one in car.announced:
        _live_on(open_alarms, one.type, one.alarm)
    triggers = {
        fact.event_id for fact in facts if isinstance(fact, TheftSensor) and fact.state == "triggered"
    }
    told, dismissed = told_or_dismissed(car)
    assert set(told) | dismissed == triggers
    assert max(told.values(), default=1) == 1
    assert not set(told) & dismissed
    assert car.vehicle.pending == ()


def _act(car: Car, data: st.DataObject) -> None:
    alarm = data.draw(st.sampled_from(sorted(car.vehicle.alarms.values(), key=lambda one: one.cause)))
    if data.draw(st.booleans()):
        car.take(Acknowledge(received_at=car.now, alarm_id=alarm.alarm_id, by="ann"))
    else:
        car.take(Close(received_at=car.now, alarm_id=alarm.alarm_id, by="ann", disposition="test"))


def _live_on(open_alarms: dict[str, str], kind: str, alarm: Alarm) -> None:
    """At most one alarm of a cause is not closed, and every message speaks of that one."""
    if kind == "alarm.raised":
        assert alarm.cause not in open_alarms
        open_alarms[alarm.cause] = alarm.alarm_id
    assert open_alarms[alarm.cause] == alarm.alarm_id
    if kind == "alarm.closed":
        del open_alarms[alarm.cause]


@settings(max_examples=60, deadline=None)
@given(facts=lives(), seed=st.integers(0, 5))
def test_a_replay_and_a_restart_change_nothing(facts: list[AnyFact], seed: int) -> None:
    """The same log gives the same; so does a state that was written and read between any two facts."""
    thresholds = Thresholds()
    first = second = restarted = Vehicle(vin=VIN)
    for index, fact in enumerate(facts):
        now = fact.received_at + timedelta(milliseconds=index % 3)
        first, effects = step(first, fact, now, thresholds)
        second, again = step(
            second, msgspec.json.decode(msgspec.json.encode(fact), type=AnyFact), now, thresholds
        )
        if index % (seed + 1) == 0:
            restarted = _vehicle.decode(msgspec.json.encode(restarted))
        restarted, after = step(restarted, fact, now, thresholds)
        assert effects == again == after
        assert first == second == restarted


@settings(max_examples=60, deadline=None)
@given(facts=lives(), hears=st.booleans())
def test_the_fold_comes_to_rest(facts: list[AnyFact], hears: bool) -> None:
    """Every wake makes progress: after the last fact there is an end to the wakes, and soon."""
    car = Car()
    for fact in facts:
        car.take(fact)
    for _ in range(2 * len(facts) + 2):
        before = car.vehicle
        if before.wake_at is None:
            return
        hearing_since = START if hears else None
        car.take(Tick(received_at=before.wake_at, hearing_since=hearing_since))
        if not hears and is_at_rest(before, car.vehicle):
            return
    assert car.vehicle.wake_at is None


@settings(max_examples=50, deadline=None)
@given(before_s=st.integers(0, TEN_YEARS_S), skew_s=st.integers(-TEN_YEARS_S, TEN_YEARS_S))
def test_no_future_stamp_freezes_a_car(before_s: int, skew_s: int) -> None:
    """After a statement stamped years ahead, a clock of any constant error still tells a theft."""
    car = Car().live(
        [
            registered(0, "DC-1"),
            card("c-0", True, TEN_YEARS_S, 1),
            moves(TEN_YEARS_S, 2),
            card("c-1", True, 3 + min(0, skew_s) - before_s, 3),
        ]
    )
    fresh = Car().live(
        [
            registered(0, "DC-1"),
            card("d-0", True, 3 + skew_s, 3),
            moves(4 + skew_s, 4),
            card("d-1", False, 5 + skew_s, 5),
            moves(24 + skew_s, 24),
            sensor("t", 30 + skew_s, 30),
        ]
    )
    assert fresh.raised == ["driver_card_missing", "intrusion"]
    car.live([card("c-2", False, 2000), moves(2001), moves(2020), sensor("t", 2030 + skew_s, 2030)])
    assert car.raised == ["driver_card_missing", "intrusion"]


# -- floods --------------------------------------------------------------------------------------------------

FLOOD = 10_000
MAX_STATE_BYTES = 200_000


def _flood(seed: int, number: int, kind: str) -> AnyFact:
    """Pseudo-random facts of one vehicle, 20 a second, without a generator that would hide what is drawn."""
    value = (number * 2654435761 + seed * 40503) & 0xFFFFFFFF
    received = at(number / 20)
    times: dict[str, Any] = {
        "occurred_at": received - timedelta(seconds=value % 700) if value % 5 else None,
        "received_at": received,
    }
    event: dict[str, Any] = {"event_id": f"{'e' * 50}{number}", "boot_id": "b" * 36, "seq": number, **times}
    detail = "x" * 256
    state = "restored" if value % 3 == 0 else "triggered"
    table: dict[str, AnyFact] = {
        "siren": TheftSensor(cause="car_alarm", state=state, detail=detail, **event),  # type: ignore[arg-type]
        "trigger": TheftSensor(cause=CAUSES[value % len(CAUSES)], state=state, detail=detail, **event),  # type: ignore[arg-type]
        "card": DriverCard(present=bool(value % 2), card_id=f"{'C' * 50}{value % 5000}", **event),
        "movement": Movement(moving=bool(value % 2), **times),
        "bundle": DataBundle(bundle_id=f"B{value % 50}", used_mb=value % 100, total_mb=60, **event),
    }
    return table[kind] if kind in table else list(table.values())[value % len(table)]


@pytest.mark.parametrize("kind", ["siren", "trigger", "card", "movement", "bundle", "mixed"])
def test_the_state_stays_small_in_a_flood(kind: str) -> None:
    """Ten thousand facts with the longest texts; at no time more than 200 kB have to be written."""
    vehicle, thresholds, largest = Vehicle(vin=VIN), Thresholds(), 0
    lost: set[str] = set()
    for number in range(FLOOD):
        fact = _flood(7, number, kind)
        if isinstance(fact, TheftSensor) and fact.state == "triggered":
            lost.add(fact.event_id)
        vehicle, effects = step(vehicle, fact, fact.received_at, thresholds)
        lost -= _accounted(effects)
        if number % 500 == 0:
            largest = max(largest, len(msgspec.json.encode(vehicle)))
    while vehicle.wake_at is not None:
        tick = Tick(received_at=vehicle.wake_at, hearing_since=START)
        vehicle, effects = step(vehicle, tick, vehicle.wake_at, thresholds)
        lost -= _accounted(effects)
    assert lost == set()
    assert max(largest, len(msgspec.json.encode(vehicle))) < MAX_STATE_BYTES


def _accounted(effects: tuple[object, ...]) -> set[str]:
    ids = {event_id for one in effects if isinstance(one, Announce) for event_id in one.event_ids}
    return ids | {
        one.event_id for one in effects if isinstance(one, Verdict) and one.verdict == "below_minimum"
    }


def test_times_at_the_edges_of_the_calendar_cost_nothing() -> None:
    """The first and the last instant that a payload can state."""
    for stamp in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)):
        event: dict[str, Any] = {"occurred_at": stamp, "received_at": START}
        car = Car().live(
            [
                TheftSensor(event_id="a", cause="car_alarm", state="triggered", **event),
                DriverCard(event_id="b", card_id="A", present=False, **event),
                Movement(moving=True, **event),
                TheftSensor(event_id="c", cause="tilt", state="triggered", **event),
                ForgedRepeat(event_id="c", kind="mode", **event),
            ]
        )
        assert sorted(car.raised) == ["car_alarm", "driver_card_missing", "tamper", "tilt"]
