"""People who use their car's app: how often, what they say, and what they make of the answers."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire import command_request
from tests.emulator.lives import START_MS
from vehicle_emulator import codec, habits, person
from vehicle_emulator.codec import Greeting, Version
from vehicle_emulator.dice import Dice
from vehicle_emulator.habits import Wishes
from vehicle_emulator.owner import Challenge, Owner
from vehicle_emulator.person import Ask, Person

VIN = "XVG00000000000001"
HOUR_MS = 3_600_000.0
DAY_MS = 24 * HOUR_MS
FINAL = st.sampled_from(person.FINAL)
STATUS = st.sampled_from(("accepted", "sent", "unknown", *person.FINAL))


def somebody(code: str | None = "1234") -> Person:
    return Person(VIN, Owner("anna", security_code=code))


def said(ask: Ask) -> dict[str, Any]:
    read = command_request.decode(ask.message)
    assert isinstance(read, command_request.Payload), read
    return dict(msgspec.json.decode(ask.message))


def answer(request_id: str, status: str = "accepted", reason: str | None = None) -> bytes:
    body = {"request_id": request_id, "command_id": "c", "status": status, "reason": reason}
    return msgspec.json.encode(body)


def test_a_month_of_many_has_as_many_wishes_as_were_counted_and_a_morning_peak() -> None:
    wishes = Wishes(10_000, 0.0, 0.0, Dice(1, "wishes"))
    moments = [at_ms for day in range(1, 31) for at_ms in wishes.take(day * DAY_MS)]
    per_hour = [sum(int(at_ms % DAY_MS // HOUR_MS) == hour for at_ms in moments) for hour in range(24)]
    assert per_hour.index(max(per_hour)) == 7
    night = per_hour[0] / 30 / 10_000
    assert night == pytest.approx(habits.ACTIONS_PER_MONTH / 30 / 24, rel=0.2)
    assert 15 < max(per_hour) / per_hour[0] < 20


def test_a_stated_rate_is_kept() -> None:
    wishes = Wishes(3, 2.0, 0.0, Dice(1, "wishes"))
    assert len(wishes.take(HOUR_MS)) == pytest.approx(7_200, rel=0.05)


def test_everything_in_the_mix_is_wanted() -> None:
    dice = Dice(1, "mix")
    wanted = [habits.pick(dice) for _ in range(5_000)]
    assert set(wanted) == {action for action, _ in habits.MIX}
    assert wanted.count("climate_start") == pytest.approx(1_500, rel=0.1)


@pytest.mark.parametrize("action", [action for action, _ in habits.MIX if action != "unlock"])
def test_the_gateway_reads_what_a_person_asks(action: str) -> None:
    ask = somebody().want("r1", action, START_MS)
    assert said(ask)["action"] == action
    assert "challenge_response" not in said(ask)


def test_an_unlock_asks_for_the_challenge_first_and_enters_the_code_once() -> None:
    anna = somebody()
    ask = anna.want("r1", "unlock", START_MS)
    assert (said(ask)["action"], said(ask)["params"]) == ("challenge", {"purpose": "unlock"})
    challenge = {"request_id": said(ask)["request_id"], "challenge": "ab", "salt": "s", "rounds": 9}
    payload = msgspec.json.encode(challenge | {"expires_at": "2026-11-18T11:07:40Z"})
    news = anna.hear(payload)
    assert news is not None
    assert news.challenge == Challenge("ab", "s", 9)
    assert anna.hear(payload) is None
    anna.prove(ask, "fe", START_MS + 900)
    assert {"request_id": "r1", "action": "unlock", "challenge_response": "fe"}.items() <= said(ask).items()
    assert anna.hear(payload) is None
    assert not ask.is_answered
    done = anna.hear(answer("r1", "performed"))
    assert done is not None
    assert (done.first, done.performed) == (True, True)


def test_a_refused_challenge_is_the_refusal_of_the_wish() -> None:
    anna = somebody()
    ask = anna.want("r1", "unlock", START_MS)
    anna.hear(answer(said(ask)["request_id"], "refused", "security_code_locked"))
    assert dict(anna.outcomes()) == {("unlock", "refused", "security_code_locked"): 1}


def test_without_a_code_an_unlock_is_asked_as_it_is() -> None:
    assert said(somebody(None).want("r1", "unlock", START_MS))["action"] == "unlock"


def test_what_has_no_answer_goes_out_again_the_same_a_few_times() -> None:
    anna = somebody()
    ask = anna.want("r1", "lock", START_MS)
    first = ask.message
    again = [
        late.message
        for at_s in range(120)
        for late in anna.overdue(START_MS + at_s * 1_000.0)
    ]  # fmt: skip
    assert again == [first] * (person.TRIES - 1)
    assert dict(anna.outcomes()) == {("lock", "unanswered", None): 1}


@given(st.lists(STATUS, min_size=1, max_size=8))
def test_a_final_word_stands_and_another_one_is_counted(statuses: list[str]) -> None:
    anna = somebody()
    anna.want("r1", "lock", START_MS)
    for status in statuses:
        anna.hear(answer("r1", status))
    finals = [status for status in statuses if status in person.FINAL]
    ((_, stands, _),) = anna.outcomes()
    assert stands == (finals[0] if finals else statuses[-1])
    assert anna.counts["contradicted"] == sum(status != finals[0] for status in finals)
    assert anna.overdue(START_MS + 60_000) == []


@given(st.binary(max_size=64) | st.sampled_from([b"[" * 50_000, b'{"request_id":1}', b"\xff", b"{}"]))
def test_whatever_comes_changes_nothing_that_was_asked(payload: bytes) -> None:
    anna = somebody()
    anna.want("r1", "lock", START_MS)
    assert anna.hear(payload) is None
    anna.notice(payload)
    assert dict(anna.outcomes()) == {("lock", "unanswered", None): 1}


def test_of_many_wishes_the_oldest_are_only_counted() -> None:
    anna = somebody()
    for number in range(person.KEPT + 10):
        anna.want(f"r{number}", "lock", START_MS)
    assert len(anna.asks) == person.KEPT
    assert anna.outcomes().total() == person.KEPT + 10


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (Version.V311, b"\x10\x17\x00\x04MQTT\x04\xc2\x00\x3c\x00\x01a\x00\x04anna\x00\x02pw"),
        (Version.V5, b"\x10\x18\x00\x04MQTT\x05\xc2\x00\x3c\x00\x00\x01a\x00\x04anna\x00\x02pw"),
    ],
)
def test_a_person_has_no_will(version: Version, expected: bytes) -> None:
    assert codec.encode_connect(version, Greeting("a", "anna", "pw", "", b"", 60)) == expected
