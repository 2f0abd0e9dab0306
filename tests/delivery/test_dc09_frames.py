"""DC-09 frames are read by two parsers of other authors as they were meant, whatever an alarm says."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.sinks.sia_dc09.accounts import Accounts, Place
from gateway.adapters.sinks.sia_dc09.codes import BY_CAUSE, CODES, spoken
from gateway.adapters.sinks.sia_dc09.frame import Address, BadAnswer, Frame, crc, decode, encode
from gateway.adapters.sinks.sia_dc09.report import Letter, Protocol, link_test, report
from gateway.domain.causes import CAUSES
from gateway.ports import Message
from tests.delivery.memory import message_of

pysiaalarm = pytest.importorskip("pysiaalarm", reason="a reader of another author")
parse_frame = pytest.importorskip("siadc09.message", reason="a second one").parse_frame

VIN = "XVGVK86B4TR000002"
NOW = datetime(2026, 11, 22, 9, 30, 15, tzinfo=UTC)
ADDRESS = Address("A1B2")
KINDS = ("raised", "updated", "suppressed", "acknowledged", "closed", "unrecorded")
ALL: frozenset[Letter] = frozenset(("H", "I", "X", "Y"))
TEXT_ONLY: frozenset[Letter] = frozenset(("I",))

odd = st.one_of(st.text(max_size=600), st.text(alphabet='[]|"^_/\r\n#*é漢\x00 R1', max_size=600))
keys = st.sampled_from(
    [None, "0123456789abcdef", "0123456789abcdef01234567", "0123456789abcdef0123456789abcdef"]
)
causes = st.one_of(st.sampled_from([cause.name for cause in CAUSES]), odd)
positions = st.none() | st.fixed_dictionaries(
    {
        "latitude": st.floats(-90, 90) | st.floats(allow_nan=False, allow_infinity=False),
        "longitude": st.floats(-180, 180) | st.floats(allow_nan=False, allow_infinity=False),
    }
)
places = st.builds(
    Place,
    st.text("0123456789ABCDEF", min_size=3, max_size=16),
    st.integers(0, 9999),
)
ZONES = [timezone(timedelta(hours=hours)) for hours in (-12, 0, 14)]
times = st.none() | st.datetimes(min_value=datetime(1000, 1, 2), timezones=st.sampled_from(ZONES))  # noqa: DTZ001
data = st.fixed_dictionaries(
    {
        "vin": st.sampled_from([VIN, None]),
        "alarm_id": odd,
        "cause": causes,
        "state": st.sampled_from(["open", "acknowledged", "closed", "suppressed"]),
        "occurred_at": times,
        "received_at": times,
        "clock_suspect": st.booleans(),
        "count": st.integers(0, 2**63 - 1),
        "note": st.none() | odd,
        "disposition": st.none() | odd,
        "position": positions,
        "evidence": st.lists(st.fixed_dictionaries({"text": odd}), max_size=2),
    }
)
messages = st.builds(
    lambda told, kind, sequence: alarm(sequence, f"alarm.{kind}", **told),
    data,
    st.sampled_from(KINDS),
    st.integers(0, 2**40),
)


def alarm(sequence: int = 42, kind: str = "alarm.raised", **told: Any) -> Message:
    body = msgspec.json.encode({"subject": VIN, "type": kind, "data": told})
    return msgspec.structs.replace(message_of(VIN, sequence, type=kind), body=body)


def framed(
    message: Message, place: Place, protocol: Protocol = "SIA-DCS", letters: frozenset[Letter] = ALL
) -> Frame:
    accounts = Accounts(place.account, "fleet", {VIN: place})
    return report(message, accounts, ADDRESS, protocol, letters)


def read(frame: Frame, key: str | None) -> Any:
    """As pysiaalarm reads it. Its keys are text: their bytes are the AES key."""
    sent = encode(frame, NOW, key.encode() if key else None)
    assert len(sent) < 1000
    assert sent.isascii()
    assert (sent[0], sent[-1], sent.count(b"\r")) == (10, 13, 1)
    account = pysiaalarm.SIAAccount(frame.address.account, key, allowed_timeband=None)
    event = pysiaalarm.SIAEvent.from_line(sent.decode().strip(), {account.account_id: account})
    assert event.valid_message
    assert str(event.response.value) == "ACK"
    return event


def written(event: Any) -> tuple[str, ...]:
    return tuple(f"{one.identifier}{one.value}" for one in event.extended_data or ())


@given(messages, places, keys)
def test_every_cause_and_odd_text_is_read_with_the_same_fields(
    message: Message, place: Place, key: str | None
) -> None:
    frame = framed(message, place)
    event = read(frame, key)
    area = None if place.area == 0 or '"vin":null' in message.body.decode() else str(place.area)
    assert (event.account, event.sequence) == (place.account, f"{frame.number:04d}")
    assert (event.ri, event.timestamp) == (area, NOW)
    assert event.code in frame.data
    assert frame.data.endswith(f"{event.code}{event.message}")
    assert written(event) == frame.extended
    assert 1 <= frame.number <= 9999


@given(messages, places, keys)
def test_contact_id_is_read_with_the_same_fields(message: Message, place: Place, key: str | None) -> None:
    frame = framed(message, place, "ADM-CID", TEXT_ONLY)
    event = read(frame, key)
    told = f"{event.event_qualifier}{event.event_type} {event.partition} {event.ri}"
    assert f"#{event.account}|{told}" == frame.data
    assert written(event) == frame.extended
    assert (event.sequence, event.timestamp) == (f"{frame.number:04d}", NOW)


@given(messages, places, st.sampled_from(["SIA-DCS", "ADM-CID"]), keys)
def test_a_strict_reader_agrees(message: Message, place: Place, protocol: Protocol, key: str | None) -> None:
    frame = framed(message, place, protocol)
    raw = key.encode() if key else None
    found = parse_frame(encode(frame, NOW, raw), raw)
    assert (found.idtoken, found.seq, found.timestamp) == (protocol, frame.number, NOW)
    assert found.account.acct == int(place.account, 16)
    assert found.data.content.decode() == frame.data
    assert tuple(one.pack().decode() for one in found.xdata) == frame.extended


@given(keys, st.integers(1, 9999))
def test_a_link_test_is_read(key: str | None, number: int) -> None:
    raw = key.encode() if key else None
    frame = link_test(number, ADDRESS)
    found = parse_frame(encode(frame, NOW, raw), raw)
    assert (found.idtoken, found.seq, found.timestamp) == ("NULL", number, NOW)
    assert str(read(frame, key).message_type).endswith("NULL")


# -- answers -----------------------------------------------------------------------------------------------


@given(st.binary(max_size=200), st.none() | st.just(bytes(16)))
def test_bytes_are_an_answer_or_a_bad_answer_and_nothing_else(received: bytes, key: bytes | None) -> None:
    body = received.replace(b"\r", b"")
    for one in (received, b"\n%04X0%03X%s\r" % (crc(body), len(body), body)):
        try:
            decode(one, key)
        except BadAnswer:
            continue


@given(st.data())
def test_no_single_wrong_byte_passes_for_an_answer(data: st.DataObject) -> None:
    good = encode(Frame("ACK", 42, ADDRESS), NOW)
    place = data.draw(st.integers(1, len(good) - 2))
    byte = data.draw(
        st.integers(0, 255).filter(lambda one: bytes([one]).upper() != good[place : place + 1].upper())
    )
    with pytest.raises(BadAnswer):
        decode(good[:place] + bytes([byte]) + good[place + 1 :])


@pytest.mark.parametrize("key", [None, bytes(16), bytes(24), bytes(32)])
def test_an_answer_is_read(key: bytes | None) -> None:
    answer = decode(encode(Frame("ACK", 42, ADDRESS), NOW, key), key)
    assert (answer.identity, answer.number, answer.account, answer.at) == ("ACK", 42, "A1B2", NOW)
    assert answer.encrypted == (key is not None)
    assert answer.is_for(Frame("SIA-DCS", 42, Address("00A1B2")))
    assert not answer.is_for(Frame("SIA-DCS", 43, ADDRESS))
    assert not answer.is_for(Frame("SIA-DCS", 42, Address("A1B3")))


def test_the_crc_is_that_of_a_known_frame() -> None:
    """The check value of CRC-16/ARC, and a panel's frame that parsers of others are tried on."""
    assert f"{crc(b'123456789'):04X}" == "BB3D"
    known = b'"SIA-DCS"6002L0#AAA[|Nri1/CL501]_14:12:04,09-25-2019'
    assert f"{crc(known):04X}" == "E5D5"


# -- codes -------------------------------------------------------------------------------------------------


def test_every_cause_has_its_row_and_every_zone_is_one_cause() -> None:
    assert list(BY_CAUSE) == [code.cause for code in CODES]
    assert BY_CAUSE.keys() == {cause.name for cause in CAUSES}
    assert len({code.zone for code in CODES}) == len(CODES)
    assert all(0 < code.zone < 1000 and 0 < code.contact_id < 1000 for code in CODES)


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        ("raised", {}, ("BA", 1, 146)),
        ("updated", {}, ("BA", 1, 146)),
        ("unrecorded", {}, ("BA", 1, 146)),
        ("acknowledged", {"state": "acknowledged"}, ("YY", 6, 146)),
        ("closed", {"state": "closed"}, ("BR", 3, 146)),
        ("suppressed", {"state": "suppressed"}, ("BB", 1, 570)),
        ("updated", {"state": "suppressed", "note": "mode_ended"}, ("BU", 3, 570)),
        ("raised", {"note": "present_at_mode_end"}, ("BA", 1, 146)),
        ("raised", {"test": True}, ("RX", 1, 601)),
    ],
)
def test_what_each_message_is_called(kind: str, data: dict[str, Any], expected: tuple[str, int, int]) -> None:
    said = spoken(f"alarm.{kind}", "driver_card_missing", **data)
    assert (said.sia, said.qualifier, said.contact_id) == expected


# -- fields ------------------------------------------------------------------------------------------------


@given(st.floats(-90, 90), st.floats(-180, 180))
def test_a_position_is_told_to_two_metres(latitude: float, longitude: float) -> None:
    told = framed(alarm(position={"latitude": latitude, "longitude": longitude}), Place("ABC")).extended
    x, y = (next(one for one in told if one[0] == letter) for letter in "XY")
    assert len(x) <= 12
    assert len(y) <= 12
    for text, digits, positive, degrees in ((x[1:], 3, "E", longitude), (y[1:], 2, "N", latitude)):
        minutes = float(text[digits + 1 :])
        assert minutes < 60
        found = (int(text[:digits]) + minutes / 60) * (1 if text[digits] == positive else -1)
        assert math.isclose(found, degrees, abs_tol=0.00001)


def test_a_suspect_clock_gives_the_time_of_arrival() -> None:
    message = alarm(occurred_at=NOW + timedelta(days=400), received_at=NOW, clock_suspect=True)
    assert "H09:30:15,11-22-2026" in framed(message, Place("ABC")).extended


def test_a_time_outside_the_calendar_is_left_out() -> None:
    told = framed(alarm(occurred_at="0001-01-01T00:00:00+14:00"), Place("ABC")).extended
    assert [one[0] for one in told] == ["I"]


def test_each_try_of_a_message_has_the_same_number_and_neighbours_have_others() -> None:
    numbers = [framed(alarm(sequence), Place("ABC")).number for sequence in (1, 9999, 10_000, 10_000)]
    assert numbers == [1, 9999, 1, 1]
    unrecorded = [framed(alarm(0, alarm_id=name), Place("ABC")).number for name in ("a", "b", "a")]
    assert unrecorded[0] == unrecorded[2] != unrecorded[1]
