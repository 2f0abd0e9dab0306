"""
MQTT 3.1.1 and 5 as bytes, as far as a vehicle needs them. Pure: nothing here waits or opens a socket.

Source: MQTT 3.1.1 sections 2 and 3; MQTT 5.0 sections 1.5, 2 and 3.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final, NamedTuple


class Version(IntEnum):
    """Protocol level as it stands in CONNECT."""

    V311 = 4
    V5 = 5


class Kind(IntEnum):
    """Packet type: the upper half of the first byte."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    SUBSCRIBE = 8
    SUBACK = 9
    PINGRESP = 13
    DISCONNECT = 14


PINGREQ: Final = b"\xc0\x00"
DISCONNECT: Final = b"\xe0\x00"
NO_MATCHING_SUBSCRIBERS: Final = 16
DEFAULT_RECEIVE_MAXIMUM: Final = 65_535

# Reasons of CONNACK that a mistake in an option leads to, of both versions.
REFUSALS: Final = {
    1: "protocol version not supported", 2: "client id not valid", 3: "server unavailable",
    4: "bad user name or password", 5: "not authorised", 132: "protocol version not supported",
    133: "client id not valid", 134: "bad user name or password", 135: "not authorised",
    136: "server unavailable", 138: "banned", 151: "quota exceeded",
}  # fmt: skip

_FAILURE = 0x80
_LENGTH_BYTES_MAX = 4
_SHORT_MAX = 0x7F
_U16 = struct.Struct(">H")
_RECEIVE_MAXIMUM_ID = 0x21
# Size of each property's value; -1 a string or binary, -2 a pair of strings, 0 a variable-length integer.
_PROPERTY_SIZES: Final = {
    0x01: 1, 0x02: 4, 0x03: -1, 0x08: -1, 0x09: -1, 0x0B: 0, 0x11: 4, 0x12: -1, 0x13: 2, 0x15: -1, 0x16: -1,
    0x17: 1, 0x18: 4, 0x19: 1, 0x1A: -1, 0x1C: -1, 0x1F: -1, 0x21: 2, 0x22: 2, 0x23: 2, 0x24: 1, 0x25: 1,
    0x26: -2, 0x27: 4, 0x28: 1, 0x29: 1, 0x2A: 1,
}  # fmt: skip


class MalformedPacketError(Exception):
    """The peer sent bytes that are no MQTT; the connection has to go."""


class Packet(NamedTuple):
    """One whole packet: its first byte and everything behind the remaining length."""

    first: int
    body: bytes


class Publish(NamedTuple):
    """An application message as it arrived."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    packet_id: int


class Connack(NamedTuple):
    """Answer to CONNECT."""

    reason: int
    receive_maximum: int


class Greeting(NamedTuple):
    """What CONNECT says; the will, if there is a topic for one, is retained and goes out at QoS 1."""

    client_id: str
    username: str
    password: str | None
    will_topic: str
    will_payload: bytes
    keepalive_s: int


def is_failure(reason: int) -> bool:
    """Whether a PUBACK's reason means that nobody got the message."""
    return reason >= _FAILURE or reason == NO_MATCHING_SUBSCRIBERS


def encode_length(length: int) -> bytes:
    """Remaining length as one to four bytes of seven bits, lowest first."""
    out = bytearray()
    while length > _SHORT_MAX:
        out.append(length & _SHORT_MAX | 0x80)
        length >>= 7
    out.append(length)
    return bytes(out)


def encode_connect(version: Version, greeting: Greeting) -> bytes:
    """CONNECT with a clean start and, where given, a retained will and a password."""
    empty = b"\x00" if version is Version.V5 else b""
    flags, fields = 0x80 | 0x02, [_text(greeting.client_id)]
    if greeting.will_topic:
        flags |= 0x20 | 0x08 | 0x04
        fields += [empty, _text(greeting.will_topic), _binary(greeting.will_payload)]
    fields.append(_text(greeting.username))
    if greeting.password is not None:
        flags |= 0x40
        fields.append(_text(greeting.password))
    head = b"\x00\x04MQTT" + bytes((version, flags)) + _U16.pack(greeting.keepalive_s) + empty
    return _packet(0x10, head + b"".join(fields))


def encode_subscribe(version: Version, packet_id: int, topics: tuple[str, ...]) -> bytes:
    """SUBSCRIBE to all topics at QoS 1."""
    empty = b"\x00" if version is Version.V5 else b""
    filters = b"".join(_text(topic) + b"\x01" for topic in topics)
    return _packet(0x82, _U16.pack(packet_id) + empty + filters)


def encode_publish(
    version: Version, topic: str, payload: bytes, *, packet_id: int = 0, retain: bool = False
) -> bytes:
    """PUBLISH: QoS 1 with a packet id, QoS 0 without one."""
    name = topic.encode()
    first = 0x31 if retain else 0x30
    middle = b""
    if packet_id:
        first |= 0x02
        middle = _U16.pack(packet_id)
    if version is Version.V5:
        middle += b"\x00"
    length = 2 + len(name) + len(middle) + len(payload)
    return b"".join((bytes((first,)), encode_length(length), _U16.pack(len(name)), name, middle, payload))


def encode_puback(packet_id: int) -> bytes:
    """PUBACK with success, the same bytes in both versions."""
    return b"\x40\x02" + _U16.pack(packet_id)


def split(data: bytes, limit_bytes: int) -> tuple[list[Packet], bytes]:
    """Cut a stream into whole packets and the rest that waits for more bytes."""
    packets: list[Packet] = []
    at, end = 0, len(data)
    while end - at > 1:
        length, start = _take_length(data, at + 1, end)
        if length > limit_bytes:
            message = f"packet of {length} bytes is over the limit of {limit_bytes}"
            raise MalformedPacketError(message)
        if start < 0 or start + length > end:
            break
        packets.append(Packet(data[at], data[start : start + length]))
        at = start + length
    return packets, data[at:]


def decode_connack(version: Version, body: bytes) -> Connack:
    """CONNACK's reason and, of its properties, the server's Receive Maximum."""
    _need(body, 2)
    receive_maximum = DEFAULT_RECEIVE_MAXIMUM
    if version is Version.V5 and len(body) > 2:  # noqa: PLR2004  # flags and reason
        receive_maximum = _properties(body, 2).get(_RECEIVE_MAXIMUM_ID, receive_maximum)
    return Connack(body[1], receive_maximum)


def decode_puback(body: bytes) -> tuple[int, int]:
    """Packet id and reason; the reason is left out for success."""
    _need(body, 2)
    return _U16.unpack_from(body)[0], body[2] if len(body) > 2 else 0  # noqa: PLR2004  # behind the packet id


def decode_suback(version: Version, body: bytes) -> tuple[int, ...]:
    """Reason of each topic filter."""
    _need(body, 3)
    start = _skip_properties(body, 2) if version is Version.V5 else 2
    return tuple(body[start:])


def decode_publish(version: Version, packet: Packet) -> Publish:
    """Take a PUBLISH apart; properties are skipped."""
    first, body = packet
    _need(body, 2)
    at = 2 + int(_U16.unpack_from(body)[0])
    topic, qos, packet_id = body[2:at].decode(), first >> 1 & 3, 0
    if qos:
        _need(body, at + 2)
        packet_id = _U16.unpack_from(body, at)[0]
        at += 2
    if version is Version.V5:
        at = _skip_properties(body, at)
    return Publish(topic, body[at:], qos, bool(first & 1), packet_id)


def _packet(first: int, body: bytes) -> bytes:
    return bytes((first,)) + encode_length(len(body)) + body


def _text(text: str) -> bytes:
    return _binary(text.encode())


def _binary(data: bytes) -> bytes:
    return _U16.pack(len(data)) + data


def _take_length(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Length and where it ends; (0, -1) while bytes are missing."""
    length = 0
    for place in range(_LENGTH_BYTES_MAX):
        if at + place >= end:
            return 0, -1
        byte = data[at + place]
        length |= (byte & _SHORT_MAX) << 7 * place
        if byte <= _SHORT_MAX:
            return length, at + place + 1
    message = "remaining length of more than four bytes"
    raise MalformedPacketError(message)


def _need(body: bytes, size: int) -> None:
    if len(body) < size:
        message = f"packet of {len(body)} bytes where {size} are needed"
        raise MalformedPacketError(message)


def _skip_properties(body: bytes, at: int) -> int:
    length, start = _take_length(body, at, len(body))
    _need(body, start + length if start >= 0 else at + 1)
    return start + length


def _properties(body: bytes, at: int) -> dict[int, int]:
    """Those properties whose value is a plain number of one, two or four bytes."""
    length, start = _take_length(body, at, len(body))
    _need(body, start + length if start >= 0 else at + 1)
    found: dict[int, int] = {}
    at, end = start, start + length
    while at < end:
        name, size = body[at], _property_size(body, at)
        if _PROPERTY_SIZES[name] > 0:
            found[name] = int.from_bytes(body[at + 1 : at + 1 + size], "big")
        at += 1 + size
    return found


def _property_size(body: bytes, at: int) -> int:
    size = _PROPERTY_SIZES.get(body[at])
    if size is None:
        message = f"unknown property 0x{body[at]:02x}"
        raise MalformedPacketError(message)
    if size > 0:
        return size
    if size == 0:
        return _take_length(body, at + 1, len(body))[1] - at - 1
    first = _string_size(body, at + 1)
    return first if size == -1 else first + _string_size(body, at + 1 + first)


def _string_size(body: bytes, at: int) -> int:
    _need(body, at + 2)
    return 2 + int(_U16.unpack_from(body, at)[0])
