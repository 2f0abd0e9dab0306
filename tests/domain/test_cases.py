"""Cases: their life by the table, the lock, the second person, and what nobody acts on."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.domain.case_effects import CaseChanged, CaseNoted, Escalated
from gateway.domain.cases import (
    ENTRIES,
    LEASE,
    LIFE,
    MAX_CONTACTS,
    MAX_ENTRIES,
    TWO_PERSONS,
    Case,
    CaseAct,
    CaseState,
    is_possible,
    next_contact,
)
from gateway.domain.causes import BY_NAME
from gateway.domain.effects import Announce, Effect, Refused
from gateway.domain.facts import AnyFact
from gateway.domain.remote_access.effects import ApprovalPending
from gateway.domain.set_back import set_back
from gateway.domain.signals import Acknowledge, ActOnCase, Close, Mode, Tick
from gateway.domain.vehicle import Vehicle
from tests.domain.cars import Car, at, moves, registered, sensor

STATES: tuple[CaseState, ...] = get_args(CaseState)
ACTS: tuple[CaseAct, ...] = get_args(CaseAct)
_vehicle = msgspec.json.Decoder(Vehicle)


def does(
    car: Car, act: CaseAct, by: str = "Ada", *, role: str = "operator", s: float = 1, **more: Any
) -> Any:
    """Let a person act on the car's open case; returns what came of it."""
    case_id = more.pop("case_id", car.vehicle.case_id)
    key = f"{case_id}/{act}/{sorted(more.items())}"
    fact = ActOnCase(received_at=at(s), case_id=case_id, act=act, by=by, role=role, approval_key=key, **more)
    return car.take(fact)


def refusal(effects: tuple[Effect, ...]) -> Refused | None:
    return next((one for one in effects if isinstance(one, Refused)), None)


def is_pending(effects: tuple[Effect, ...]) -> bool:
    return any(isinstance(one, ApprovalPending) for one in effects)


def case_of(car: Car) -> Case:
    case = car.vehicle.case
    assert case is not None
    return case


def begun(*facts: AnyFact) -> Car:
    """A car to which this has just happened; no timer of it was looked at."""
    car = Car()
    for fact in facts:
        car.take(fact)
    return car


def stolen(car: Car | None = None) -> Car:
    """A car whose owner has confirmed the theft."""
    car = car or Car()
    car.take(sensor("a", 0))
    for act in ("claim", "confirm"):
        assert refusal(does(car, act)) is None
    return car


def test_theft_alarms_of_a_vehicle_belong_to_one_case() -> None:
    car = begun(sensor("a", 0), sensor("b", 1, cause="tilt"), sensor("c", 2, cause="battery_low"))
    case = case_of(car)
    assert case.causes == ("intrusion", "tilt")
    assert {one.cause: one.case_id for one in car.vehicle.alarms.values()} == {
        "intrusion": case.case_id,
        "tilt": case.case_id,
        "battery_low": None,
    }


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("act", ACTS)
def test_an_act_is_possible_only_where_the_table_says_so(state: CaseState, act: CaseAct) -> None:
    """The closed case is none of the vehicle any more: its acts are refused alike."""
    car = begun(sensor("a", 0))
    held = replace(case_of(car), state=state, claimed_by="Ada", lease_until=at(600), contacts=1)
    car.vehicle = replace(car.vehicle, case=None if state == "closed" else held)
    refused = refusal(does(car, act, case_id=held.case_id, note="n", reference="r"))
    assert (refused is None) == (is_possible(state, act) and state != "closed")
    assert refused is None or refused.code == "illegal_transition"


def test_a_claim_is_a_lock_and_says_who_holds_it() -> None:
    car = begun(sensor("a", 0))
    does(car, "claim", "Ada", s=1)
    refused = refusal(does(car, "claim", "Bo", s=2))
    assert refused is not None
    assert (refused.code, refused.by) == ("case_claimed", "Ada")
    assert refusal(does(car, "confirm", "Bo", s=3)) is not None
    assert refusal(does(car, "note", "Bo", s=4, note="seen")) is None
    does(car, "claim", "Cy", role="supervisor", s=5)
    assert case_of(car).claimed_by == "Cy"
    said = [one for one in car.effects if isinstance(one, CaseNoted) and "took_over_from" in one.details]
    assert [one.details["took_over_from"] for one in said] == ["Ada"]


def test_a_lease_is_renewed_by_acts_and_ends_by_itself() -> None:
    car = begun(sensor("a", 0))
    does(car, "claim", s=1)
    does(car, "contact", s=800, outcome="no_answer", contact="Eva")
    assert case_of(car).holder(at(1000)) == "Ada"
    assert car.vehicle.wake_at is not None
    car.take(Tick(received_at=at(800) + LEASE))
    assert (case_of(car).state, case_of(car).claimed_by) == ("new", None)
    assert refusal(does(car, "claim", "Bo", s=1800)) is None


def test_a_confirmed_case_keeps_its_state_when_its_lease_is_over() -> None:
    car = stolen()
    car.take(Tick(received_at=at(2) + LEASE))
    assert (case_of(car).state, case_of(car).claimed_by, car.vehicle.stolen) == ("confirmed", None, True)


@pytest.mark.parametrize("decided", [None, "dismiss"])
def test_a_new_cause_sets_an_unconfirmed_case_back(decided: CaseAct | None) -> None:
    car = begun(sensor("a", 0))
    does(car, "claim")
    if decided is not None:
        does(car, decided)
    car.take(sensor("b", 2))
    assert case_of(car).state == ("claimed" if decided is None else "dismissed"), "the same alarm is no news"
    car.take(sensor("c", 3, cause="tilt"))
    assert (case_of(car).state, case_of(car).claimed_by) == ("new", None)


def test_a_new_cause_leaves_a_confirmed_case() -> None:
    car = stolen()
    car.take(sensor("c", 3, cause="tilt"))
    assert (case_of(car).state, car.vehicle.stolen) == ("confirmed", True)


def test_a_stolen_car_ignores_private_mode() -> None:
    car = stolen()
    car.take(Mode(event_id="m", received_at=at(2), occurred_at=at(2), private_mode=True))
    assert not car.vehicle.is_private


@pytest.mark.parametrize("act", sorted(TWO_PERSONS))
def test_leaving_stolen_takes_two_persons(act: CaseAct) -> None:
    car = stolen()
    assert is_pending(does(car, act, "Ada", s=10))
    assert is_pending(does(car, act, "Ada", s=11)), "asking twice is no second person"
    assert is_pending(does(car, act, "Bo", s=12, note="another body")), "nor is another call"
    assert is_pending(does(car, act, "Cy", s=10 + 601)), "nor one that comes too late"
    assert (car.vehicle.stolen, case_of(car).state) == (True, "confirmed")
    assert not is_pending(does(car, act, "Bo", s=620))
    assert (car.vehicle.stolen, case_of(car).state) == (False, LIFE["confirmed", act])


def test_closing_a_case_closes_its_alarms() -> None:
    car = begun(sensor("a", 0), sensor("b", 0.5, cause="tilt"), sensor("c", 1, cause="battery_low"))
    case_id = car.vehicle.case_id
    does(car, "claim")
    does(car, "dismiss", disposition="user_error_mode")
    refused = [
        refusal(car.take(Close(received_at=at(2), alarm_id=one.alarm_id, by="Ada", disposition="test")))
        for one in car.vehicle.alarms.values()
        if one.case_id is not None
    ]
    assert [one.code for one in refused if one] == ["case_decides"] * 2
    effects = does(car, "close", s=3)
    closed = [one.alarm for one in effects if isinstance(one, Announce) and one.type == "alarm.closed"]
    assert {(one.cause, one.disposition) for one in closed} == {
        ("intrusion", "user_error_mode"),
        ("tilt", "user_error_mode"),
    }
    assert (car.vehicle.case, car.vehicle.case_id, list(car.vehicle.alarms)) == (None, None, ["battery_low"])
    last = next(one.case for one in reversed(effects) if isinstance(one, CaseChanged))
    assert (last.case_id, last.state, last.disposition) == (case_id, "closed", "user_error_mode")


def test_a_case_whose_alarms_were_closed_one_by_one_closes_by_itself() -> None:
    car = begun(sensor("a", 0), sensor("b", 0.5, cause="tilt"))
    for number, alarm in enumerate(tuple(car.vehicle.alarms.values())):
        assert car.vehicle.case is not None
        car.take(Close(received_at=at(2 + number), alarm_id=alarm.alarm_id, by="Ada", disposition="test"))
    assert (car.vehicle.case, car.vehicle.case_id) == (None, None)


def test_a_critical_case_without_a_call_waits_for_a_supervisor() -> None:
    car = begun(sensor("a", 0, cause="tamper"))
    does(car, "claim")
    does(car, "dismiss")
    assert is_pending(does(car, "close", "Ada", s=2))
    does(car, "release", "Ada", s=3)
    assert is_pending(does(car, "close", "Bo", s=4)), "another operator is no supervisor"
    does(car, "close", "Cy", role="supervisor", s=5)
    assert car.vehicle.case_id is None
    said = [one for one in car.effects if isinstance(one, CaseNoted) and one.what == "close"]
    assert [one.details["asked_by"] for one in said] == ["Ada"]


def test_a_critical_case_with_a_call_is_closed_by_its_operator() -> None:
    car = begun(sensor("a", 0, cause="tamper"))
    for act in ("claim", "contact", "dismiss", "close"):
        assert not is_pending(does(car, act, outcome="reached" if act == "contact" else None))
    assert car.vehicle.case is None


def test_in_a_hold_up_the_police_come_first() -> None:
    car = begun(sensor("a", 0, cause="hold_up"))
    case = case_of(car)
    assert (case.handling, next_contact(case, ("Eva", "Max"))) == ("hold_up", None)
    does(car, "claim")
    does(car, "police", reference="P-1")
    assert next_contact(case_of(car), ("Eva", "Max")) == 1
    assert case_of(car).is_acted_on


def test_contacts_are_called_in_their_order_twice_each() -> None:
    car, names = begun(sensor("a", 0)), ("Eva", "Max")
    does(car, "claim")
    called = []
    while (place := next_contact(case_of(car), names)) is not None:
        called.append(place)
        does(car, "contact", outcome="no_answer", contact=names[place - 1], place=place)
    assert (called, case_of(car).contacts, case_of(car).reached) == ([1, 2, 1, 2], 4, False)


def test_what_people_write_down_is_bounded() -> None:
    car = begun(sensor("a", 0))
    does(car, "claim")
    full = replace(case_of(car), entries=MAX_ENTRIES, contacts=MAX_CONTACTS)
    car.vehicle = replace(car.vehicle, case=full)
    codes = {act: refusal(does(car, act, note="n", outcome="reached")) for act in ENTRIES}
    assert {act: one.code for act, one in codes.items() if one} == dict.fromkeys(ENTRIES, "case_limit")
    assert refusal(does(car, "confirm")) is None, "a full case can still be decided"


def test_a_case_of_an_older_store_is_filed() -> None:
    car = begun(sensor("a", 0))
    case_id = car.vehicle.case_id
    car.vehicle = replace(car.vehicle, case=None)
    car.take(Tick(received_at=at(120)))
    assert (case_of(car).case_id, case_of(car).causes) == (case_id, ("intrusion",))


# -- escalation -------------------------------------------------------------------------------------------


def escalations(car: Car) -> list[tuple[str, int, bool]]:
    found = [one for one in car.effects if isinstance(one, Escalated)]
    return [(one.alarm.cause, one.level, one.tell) for one in found]


@pytest.mark.parametrize(
    ("cause", "due_s"),
    [("tamper", 30), ("intrusion", 90), ("moonlight", 90), ("battery_low", None)],
)
def test_what_nobody_acknowledges_escalates_once(cause: str, due_s: float | None) -> None:
    car = begun(sensor("a", 0, cause=cause))
    for second in (10, (due_s or 60) - 0.1, due_s or 60, 200, 4000):
        car.take(Tick(received_at=at(second)))
        assert len(escalations(car)) == (due_s is not None and second >= due_s)


def test_a_car_that_drives_on_is_still_waited_for() -> None:
    """Plain statements of movement take a short way, which must not forget the time."""
    car = begun(registered(0), sensor("a", 1, cause="tamper"))
    for second in range(2, 29):
        car.take(moves(second))
        assert car.vehicle.wake_at == at(31)
    car.take(moves(31.5))
    assert escalations(car) == [("tamper", 1, True)]


def test_an_acknowledged_or_claimed_alarm_does_not_escalate() -> None:
    acknowledged = begun(sensor("a", 0))
    alarm_id = acknowledged.alarm("intrusion").alarm_id
    acknowledged.take(Acknowledge(received_at=at(80), alarm_id=alarm_id, by="Ada"))
    taken = begun(sensor("a", 0))
    does(taken, "claim", s=80)
    for car in (acknowledged, taken):
        car.take(Tick(received_at=at(700)))
        assert escalations(car) == []


@pytest.mark.parametrize("called", [False, True])
def test_a_critical_alarm_that_nobody_is_called_about_escalates_again(called: bool) -> None:
    car = begun(sensor("a", 0, cause="tamper"))
    car.take(Acknowledge(received_at=at(20), alarm_id=car.alarm("tamper").alarm_id, by="Ada"))
    if called:
        does(car, "claim", s=30)
        does(car, "contact", s=31, outcome="no_answer")
    car.take(Tick(received_at=at(320)))
    assert escalations(car) == ([] if called else [("tamper", 2, True)])
    assert case_of(car).escalated == (0 if called else 2)


def test_alarms_that_are_due_together_are_told_once() -> None:
    causes = ("intrusion", "tilt", "tamper", "jamming_gsm")
    car = begun(*[sensor(cause, 0, cause=cause) for cause in causes])
    car.take(Tick(received_at=at(95)))
    assert sorted(escalations(car)) == sorted((cause, 1, cause == "tamper") for cause in causes)


@pytest.mark.parametrize("back_s", [-86_400, 3600])
def test_a_clock_jump_loses_no_escalation(back_s: float) -> None:
    car = begun(sensor("a", 0, cause="tamper"))
    if back_s < 0:
        car.vehicle = set_back(car.vehicle, timedelta(seconds=-back_s), at(1))
    car.now = at(back_s + 31)
    car.take(Tick(received_at=car.now), car.now)
    car.take(Tick(received_at=car.now), car.now)
    assert escalations(car) == [("tamper", 1, True)]


def test_a_clock_that_is_set_back_lengthens_no_claim() -> None:
    car = begun(sensor("a", 0))
    does(car, "claim")
    opened_at = case_of(car).opened_at
    car.vehicle = set_back(car.vehicle, timedelta(hours=5), at(1))
    assert case_of(car).opened_at == opened_at
    assert case_of(car).holder(at(2) - timedelta(hours=5) + LEASE) is None


# -- histories --------------------------------------------------------------------------------------------

FORWARD: tuple[CaseAct, ...] = ("confirm", "dismiss", "recover", "lost", "close", "claim", "note", "contact")
CAUSES = ("intrusion", "tamper", "hold_up", "battery_low", "tilt")
PEOPLE = (("Ada", "operator"), ("Bo", "operator"), ("Cy", "supervisor"))


class Moment(msgspec.Struct):
    """One thing that happens, some seconds after the last."""

    after_s: int
    kind: str
    what: str
    who: tuple[str, str]
    draw: int


moments = st.builds(
    Moment,
    after_s=st.sampled_from((0, 0, 0, 1, 1, 1, 29, 31, 91, 301, 601, 901)),
    kind=st.sampled_from((*["fitting"] * 12, *["act"] * 4, "trigger", "acknowledge", "close", "tick")),
    what=st.sampled_from((*ACTS, "claim", "confirm", "recover", "close")),
    who=st.sampled_from(PEOPLE),
    draw=st.integers(0, 59),
)


class Witness:
    """Holds what was promised against what happens; knows nothing of how it is decided."""

    def __init__(self) -> None:
        self.car = Car()
        self.now_s = 0.0
        self.levels: Counter[tuple[str, int]] = Counter()
        self.open_cases: set[str] = set()
        self.asked: dict[tuple[str, str], tuple[str, datetime]] = {}

    def live(self, moment: Moment, number: int) -> None:
        self.now_s += moment.after_s
        before, fact = self.car.vehicle, self.fact(moment, number)
        # What has come by itself meanwhile is looked at apart, so that the fact's own effect stands alone.
        if not isinstance(fact, Tick):
            self.take(Tick(received_at=at(self.now_s)))
            before = self.car.vehicle
            fact = self.fact(moment, number)
        self.take(fact)
        self.check(before, fact)

    def fact(self, moment: Moment, number: int) -> AnyFact:
        now, (by, role), vehicle = at(self.now_s), moment.who, self.car.vehicle
        alarms = sorted(vehicle.alarms)
        alarm = vehicle.alarms[alarms[number % len(alarms)]] if alarms else None
        match moment.kind:
            case "trigger":
                return sensor(f"e{number}", self.now_s, cause=CAUSES[number % len(CAUSES)])
            case "acknowledge" if alarm:
                return Acknowledge(received_at=now, alarm_id=alarm.alarm_id, by=by)
            case "close" if alarm:
                return Close(received_at=now, alarm_id=alarm.alarm_id, by=by, disposition="test")
            case "act" | "fitting":
                act, case_id = moment.what, vehicle.case_id or "none"
                if moment.kind == "fitting" and vehicle.case is not None:
                    possible = [one for one in FORWARD if is_possible(vehicle.case.state, one)]
                    act = possible[moment.draw % len(possible)]
                    by = vehicle.case.holder(now) or by if act not in TWO_PERSONS else by
                return ActOnCase(
                    received_at=now,
                    case_id=case_id,
                    act=act,  # type: ignore[arg-type]  # drawn from the acts
                    by=by,
                    role=role,
                    outcome="no_answer",
                    approval_key=f"{case_id}/{act}",
                )
            case _:
                return Tick(received_at=now)

    def take(self, fact: AnyFact) -> None:
        self.effects = self.car.take(fact)
        for effect in self.effects:
            if isinstance(effect, Escalated):
                self.levels[effect.alarm.alarm_id, effect.level] += 1
            elif isinstance(effect, CaseChanged):
                over = effect.case.state == "closed"
                (self.open_cases.discard if over else self.open_cases.add)(effect.case.case_id)
        assert len(self.open_cases) <= 1
        assert self.levels.total() == len(self.levels), "each level at most once for an alarm"

    def check(self, before: Vehicle, fact: AnyFact) -> None:
        after = self.car.vehicle
        refused = refusal(self.effects)
        thefts = {one.case_id for one in after.alarms.values() if BY_NAME[one.cause].cause_class == "theft"}
        assert thefts <= {after.case_id}
        assert bool(thefts) == (after.case is not None)
        assert (after.case_id is None) == (after.case is None)
        assert after.stolen == (after.case is not None and after.case.state == "confirmed")
        if before.case and after.case and before.case.case_id == after.case.case_id:
            self.moved(before.case, after.case, fact)
        if before.stolen and not after.stolen:
            self.left_stolen(before, fact)
        if isinstance(fact, Close) and before.case and before.case.state not in ("new", "claimed"):
            assert refused is not None or fact.alarm_id not in self.ids(before)
        if isinstance(fact, ActOnCase):
            said = [one for one in self.effects if isinstance(one, CaseNoted) and one.actor == fact.by]
            assert said, "every act stands in the audit trail"
            if refused is not None:
                assert replace(before, version=0, wake_at=None) == replace(after, version=0, wake_at=None)
                assert refused.code != "case_claimed" or refused.by not in (None, fact.by)
            elif is_pending(self.effects):
                self.asked.setdefault((fact.case_id, fact.act), (fact.by, at(self.now_s)))

    def moved(self, before: Case, after: Case, fact: AnyFact) -> None:
        if before.state == after.state:
            return
        what = fact.act if isinstance(fact, ActOnCase) else "alarm"
        assert LIFE[before.state, what] == after.state

    def left_stolen(self, before: Vehicle, fact: AnyFact) -> None:
        assert isinstance(fact, ActOnCase)
        assert fact.act in TWO_PERSONS
        assert before.case is not None
        waited = [one for one in before.approvals.waiting if one.key == fact.approval_key]
        assert [one.asked_by != fact.by for one in waited] == [True]
        assert (fact.case_id, fact.act) in self.asked

    def ids(self, vehicle: Vehicle) -> set[str]:
        return {one.alarm_id for one in vehicle.alarms.values() if one.case_id is not None}


@settings(max_examples=150)
@given(history=st.lists(moments, min_size=15, max_size=45))
def test_whatever_operators_and_alarms_do_the_promises_hold(history: list[Moment]) -> None:
    witness = Witness()
    witness.take(sensor("first", 0, cause="tamper"))
    for number, moment in enumerate(history):
        witness.live(moment, number)
    kept = msgspec.json.encode(witness.car.vehicle)
    assert _vehicle.decode(kept) == witness.car.vehicle
