"""The splitter: whatever bytes come, in whatever pieces, it gives the same packets or one error."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.adapters.mqtt import packets
from gateway.adapters.mqtt.splitter import Malformed, Received, Split, Splitter, Version
from gateway.ports import Reply

PINGRESP = bytes((0xD0, 0))
SUBACK = bytes((0x90, 4, 0, 7, 0, 1))
PUBACK_REFUSED = bytes((0x40, 4, 0, 9, 0x87, 0))

VERSIONS: tuple[Version, Version] = (5, 3)
versions = st.sampled_from(VERSIONS)
topics = st.text("v1/é☃", min_size=1, max_size=8) | st.just("t" * 300)
replies = st.builds(
    Reply,
    topic=st.none() | st.text("v1/é", max_size=5),
    correlation=st.none() | st.binary(max_size=20) | st.just(bytes(256)),
)
payloads = st.binary(max_size=8) | st.integers(100, 20_000).map(bytes)


@st.composite
def publishes(draw: st.DrawFn, version: Version) -> tuple[Received, bytes]:
    qos = draw(st.integers(0, 1))
    expiry = draw(st.none() | st.integers(0, 2**32 - 1))
    reply = draw(st.none() | replies)
    properties = packets.properties(version, expiry, reply)
    message = Received(
        topic=draw(topics),
        payload=draw(payloads),
        retained=draw(st.booleans()),
        mid=draw(st.integers(1, 65_535)) if qos else 0,
        qos=qos,
        properties=properties if len(properties) > 1 else b"",
    )
    packet = packets.publish(
        message.topic,
        message.payload,
        qos=qos,
        retain=message.retained,
        mid=message.mid,
        properties=properties,
    )
    return message, packet


@given(st.none() | st.integers(0, 2**32 - 1), replies)
def test_correlation_data_comes_back_as_it_was_sent(expiry: int | None, reply: Reply) -> None:
    found = packets.correlation(packets.properties(5, expiry, reply))
    assert found == reply.correlation


@pytest.mark.parametrize(
    ("properties", "found"),
    [
        (b"\x09\x26\x00\x01a\x00\x01b\x09\x00\x00", b""),
        (b"\x07\x01\x01\x23\x00\x09\x09\x00", None),
        (b"\x04\x09\x00\x09a", None),
        (b"\x04\x11\x00\x00\x00", None),
        (b"\xff\xff", None),
        (b"\x09", None),
        (b"", None),
        (b"\x84\x02\x09\x01\x01" + b"x" * 257, None),
    ],
)
def test_properties_that_do_not_fit_cost_only_the_correlation(properties: bytes, found: bytes | None) -> None:
    assert packets.correlation(properties) == found


class Stream:
    """What a broker sends, and what must come out of it."""

    def __init__(self, version: Version) -> None:
        self.version = version
        self.wanted = Split([], [], bytearray())
        self.data = b""

    def add(self, packet: tuple[Received, bytes] | bytes) -> None:
        if isinstance(packet, tuple):
            self.wanted.messages.append(packet[0])
            self.data += packet[1]
        else:
            if packet == PUBACK_REFUSED:
                self.wanted.answers.append((9, 0x87))
            else:
                self.wanted.others += packet
            self.data += packet


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    version: Version = draw(versions)
    stream = Stream(version)
    others = st.sampled_from((PINGRESP, SUBACK, PUBACK_REFUSED))
    for packet in draw(st.lists(publishes(version) | others, max_size=6)):
        stream.add(packet)
    return stream


def split(version: Version, parts: list[bytes]) -> Split:
    splitter, whole = Splitter(version), Split([], [], bytearray())
    for part in parts:
        one = splitter.feed(part)
        whole.messages += one.messages
        whole.answers += one.answers
        whole.others += one.others
    return whole


@given(streams())
def test_every_packet_comes_out_as_it_was_sent(stream: Stream) -> None:
    assert split(stream.version, [stream.data]) == stream.wanted


@given(streams(), st.lists(st.integers(0, 1_000), max_size=10))
def test_pieces_of_any_size_give_the_same(stream: Stream, cuts: list[int]) -> None:
    borders = sorted({0, len(stream.data), *(cut for cut in cuts if cut < len(stream.data))})
    parts = [stream.data[begin:end] for begin, end in pairwise(borders)]
    assert split(stream.version, parts) == stream.wanted


@given(streams())
def test_single_bytes_give_the_same(stream: Stream) -> None:
    data, rest = stream.data[:600], stream.data[600:]
    parts = [data[at : at + 1] for at in range(len(data))]
    assert split(stream.version, [*parts, rest]) == stream.wanted


@pytest.mark.parametrize("size", [127, 128, 16_383, 16_384, 2_097_151, 2_097_152])
def test_a_length_of_one_to_four_bytes_is_read(size: int) -> None:
    packet = packets.publish("a", bytes(size - 3), qos=0, retain=False, mid=0, properties=b"")
    (message,) = split(3, [packet + PINGRESP]).messages
    assert len(message.payload) == size - 3


def short_stream(version: Version) -> bytes:
    some = packets.properties(version, 60)
    return b"".join(
        (
            packets.publish("v1/a", b"{}", qos=1, retain=False, mid=515, properties=some),
            PINGRESP,
            packets.publish("v1/b", b"x" * 130, qos=0, retain=True, mid=0, properties=some),
            PUBACK_REFUSED,
        )
    )


@pytest.mark.parametrize("version", [5, 3])
def test_every_beginning_gives_a_beginning(version: Version) -> None:
    data = short_stream(version)
    whole = split(version, [data])
    for end in range(len(data)):
        some = split(version, [data[:end]])
        assert some.messages == whole.messages[: len(some.messages)]
        assert whole.others.startswith(some.others)


@pytest.mark.parametrize("version", [5, 3])
def test_every_change_of_one_byte_is_read_or_refused(version: Version) -> None:
    data = short_stream(version)
    for at in range(len(data)):
        for value in range(256):
            changed = data[:at] + bytes((value,)) + data[at + 1 :]
            try:
                split(version, [changed])
            except Malformed:
                continue


@given(versions, st.binary(max_size=200))
def test_noise_is_read_or_refused(version: Version, noise: bytes) -> None:
    try:
        split(version, [noise])
    except Malformed:
        return


MALFORMED = {
    "a length of five bytes": b"\x30\xff\xff\xff\xff\x01",
    "nothing": b"\x30\x00",
    "no topic": b"\x30\x01\x00",
    "a topic longer than the packet": b"\x30\x04\x00\x09ab",
    "no number": b"\x32\x04\x00\x01a\x00",
    "the number 0": b"\x32\x06\x00\x01a\x00\x00\x00",
    "an empty topic": b"\x30\x03\x00\x00\x00",
    "a topic that is not UTF-8": b"\x30\x04\x00\x01\xff\x00",
    "no properties": b"\x30\x03\x00\x01a",
    "properties beyond the packet": b"\x30\x04\x00\x01a\x05",
    "a length of properties that does not end": b"\x30\x04\x00\x01a\x80",
    "QoS 3": b"\x36\x06\x00\x01a\x00\x01\x00",
    "a short PUBACK": b"\x40\x01\x00",
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("what", MALFORMED)
def test_a_packet_that_does_not_fit_is_refused(what: str, version: Version) -> None:
    if version == 3 and "properties" in what:
        return
    with pytest.raises(Malformed):
        Splitter(version).feed(MALFORMED[what])


def test_a_publish_at_qos_2_is_the_librarys() -> None:
    packet = b"\x34\x06\x00\x01a\x00\x01\x00"
    assert split(5, [packet]) == Split([], [], bytearray(packet))


@pytest.mark.parametrize("topic", ["", "a/+", "a/#", "x" * 65_536])
def test_what_is_no_topic_is_not_sent(topic: str) -> None:
    with pytest.raises(ValueError, match="not a topic"):
        packets.publish(topic, b"", qos=0, retain=False, mid=0, properties=b"")
