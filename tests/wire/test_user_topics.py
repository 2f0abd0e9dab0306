"""Topics of people: who may be one, and what their topics say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.command_request import Malformed, Payload, decode
from gateway.wire.topics import is_user, split_user_topic, user_vehicle_topic

VIN = "WVWZZZ1JZXW000001"


@pytest.mark.parametrize("user", ["anna", "a.b-c_d@e", "A" * 64, "1", VIN[:16]])
def test_a_person(user: str) -> None:
    assert is_user(user)
    assert split_user_topic(user_vehicle_topic(user, VIN, "remote-access/request")) == (
        user,
        VIN,
        "remote-access/request",
    )


@pytest.mark.parametrize("user", ["", "A" * 65, VIN, "gateway", "gateway-2", "a b", "a/b", "a+", "é", "a\n"])
def test_no_person(user: str) -> None:
    assert not is_user(user)


@given(st.text())
def test_any_topic_is_taken_apart_or_not(topic: str) -> None:
    parts = split_user_topic(topic)
    assert parts is None or user_vehicle_topic(*parts) == topic


GOOD = (
    b'{"request_id":"r-1","action":"lock","issued_at":"2026-11-22T09:30:00+01:00","params":{"a":1},"new":[]}'
)


@given(st.binary() | st.integers(0, len(GOOD) - 1).map(lambda end: GOOD[:end]))
def test_any_bytes_are_a_request_or_malformed(payload: bytes) -> None:
    assert isinstance(decode(payload), Malformed)


def test_a_request_with_fields_that_nobody_knows_is_read() -> None:
    request = decode(GOOD)
    assert isinstance(request, Payload)
    assert (request.request_id, request.action, request.params) == ("r-1", "lock", {"a": 1})


@pytest.mark.parametrize("number", [b"9223372036854775808", b"-9223372036854775809", b"1e400"])
def test_numbers_that_nothing_can_hold_are_malformed(number: bytes) -> None:
    assert isinstance(decode(GOOD.replace(b'"a":1', b'"a":' + number)), Malformed)
