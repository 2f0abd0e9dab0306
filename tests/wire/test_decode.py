"""Whatever arrives becomes the fact it states or a reason why not; nothing else ever leaves the decoder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import wire
from gateway.domain.causes import STATED_BY_VEHICLE
from gateway.domain.signals import CommandResult, Connection, DriverCard, Event, Mode, Position, TheftSensor
from gateway.wire import telemetry
from gateway.wire.event import MAX_PAYLOAD_BYTES, Unwanted, content_digest
from gateway.wire.topics import is_vin, split_vehicle_topic, vehicle_topic

NOW = datetime(2026, 11, 22, 9, 30, 1, tzinfo=UTC)
GOLDEN = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "data/wire/golden.jsonl").read_text().splitlines()
]
VIN = "TESTZZZ99ZTS39212"

Decoded = Event | Connection | telemetry.Telemetry | Unwanted


def decode(kind: str, payload: bytes) -> Decoded:
    """As the pipeline does it: any exception of telemetry is a quarantined message."""
    if kind != telemetry.KIND:
        return wire.decode(kind, payload, NOW)
    try:
        return telemetry.decode(payload, NOW)
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        return Unwanted(str(error), "")


def outcome(topic: str, payload: bytes) -> str:
    """What must become of a message, in the words of the golden file."""
    parts = split_vehicle_topic(topic)
    if parts is None or not is_vin(parts[0]):
        return "quarantined"
    kind = parts[1]
    decoded = decode(kind, payload)
    match decoded:
        case Unwanted() if kind == "telemetry":
            return "quarantined"
        case Unwanted():
            rejected = "rejected" if decoded.event_id else ""
            alarm = "alarm unreadable_event" if kind == "theft-sensor" else ""
            return ", ".join(filter(None, (alarm, rejected)))
        case TheftSensor() if decoded.state == "triggered" or (decoded.active_for_s or 0) >= 15:
            return f"alarm {decoded.cause if decoded.cause in STATED_BY_VEHICLE else 'unknown'}"
        case _:
            return "accepted"


@pytest.mark.parametrize(
    "line", GOLDEN, ids=[f"{number}: {line['why']}" for number, line in enumerate(GOLDEN, 1)]
)
def test_golden(line: dict[str, str]) -> None:
    """Messages written by hand, each with what must become of it."""
    assert outcome(line["topic"], line["payload"].encode()) == line["expect"]


def payloads() -> Iterator[tuple[str, bytes]]:
    """Distinct golden payloads of well-formed topics by kind."""
    seen = set()
    for line in GOLDEN:
        parts = split_vehicle_topic(line["topic"])
        assert parts is not None
        case = (parts[1], line["payload"].encode())
        if is_vin(parts[0]) and case not in seen:
            seen.add(case)
            yield case


CASES = list(payloads())
KINDS = (*wire.BY_KIND, telemetry.KIND)


def is_decoded(kind: str, payload: bytes) -> bool:
    """A fact of its kind, or a description of this very payload."""
    match decode(kind, payload):
        case Unwanted() as unwanted:
            return kind == telemetry.KIND or unwanted.sha256 == sha256(payload).hexdigest()
        case telemetry.Telemetry() as message:
            return kind == telemetry.KIND and message.received_at == NOW
        case fact:
            return wire.BY_KIND[kind].codec.decode(payload, NOW) == fact and fact.received_at == NOW


@pytest.mark.parametrize("case", range(len(CASES)))
def test_every_prefix_is_a_fact_or_unwanted(case: int) -> None:
    kind, payload = CASES[case]
    for length in range(len(payload) + 1):
        assert is_decoded(kind, payload[:length])


@pytest.mark.parametrize("case", range(len(CASES)))
def test_every_changed_byte_gives_a_fact_or_unwanted(case: int) -> None:
    """Each byte in turn becomes each of those that mean something to a parser, and some that mean nothing."""
    kind, payload = CASES[case]
    for place in range(len(payload)):
        for byte in b'\x00\x1f "\\{}[]:,-+.0eEnu\x7f\x80\xc0\xed\xff':
            assert is_decoded(kind, payload[:place] + bytes([byte]) + payload[place + 1 :])


@settings(max_examples=300, deadline=None)
@given(kind=st.sampled_from(KINDS), payload=st.binary(max_size=200))
def test_noise_is_unwanted(kind: str, payload: bytes) -> None:
    assert is_decoded(kind, payload)


@settings(max_examples=300, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.text() | st.sampled_from(["event_id", "signals", "at"]), inner)
        ),
    ),
)
def test_any_json_is_a_fact_or_unwanted(kind: str, value: Any) -> None:
    assert is_decoded(kind, json.dumps(value).encode("utf-8", "surrogatepass"))


# -- the odd ones, each with what must become of it ----------------------------------------------------------

GOOD = {"event_id": "a", "occurred_at": "2026-11-22T09:30:00Z", "cause": "tilt", "state": "triggered"}


def tilt(more: str = "", **fields: str) -> bytes:
    return (json.dumps(GOOD | fields)[:-1] + more + "}").encode("utf-8", "surrogatepass")


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        pytest.param(tilt(), (), id="good"),
        pytest.param(b" \r\n\t" + tilt() + b"\n ", (), id="white space around it"),
        pytest.param(tilt(',"x":' + "[" * 500 + "]" * 500), (), id="nested 500 deep"),
        pytest.param(tilt(',"x":1e400'), (), id="an unknown field beyond all numbers"),
        pytest.param(tilt(',"x":"\\ud800"'), (), id="half a character in an unknown field"),
        pytest.param(tilt(',"event_id":"b"'), (), id="a duplicate key: the last counts"),
        pytest.param(tilt(',"detail":"\\u0000"'), (), id="NUL in a text"),
        pytest.param(tilt(',"active_for_s":1e400'), ("active_for_s is not valid",), id="1e400"),
        pytest.param(tilt(',"active_for_s":-1'), ("active_for_s is not valid",), id="a negative duration"),
        pytest.param(tilt(',"active_for_s":"17"'), ("active_for_s is not valid",), id="a number as text"),
        pytest.param(tilt(',"boot_id":"' + "b" * 37 + '"'), ("boot_id is not valid",), id="a long boot id"),
        pytest.param(tilt(',"seq":9223372036854775807'), (), id="2^63-1"),
        pytest.param(tilt(',"seq":9223372036854775808'), ("seq is not valid",), id="2^63"),
        pytest.param(tilt(',"seq":-1'), ("seq is not valid",), id="a negative number"),
        pytest.param(tilt(',"seq":1.5'), ("seq is not valid",), id="half a number"),
        pytest.param(tilt(',"zone":"roof"'), ("zone is not valid",), id="a zone nobody knows"),
        pytest.param(tilt(',"position":[1,2]'), ("position is not valid",), id="a list as position"),
        pytest.param(
            tilt(',"position":{"latitude":90.1,"longitude":0}'),
            ("position is not valid",),
            id="beyond the pole",
        ),
        pytest.param(tilt(',"detail":"' + "x" * 257 + '"'), ("detail is not valid",), id="a long detail"),
        pytest.param(
            tilt(',"zone":1,"seq":"x"'), ("seq is not valid", "zone is not valid"), id="two bad fields"
        ),
        pytest.param(tilt().replace(b"09:30", b"09:60"), ("occurred_at is not valid",), id="minute 60"),
        pytest.param(
            tilt(occurred_at="2016-12-31T23:59:60Z"), ("occurred_at is not valid",), id="leap second"
        ),
        pytest.param(tilt(occurred_at="2026-11-22T09:30:00"), ("occurred_at is not valid",), id="no offset"),
        pytest.param(
            tilt(occurred_at="0001-01-01T00:00:00+00:01"), ("occurred_at is not valid",), id="before year 1"
        ),
        pytest.param(
            tilt(occurred_at="9999-12-31T23:59:59-00:01"), ("occurred_at is not valid",), id="after year 9999"
        ),
        pytest.param(tilt(occurred_at="0001-01-01T00:00:00Z"), (), id="year 1"),
        pytest.param(tilt(occurred_at="9999-12-31T23:59:59.999999Z"), (), id="year 9999"),
        pytest.param(tilt(',"detail":NaN'), None, id="NaN is no JSON"),
        pytest.param(tilt(',"x":Infinity'), None, id="nor is Infinity"),
        pytest.param(b"\xef\xbb\xbf" + tilt(), None, id="a byte order mark"),
        pytest.param(tilt() + b"\x00", None, id="NUL behind it"),
        pytest.param(tilt() + tilt(), None, id="two objects"),
        pytest.param(tilt().decode().encode("utf-16"), None, id="UTF-16"),
        pytest.param(tilt(event_id="a" * 65), None, id="a long id"),
        pytest.param(tilt(event_id="a\n"), None, id="an id with a line end"),
        pytest.param(tilt(event_id=""), None, id="an empty id"),
        pytest.param(tilt(event_id="ä"), None, id="an id beyond ASCII"),
        pytest.param(tilt(',"x":"' + "x" * MAX_PAYLOAD_BYTES + '"'), None, id="over the limit"),
        pytest.param(b"null", None, id="null"),
        pytest.param(b'"tilt"', None, id="a text"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, None, id="nested 100,000 deep"),
        pytest.param(tilt(',"x":' + "[" * 15_000 + "]" * 15_000), None, id="nested as deep as fits"),
    ],
)
def test_odd_theft_sensor_payloads(payload: bytes, expected: tuple[str, ...] | None) -> None:
    """Only id, cause and state can cost an alarm its cause; any other bad field is left out and noted."""
    decoded = wire.decode("theft-sensor", payload, NOW)
    if expected is None:
        assert isinstance(decoded, Unwanted)
    else:
        assert isinstance(decoded, TheftSensor)
        assert (decoded.cause, decoded.state, decoded.notes) == ("tilt", "triggered", expected)


def test_invalid_utf8_costs_at_most_its_field() -> None:
    decoded = wire.decode("theft-sensor", tilt(',"detail":"?"').replace(b"?", b"\xff"), NOW)
    assert isinstance(decoded, TheftSensor)
    assert decoded.notes == ("detail is not valid",)
    assert isinstance(wire.decode("theft-sensor", tilt(cause="?").replace(b"?", b"\xff"), NOW), Unwanted)


def test_a_long_cause_is_cut_and_delivered() -> None:
    decoded = wire.decode("theft-sensor", tilt(cause="c" * 30_000), NOW)
    assert isinstance(decoded, TheftSensor)
    assert decoded.cause == "c" * 256


@pytest.mark.parametrize("size", [MAX_PAYLOAD_BYTES, MAX_PAYLOAD_BYTES + 1, 40_000])
@pytest.mark.parametrize("kind", list(wire.BY_KIND))
def test_the_limit_holds_whatever_a_payload_holds(kind: str, size: int) -> None:
    fields = GOOD | {"present": True, "card_id": "A", "online": True, "package_id": "P", "kind": "update"}
    fields |= {"connected": True, "charging": True, "command_id": "c", "status": "performed"}
    if kind == "software":
        fields["state"] = "active"
    payload = json.dumps(fields).encode()
    payload += b" " * (size - len(payload))
    decoded = wire.decode(kind, payload, NOW)
    assert isinstance(decoded, Unwanted) == (size > MAX_PAYLOAD_BYTES)
    if isinstance(decoded, Unwanted):
        assert decoded.event_id == GOOD["event_id"], "so that the vehicle stops sending it"


def test_what_can_not_be_decoded_is_rejected_where_its_id_is_readable() -> None:
    for payload, event_id in [
        (b'{"event_id":"a"}', "a"),
        (b'{"event_id":"a","present":1}', "a"),
        (b'{"event_id":"a b"}', None),
        (b'{"event_id":1}', None),
        (b'{"event_id":"a"', None),
        (b"[]", None),
    ]:
        decoded = wire.decode("driver-card", payload, NOW)
        assert isinstance(decoded, Unwanted)
        assert decoded.event_id == event_id


# -- decode after encode ------------------------------------------------------------------------------------

INSTANTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001
EVENT_IDS = st.from_regex(r"[A-Za-z0-9_.:-]{1,64}", fullmatch=True)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=256)
EVENT: dict[str, Any] = {
    "received_at": st.just(NOW),
    "occurred_at": INSTANTS,
    "event_id": EVENT_IDS,
    "boot_id": st.none() | st.text(st.characters(codec="utf-8"), max_size=36),
    "seq": st.none() | st.integers(0, 2**63 - 1),
}
CARDS = st.builds(
    DriverCard,
    **EVENT,
    card_id=st.text(st.characters(codec="utf-8"), min_size=1, max_size=64),
)
SENSORS = st.builds(
    TheftSensor,
    **EVENT,
    cause=TEXTS,
    active_for_s=st.none() | st.floats(0, 1e9),
    detail=st.none() | TEXTS,
    notes=st.just(()),
    position=st.none()
    | st.builds(
        Position,
        latitude=st.floats(-90, 90).filter(bool),
        longitude=st.floats(-180, 180).filter(bool),
        accuracy_m=st.none() | st.floats(0, 1e7),
    ),
)
MODES = st.builds(Mode, **EVENT)
RESULTS = st.builds(CommandResult, **EVENT, command_id=TEXTS, reason=st.none() | TEXTS)
KIND_OF = {
    DriverCard: "driver-card",
    TheftSensor: "theft-sensor",
    Mode: "mode",
    CommandResult: "remote-access/result",
}
EVENTS = CARDS | SENSORS | MODES | RESULTS


def encode(event: Event, offset_min: int = 0, *, backwards: bool = False, indent: int | None = None) -> bytes:
    """A payload that states an event, with the freedoms that a vehicle has."""
    fields = msgspec.to_builtins(event)
    for name in ("fact", "received_at", "notes"):
        fields.pop(name, None)
    if event.occurred_at is not None and 2 < event.occurred_at.year < 9998:
        zone = timedelta(minutes=offset_min)
        local = (event.occurred_at + zone).replace(tzinfo=None).isoformat()
        fields["occurred_at"] = (
            f"{local}{'+' if offset_min >= 0 else '-'}{abs(offset_min) // 60:02}:{abs(offset_min) % 60:02}"
        )
    if backwards:
        fields = {"firmware": [7, {"x": None}], **dict(reversed(fields.items()))}
    return json.dumps(fields, indent=indent).encode()


@settings(max_examples=300, deadline=None)
@given(event=EVENTS)
def test_what_is_stated_is_what_is_decoded(event: Event) -> None:
    assert wire.decode(KIND_OF[type(event)], encode(event), NOW) == event


@settings(max_examples=300, deadline=None)
@given(event=EVENTS, offset_min=st.integers(-1439, 1439), later_s=st.integers(0, 10**6))
def test_equal_content_gives_equal_digests(event: Event, offset_min: int, later_s: int) -> None:
    """Whatever the offset, order, white space, unknown fields and the time of arrival."""
    payload = encode(event, offset_min, backwards=True, indent=2)
    again = wire.decode(KIND_OF[type(event)], payload, NOW + timedelta(seconds=later_s))
    assert isinstance(again, Event)
    assert content_digest(again) == content_digest(event)


@settings(max_examples=300, deadline=None)
@given(one=EVENTS, other=EVENTS, data=st.data())
def test_different_content_gives_different_digests(one: Event, other: Event, data: st.DataObject) -> None:
    """Any other event, and the same one with a single field taken from another."""
    if type(one) is type(other):
        name = data.draw(st.sampled_from([name for name in one.__struct_fields__ if name != "notes"]))
        other = msgspec.structs.replace(one, **{name: getattr(other, name)})
    assert (content_digest(one) == content_digest(other)) == (one == other)


def test_the_topic_is_part_of_the_content() -> None:
    """Equal fields on two topics are two contents."""
    more = {"connected": True, "charging": True, "command_id": "c", "status": "failed"}
    payload = json.dumps(GOOD | more).encode()
    facts = [
        wire.decode(kind, payload, NOW)
        for kind in ("mode", "charging", "remote-access/result", "data-bundle")
    ]
    digests = {content_digest(fact) for fact in facts if isinstance(fact, Event)}
    assert len(digests) == 4


def test_what_was_left_out_is_no_content() -> None:
    """A bad field is ignored, so a repeat with and without it is the same event."""
    good, bad = (wire.decode("theft-sensor", tilt(more), NOW) for more in ("", ',"zone":"roof"'))
    assert isinstance(good, Event)
    assert isinstance(bad, Event)
    assert content_digest(good) == content_digest(bad)


# -- topics -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vin", "good"),
    [
        (VIN, True),
        (VIN.lower(), False),
        (VIN[:-1], False),
        (VIN + "4", False),
        (VIN + "\n", False),
        (VIN[:-1] + "I", False),
        (VIN[:-1] + "O", False),
        (VIN[:-1] + "Q", False),
        (VIN[:-1] + "\N{ARABIC-INDIC DIGIT ONE}", False),
        ("", False),
        ("gateway", False),
    ],
)
def test_the_shape_of_a_vin(vin: str, good: bool) -> None:
    assert is_vin(vin) is good


@pytest.mark.parametrize("kind", KINDS)
def test_topics_are_taken_apart_as_they_are_built(kind: str) -> None:
    assert split_vehicle_topic(vehicle_topic(VIN, kind)) == (VIN, kind)


@pytest.mark.parametrize(
    "topic",
    ["", "v1", "v1/vehicles", f"v1/vehicles/{VIN}", f"v2/vehicles/{VIN}/mode", f"v1/users/{VIN}/mode"],
)
def test_any_other_topic_is_none_of_a_vehicle(topic: str) -> None:
    assert split_vehicle_topic(topic) is None
