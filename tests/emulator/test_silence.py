"""When a vehicle was not heard, by its own record, and what a note about it is held against."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.emulator.lives import START_MS, vehicle
from tests.emulator.test_score import HONEST, RUN, VIN, played, told
from vehicle_emulator import body
from vehicle_emulator.messages import rfc3339
from vehicle_emulator.score import Bounds, Scorecard, score
from vehicle_emulator.silence import DRIVING_MS, NOTHING_SAID, PARKED_MS, Silence, Watch, Why
from vehicle_emulator.verdict import Told

FROM_S = 600


def silence(why: Why, *, vin: str = HONEST, until_s: int = 900) -> Silence:
    return Silence(vin, rfc3339(START_MS + FROM_S * 1_000), rfc3339(START_MS + until_s * 1_000), why)


def scored(feed: list[dict[str, Any]], *silences: Silence) -> Scorecard:
    run = replace(RUN, silences=silences)
    return score(run, [played()], [msgspec.convert(one, Told) for one in (told(1), *feed)])


def noted(after_s: float = FROM_S + 60, cause: str = "supervision_lost", **data: Any) -> dict[str, Any]:
    return told(2, cause, after_s, vin=HONEST, **data)


@pytest.mark.parametrize("why", ["no coverage", "off the air"])
@given(st.floats(FROM_S + 60, 900))
def test_a_note_of_a_car_that_was_silent_has_its_reason(why: Why, after_s: float) -> None:
    card = scored([noted(after_s)], silence(why))
    assert card.broken(Bounds()) == []
    assert card.silent_notes == {why: 1}


@pytest.mark.parametrize(
    ("feed", "silences"),
    [
        ([noted()], []),
        ([noted()], [silence(NOTHING_SAID)]),
        ([noted()], [silence("no coverage", vin=VIN)]),
        ([noted(FROM_S + 20)], [silence("no coverage")]),
        ([noted(930)], [silence("no coverage")]),
        ([noted(cause="battery_low")], [silence("no coverage")]),
    ],
    ids=["heard", "should-have-spoken", "another-car", "too-early", "heard-again", "another-note"],
)
def test_a_note_without_a_reason_is_told(feed: list[dict[str, Any]], silences: list[Silence]) -> None:
    (found,) = scored(feed, *silences).broken(Bounds())
    assert found == "1 notes without a reason, bound 0"


def test_that_it_is_heard_again_is_part_of_the_note() -> None:
    again = told(3, "supervision_lost", 901, vin=HONEST, type="alarm.updated", event_ids=[])
    card = scored([noted(event_ids=[]), again], silence("no coverage"))
    assert card.broken(Bounds()) == []
    assert card.silent_notes == {"no coverage": 1}


@given(
    drives=st.booleans(), why=st.sampled_from(["no coverage", "off the air", NOTHING_SAID]), data=st.data()
)
def test_what_is_shorter_than_expected_is_no_silence(*, drives: bool, why: Why, data: st.DataObject) -> None:
    bound_ms = DRIVING_MS if drives else PARKED_MS
    for_ms = data.draw(st.integers(1, 2 * bound_ms))
    car, watch = vehicle(), Watch()
    car.body.set(body.IGNITION, "ON" if drives else "OFF")
    assert watch.spoke(car, START_MS) is None
    if why == "no coverage":
        car.air.lost_ms = START_MS + 1
    if why != NOTHING_SAID:
        watch.fell()
    found = watch.spoke(car, START_MS + for_ms)
    assert (found is None) == (for_ms < bound_ms)
    if found is not None:
        assert found == Silence(car.vin, rfc3339(START_MS), rfc3339(START_MS + for_ms), why)
    assert watch.spoke(car, START_MS + for_ms + 1) is None
