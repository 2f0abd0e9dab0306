"""A message that passes by a glance leaves what the long way would have left: facts, values, and times."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, cast

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.adapters.mqtt.sessions import Plan, Session
from gateway.adapters.mqtt.settings import MqttSettings
from gateway.adapters.mqtt.splitter import Received
from gateway.domain.facts import AnyFact
from gateway.domain.signals import DriverCard, Movement
from gateway.pipeline.acks import InOrder
from gateway.pipeline.inbox import Inbox
from gateway.pipeline.ingest import Ingest
from gateway.pipeline.meters import Tally
from gateway.pipeline.telemetry import TelemetryIntake
from gateway.ports import Inbound
from gateway.wire.telemetry import SIGNALS, decode, decode_plain

VIN = "XVGZZZ99ZTS000001"
TOPIC = f"v1/vehicles/{VIN}/telemetry"
BEGIN = datetime(2026, 11, 22, 9, tzinfo=UTC)


class Gateway:
    """What takes telemetry in, with or without a glance first."""

    def __init__(self, *, glances: bool) -> None:
        self.inbox, self.tally = Inbox(), Tally()
        self.intake = TelemetryIntake(self.inbox, self.tally)
        self.ingest = Ingest(self.inbox, self.intake, self.tally)
        self.glances, self.passed = glances, 0

    def hear(self, payload: bytes, now: datetime) -> None:
        """One message, as the session hands it over."""
        if self.glances and self.ingest.glance(TOPIC, payload, now):
            self.passed += 1
            self.ingest.glanced(1)
        else:
            self.ingest.take([Inbound(TOPIC, payload, now)])

    def stated(self) -> list[AnyFact | None]:
        """The facts since the last time."""
        return [item.fact for item in self.inbox.take(1_000)]


DRIVING = {"Vehicle.Speed": 50, "Vehicle.LowVoltageSystemState": "ON"}
SHORT = {"Vehicle.Speed": 50}
ODD: dict[str, list[Any]] = {
    "Vehicle.Speed": [0, 2, 3, 3.1, -4, 50.5, 900, "fast"],
    "Vehicle.IsMoving": [True, False],
    "Vehicle.LowVoltageSystemState": ["START", "OFF", "LOCK", "BROKEN"],
    "Vehicle.TraveledDistance": [0, 10**9],
    "Vehicle.Body.Hood.IsOpen": [True, False],
    "Some.Other.Name": [3, 'a"b', None],
}
ACTS = ["watch", "leave", "leave", "await", "heard", "heard", "card", "hand_over", "signals"]


def steps(dice: Random) -> Iterator[str | tuple[dict[str, Any], float, float, int]]:
    """Acts and messages (signals, seconds later, seconds old, numbers further); mostly it drives on."""
    for _ in range(80):
        if dice.random() < 0.1:
            yield dice.choice(ACTS)
            continue
        signals: dict[str, Any] = {**dice.choice([DRIVING, DRIVING, SHORT])}
        after_s, back_s, more = 1.0, 0.0, 1
        if dice.random() < 0.1:
            name = dice.choice(list(ODD))
            signals[name] = dice.choice(ODD[name])
        if dice.random() < 0.2:
            place = {"Latitude": 52 + dice.random() / 100, "Longitude": 5 + dice.random() / 100}
            signals |= {f"Vehicle.CurrentLocation.{name}": value for name, value in place.items()}
        if dice.random() < 0.1:
            after_s = dice.choice([0, 5, 19, 20, 61, 1_790, 1_799, 1_800, 3_000])
            back_s = dice.choice([0, 0, after_s - 2, after_s - 2])
        elif dice.random() < 0.1:
            back_s = dice.choice([0.5, 3, 100, 1_000, -2, -400, 10**9])
        if dice.random() < 0.1:
            more = dice.choice([2, 0, -3, 5_000])
        yield signals, after_s, back_s, more


def telemetry(signals: dict[str, Any], at: datetime, seq: int | None) -> bytes:
    number = {} if seq is None else {"seq": seq}
    return json.dumps({"occurred_at": at.isoformat(), "signals": signals, **number}).encode()


def act(gateway: Gateway, what: str, now: datetime) -> object:
    """What else happens to an intake; returns what that decides."""
    intake = gateway.intake
    if what in ("watch", "leave"):
        intake.watch(VIN, what == "watch")
    elif what in ("await", "heard"):
        intake.await_word(VIN, what == "await")
    elif what == "card":
        times: dict[str, Any] = {"received_at": now, "occurred_at": now - timedelta(seconds=90)}
        return intake.precede(VIN, DriverCard(event_id="c", present=False, card_id="C", **times))
    elif what == "hand_over":
        intake.hand_over(VIN, now)
    return None


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32), st.booleans())
def test_a_glance_leaves_what_the_long_way_leaves(seed: int, numbered: bool) -> None:
    now, seq, short, long = BEGIN, 100, Gateway(glances=True), Gateway(glances=False)
    dice = Random(seed)
    for step in steps(dice):
        if isinstance(step, str):
            assert act(short, step, now) == act(long, step, now)
        else:
            signals, after_s, back_s, more = step
            now, seq = now + timedelta(seconds=after_s), seq + more
            at = max(now - timedelta(seconds=back_s), datetime(2019, 1, 1, tzinfo=UTC))
            for one in (short, long):
                one.hear(telemetry(signals, at, seq if numbered else None), now)
        assert short.stated() == long.stated()
        assert short.intake.heard_at(VIN) == long.intake.heard_at(VIN)
        if step == "signals" or dice.random() < 0.1:
            assert short.intake.signals(VIN) == long.intake.signals(VIN)
    for one in (short, long):
        act(one, "hand_over", now)
    assert short.stated() == long.stated()
    assert short.intake.signals(VIN) == long.intake.signals(VIN)
    assert short.tally.totals == long.tally.totals


Said = tuple[dict[str, Any], float, int] | str
"""Signals, seconds old and number of a message; or what happens to the intake."""
RACED: dict[str, list[Said]] = {
    "a clock that is right again": [
        (DRIVING, 0, 1),
        (DRIVING, 900, 2),
        (DRIVING, 0, 3),
        (DRIVING, 0, 4),
        "card",
    ],
    "an old stop, then the newest movement": [
        (DRIVING, 0, 1),
        (DRIVING, 0, 2),
        ({"Vehicle.Speed": 0}, 9, 0),
        "hand_over",
        ({"Vehicle.Speed": 0}, 0, 3),
    ],
}


@pytest.mark.parametrize("said", RACED.values(), ids=RACED)
def test_a_glance_knows_what_the_fold_was_told_last(said: list[Said]) -> None:
    now, short, long = BEGIN, Gateway(glances=True), Gateway(glances=False)
    for one in said:
        now += timedelta(seconds=1)
        if isinstance(one, str):
            assert act(short, one, now) == act(long, one, now)
        else:
            signals, back_s, seq = one
            for gateway in (short, long):
                gateway.hear(telemetry(signals, now - timedelta(seconds=back_s), seq), now)
        assert short.stated() == long.stated()


class Clock:
    """Stands."""

    def now(self) -> datetime:
        return BEGIN + timedelta(seconds=3)

    def mono_s(self) -> float:
        return 0.0


def session_of(gateway: Gateway) -> Session:
    return Session(
        Plan("telemetry", (), 0, gateway.ingest.take, lambda _topic: False, glances=gateway.ingest),
        MqttSettings(url="mqtt://127.0.0.1"),
        client_id="g",
        clock=Clock(),
        rng=Random(1),
        meters=gateway.tally,
        log=structlog.get_logger(),
    )


def test_a_glance_overtakes_nothing_of_its_batch() -> None:
    """A car that numbers nothing stops and goes on: without the stop in its place, it stands for the fold."""
    gateway = Gateway(glances=True)
    session = session_of(gateway)
    gateway.hear(telemetry(DRIVING, BEGIN, None), BEGIN)
    said: list[dict[str, Any]] = [DRIVING, {"Vehicle.Speed": 0}, DRIVING]
    session._take(
        cast("Any", None),
        InOrder(),
        [
            Received(TOPIC, telemetry(signals, BEGIN + timedelta(seconds=second), None), False, 0, 0)
            for second, signals in enumerate(said, 1)
        ],
    )
    assert [fact.moving for fact in gateway.stated() if isinstance(fact, Movement)] == [True, False, True]
    assert gateway.tally.totals["gateway_telemetry_total"] == 4


def test_whatever_becomes_of_a_message_it_is_acknowledged_in_its_turn() -> None:
    """One that is not holds the session: the broker sends no more than so many beyond it."""

    class Link:
        def __init__(self) -> None:
            self.acknowledged: list[int] = []

        def ack(self, message: Received) -> None:
            self.acknowledged.append(message.mid)

    gateway, link = Gateway(glances=True), Link()
    gateway.hear(telemetry(DRIVING, BEGIN, None), BEGIN)
    driving, stop = (telemetry(one, BEGIN, None) for one in (DRIVING, {"Vehicle.Speed": 0}))
    payloads = [driving, driving, b"rubbish", driving, stop, driving, bytes(40_000)]
    batch = [Received(TOPIC, payload, mid == 2, mid, 1) for mid, payload in enumerate(payloads, 1)]
    session_of(gateway)._take(cast("Any", link), InOrder(), batch)
    assert link.acknowledged == [1, 2, 3, 4, 5, 6, 7]
    assert gateway.tally.totals["gateway_retained_ignored_total"] == 1
    assert gateway.tally.totals["gateway_quarantined_total"] == 2


def test_most_of_a_drive_passes() -> None:
    gateway = Gateway(glances=True)
    for second in range(100):
        now = BEGIN + timedelta(seconds=second)
        gateway.hear(telemetry(DRIVING, now, second), now)
    assert gateway.passed == 97
    assert len(gateway.stated()) == 4


VALUES = st.one_of(
    st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False), st.text(max_size=5), st.none()
)


@settings(max_examples=1_000)
@given(st.dictionaries(st.sampled_from([*SIGNALS, "Other", 'Qu"ote']), VALUES, max_size=6), st.booleans())
def test_what_is_decoded_plainly_says_the_same(signals: dict[str, Any], ascii_only: bool) -> None:
    body = {"occurred_at": "2026-11-22T09:30:00+01:00", "signals": signals, "seq": 7}
    payload = json.dumps(body, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    plain = decode_plain(payload)
    if plain is not None:
        assert plain.signals == signals
        assert all(
            isinstance(signals[name], bool) is isinstance(said, bool) for name, said in plain.signals.items()
        )
        assert decode(payload, BEGIN).signals == signals


def test_what_is_not_plain_is_left_to_the_long_way() -> None:
    for signals in (
        '{"Other":1}',
        '{"Vehicle.Speed":1,"Vehicle.Speed":2}',
        '{"Vehicle.Speed":501}',
        "[]",
        "{",
    ):
        assert decode_plain(b'{"occurred_at":"2026-11-22T09:30:00Z","signals":%b}' % signals.encode()) is None
    assert decode_plain(b"[" * 100_000) is None
    assert decode_plain(b"\xff") is None
