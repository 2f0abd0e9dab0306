"""The bytes of MQTT."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vehicle_emulator import codec
from vehicle_emulator.codec import Greeting, Packet, Publish, Version

GREETING = Greeting("XVG", "XVG", "pw", "w", b"{}", 60)
LIMIT = 1 << 20


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (
            Version.V311,
            b"\x10\x1f\x00\x04MQTT\x04\xee\x00\x3c\x00\x03XVG\x00\x01w\x00\x02{}\x00\x03XVG\x00\x02pw",
        ),
        (
            Version.V5,
            b"\x10\x21\x00\x04MQTT\x05\xee\x00\x3c\x00\x00\x03XVG\x00\x00\x01w\x00\x02{}\x00\x03XVG\x00\x02pw",
        ),
    ],
)
def test_connect_carries_clean_start_will_and_password(version: Version, expected: bytes) -> None:
    assert codec.encode_connect(version, GREETING) == expected


def test_connect_without_password_leaves_its_flag_out() -> None:
    packet = codec.encode_connect(Version.V311, GREETING._replace(password=None))
    assert packet[9] == 0xAE
    assert not packet.endswith(b"pw")


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (Version.V311, b"\x82\x06\x00\x07\x00\x01a\x01"),
        (Version.V5, b"\x82\x07\x00\x07\x00\x00\x01a\x01"),
    ],
)
def test_subscribe_asks_for_qos_1(version: Version, expected: bytes) -> None:
    assert codec.encode_subscribe(version, 7, ("a",)) == expected


@given(
    version=st.sampled_from(Version),
    topic=st.text(st.characters(codec="utf-8"), max_size=40),
    payload=st.binary(max_size=20_000),
    packet_id=st.integers(0, 65_535),
    retain=st.booleans(),
)
def test_a_published_message_reads_as_it_was_written(
    version: Version, topic: str, payload: bytes, packet_id: int, retain: bool
) -> None:
    data = codec.encode_publish(version, topic, payload, packet_id=packet_id, retain=retain)
    packets, rest = codec.split(data, LIMIT)
    assert rest == b""
    expected = Publish(topic, payload, 1 if packet_id else 0, retain, packet_id)
    assert codec.decode_publish(version, packets[0]) == expected


@given(
    payloads=st.lists(st.binary(max_size=300), max_size=8),
    cuts=st.lists(st.integers(0, 3_000), max_size=12),
)
def test_packets_survive_any_cutting_of_the_stream(payloads: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(codec.encode_publish(Version.V5, "t", payload) for payload in payloads)
    found: list[Packet] = []
    rest, at = b"", 0
    for cut in (*sorted(cuts), len(stream)):
        packets, rest = codec.split(rest + stream[at : max(at, cut)], LIMIT)
        found += packets
        at = max(at, cut)
    assert rest == b""
    assert [codec.decode_publish(Version.V5, packet).payload for packet in found] == payloads


@given(data=st.binary(max_size=200), version=st.sampled_from(Version))
def test_garbage_is_refused_and_never_surprises(data: bytes, version: Version) -> None:
    try:
        packets, _ = codec.split(data, LIMIT)
        for packet in packets:
            codec.decode_publish(version, packet)
            codec.decode_connack(version, packet.body)
            codec.decode_suback(version, packet.body)
            codec.decode_puback(packet.body)
    except (codec.MalformedPacketError, UnicodeDecodeError):
        pass


def test_receive_maximum_is_found_among_other_properties() -> None:
    properties = b"\x12\x00\x02id" + b"\x21\x00\x0a" + b"\x26\x00\x01k\x00\x01v" + b"\x2a\x01"
    body = b"\x00\x00" + bytes((len(properties),)) + properties
    assert codec.decode_connack(Version.V5, body) == codec.Connack(0, 10)


def test_connack_of_3_1_1_has_only_a_reason() -> None:
    assert codec.decode_connack(Version.V311, b"\x00\x05") == codec.Connack(5, codec.DEFAULT_RECEIVE_MAXIMUM)


def test_properties_of_a_message_are_skipped() -> None:
    body = b"\x00\x01t\x00\x09\x05\x02\x00\x00\x00\x3c{}"
    assert codec.decode_publish(Version.V5, Packet(0x32, body)) == Publish("t", b"{}", 1, False, 9)


@pytest.mark.parametrize(("body", "expected"), [(b"\x00\x03", (3, 0)), (b"\x00\x03\x10\x00", (3, 16))])
def test_puback_leaves_success_out(body: bytes, expected: tuple[int, int]) -> None:
    assert codec.decode_puback(body) == expected


@pytest.mark.parametrize(
    ("reason", "failed"), [(0, False), (1, False), (16, True), (0x80, True), (0x87, True), (0x97, True)]
)
def test_a_puback_without_a_receiver_is_a_failure(reason: int, failed: bool) -> None:
    assert codec.is_failure(reason) is failed


def test_a_packet_over_the_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(codec.MalformedPacketError, match="over the limit"):
        codec.split(b"\x30\xff\xff\xff\x7f", 1_000)


def test_a_length_of_five_bytes_is_refused() -> None:
    with pytest.raises(codec.MalformedPacketError, match="four bytes"):
        codec.split(b"\x30\xff\xff\xff\xff\x01", LIMIT)
