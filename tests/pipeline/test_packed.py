"""A vehicle's record answers as the ``Track`` it was made of: facts, values with their types, times."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.facts import AnyFact
from gateway.domain.signals import Connection, TheftSensor
from gateway.pipeline import forms, tracks
from gateway.pipeline.forms import Forms
from gateway.pipeline.packed import unpack
from gateway.pipeline.track import NEVER, PLACES_WITHIN, Track
from gateway.pipeline.tracks import key_of
from gateway.wire import steady
from gateway.wire.telemetry import SIGNALS, decode
from tests.pipeline.test_glance import BEGIN, TOPIC, VIN, Gateway, act, steps
from tests.pipeline.test_glance import telemetry as message

PLACES = {name: [10, 10.5, 0, -0.0] for name in list(SIGNALS)[3:8]}
MORE: dict[str, list[Any]] = {
    **PLACES,
    "Vehicle.Speed": [0, 0.0, 2, 50],
    "Vehicle.LowVoltageSystemState": ["ON", "ACC", "OFF"],
    "Vehicle.Powertrain.Transmission.SelectedGear": [126, -1],
    "Vehicle.Body.Trunk.Rear.IsOpen": [True, False],
    "Other": [1, 1.0, True, "é", 2**63 - 1],
}
STEADY: dict[str, list[Any]] = {
    "Vehicle.Speed": [50.5] * 30 + [0.0, 51],
    "Vehicle.IsMoving": [True] * 30 + [False],
    "Vehicle.LowVoltageSystemState": ["ON"] * 30 + ["ACC", "OFF"],
    "Vehicle.CurrentLocation.Latitude": [52.1, 52.2],
    "Vehicle.CurrentLocation.Longitude": [5.1, 5.2],
    "Vehicle.TraveledDistance": [1e7, 2e7],
    "Vehicle.Powertrain.Transmission.SelectedGear": [1, 2, -1],
}
MANY = {f"Other.{number}": number for number in range(198)}


UNSEEN = {"calm_until", "_silent_from", "_passed", "decode"}
"""Whether it may pass, and how: if not, it goes the long way once more."""


def put_away(gateway: Gateway) -> None:
    """Pack what is at hand, and see to it that nothing of it is lost."""
    all_of_them = gateway.intake._tracks
    for topic, track in list(all_of_them.at_hand.items()):
        all_of_them.put_away(topic)
        assert parts(unpack(all_of_them.records[key_of(topic.split("/")[2])])) == parts(track)


def parts(track: Track) -> dict[str, Any]:
    """All that decides, with types: places so old that they never count again are left out."""
    found = {name: getattr(track, name) for name in Track.__slots__ if name not in UNSEEN}
    newest = track.position_at or NEVER
    found["places"] = [at for at in track.places if newest - at < PLACES_WITHIN]
    found["values"] = sorted(track.values.items())
    return {name: (repr(value), value) for name, value in found.items()}


def drive(dice: Random, share: float) -> Iterator[Any]:
    """The same signals for a while, but for so large a share of all that may happen."""
    names = list(STEADY)
    for number, step in enumerate(steps(dice)):
        if number % 20 == 1:
            names = dice.sample(list(STEADY), dice.randrange(1, len(STEADY)))
        if dice.random() < share:
            yield odd(dice) if dice.random() < 0.5 else step
        else:
            after_s, back_s = dice.choice([1.0, 1.0, 1.0, 7.0]), dice.choice([0.0, 0.5, 0.5, 1.5])
            more = dice.choice([1] * 20 + [0, 2])
            yield {name: dice.choice(STEADY[name]) for name in names}, after_s, back_s, more


def odd(dice: Random) -> Any:
    """What else may happen."""
    names = dice.sample(list(MORE), dice.randrange(1, 5))
    said = {name: dice.choice(MORE[name]) for name in names}
    return dice.choice([said, said, said, MANY, "theft", "online", "set_back"])


def happen(gateway: Gateway, what: str, now: datetime) -> object:
    if what == "theft":
        times: dict[str, Any] = {"received_at": now, "occurred_at": now}
        return gateway.intake.precede(
            VIN, TheftSensor(event_id="t", cause="tilt", state="triggered", **times)
        )
    if what == "online":
        return gateway.intake.precede(VIN, Connection(received_at=now, online=True))
    if what == "set_back":
        return asyncio.run(gateway.intake.set_back(timedelta(seconds=5)))
    return act(gateway, what, now)


def kept(gateway: Gateway) -> dict[str, Any] | None:
    """All that is kept of the vehicle, however it is kept."""
    tracks = gateway.intake._tracks
    record, track = tracks.records.get(key_of(VIN)), tracks.at_hand.get(TOPIC)
    if track is not None:
        track.settle()
        return parts(track)
    return parts(unpack(record)) if record else None


def encoded(facts: list[AnyFact | None]) -> bytes:
    return msgspec.json.encode(facts)


def said(gateway: Gateway) -> list[str]:
    return sorted(map(repr, gateway.intake.signals(VIN).items()))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32), st.booleans(), st.sampled_from([3, 4_096]), st.sampled_from([0.02, 0.3]))
def test_a_record_answers_as_what_it_was_made_of(seed: int, numbered: bool, most: int, share: float) -> None:
    now, seq, dice, packed, plain = BEGIN, 100, Random(seed), Gateway(glances=True), Gateway(glances=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forms, "MAX_FORMS", most)
        patch.setattr(steady, "MAX_SHAPES", most)
        for what in drive(dice, share):
            if isinstance(what, str):
                assert happen(packed, what, now) == happen(plain, what, now)
            else:
                signals, after_s, back_s, more = what if isinstance(what, tuple) else (what, 1.0, 0.0, 1)
                now, seq = now + timedelta(seconds=after_s, microseconds=dice.randrange(999)), seq + more
                at = max(now - timedelta(seconds=back_s), datetime(2019, 1, 1, tzinfo=UTC))
                for one in (packed, plain):
                    one.hear(message(signals, at, seq if numbered else None), now)
            assert encoded(packed.stated()) == encoded(plain.stated())
            if dice.random() < 0.3:
                put_away(packed)
            assert packed.intake.heard_at(VIN) == plain.intake.heard_at(VIN)
            if dice.random() < 0.2:
                assert said(packed) == said(plain)
                assert kept(packed) == kept(plain)
        for one in (packed, plain):
            act(one, "hand_over", now)
    assert encoded(packed.stated()) == encoded(plain.stated())
    assert said(packed) == said(plain)
    assert packed.tally.totals == plain.tally.totals


def test_as_many_forms_as_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "MAX_FORMS", 2)
    some = Forms()
    first = some.of((), (), forms.Traits(True, *[None] * 9))  # type: ignore[arg-type]  # any other
    assert first is not None
    assert some.of((), (), first.traits) is first
    assert some.of(("Vehicle.Speed",), (), first.traits) is None


def test_as_many_are_at_hand_as_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracks, "BUDGET_BYTES", 0)
    monkeypatch.setattr(tracks, "LEAST_AT_HAND", 2)
    intake = Gateway(glances=True).intake
    vins = [f"{VIN[:-1]}{number}" for number in range(5)]
    for second, vin in enumerate(vins):
        now = BEGIN + timedelta(seconds=second)
        intake.take(vin, decode(message({"Vehicle.Speed": second}, now, 1), now))
    assert len(intake._tracks.at_hand) == 2
    assert [intake.signals(vin)["Vehicle.Speed"].value for vin in vins] == [0, 1, 2, 3, 4]
    assert intake.heard_since(BEGIN + timedelta(seconds=2), 9) == 3
    assert intake.heard_since(BEGIN, 4) == 4


def test_the_first_makes_room_for_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracks, "MAX_VEHICLES", 2)
    intake = Gateway(glances=True).intake
    vins = [f"{VIN[:-1]}{number}" for number in range(3)]
    for vin in vins:
        intake.take(vin, decode(message({"Vehicle.Speed": 1}, BEGIN, 1), BEGIN))
    assert [intake.heard_at(vin) for vin in vins] == [None, BEGIN, BEGIN]
    assert intake.heard_since(BEGIN, 9) == 2
    assert len(intake._tracks.at_hand) == 2


def test_only_a_topic_of_a_known_vehicle_is_looked_at() -> None:
    gateway, later = Gateway(glances=True), BEGIN + timedelta(seconds=1)
    driving = {"Vehicle.Speed": 50, "Vehicle.LowVoltageSystemState": "ON"}
    gateway.hear(message(driving, BEGIN, 1), BEGIN)
    put_away(gateway)
    payload = message(driving, later, 2)
    for topic in (TOPIC[:-1], f"{TOPIC}s", TOPIC.replace(VIN, f"{VIN}X"), TOPIC.replace("XVG", "XVH"), ""):
        assert not gateway.intake.glance(topic, payload, later)
    assert gateway.intake.glance(TOPIC, payload, later)
