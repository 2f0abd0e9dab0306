"""The two packets that leave by the thousand, as bytes. Pure."""

from __future__ import annotations

from gateway.adapters.mqtt.splitter import MORE, PUBACK, PUBLISH, Version
from gateway.ports import Reply

MESSAGE_EXPIRY = 0x02
RESPONSE_TOPIC, CORRELATION_DATA = 0x08, 0x09
MAX_CORRELATION = 256
_FIXED_BYTES = {0x01: 1, MESSAGE_EXPIRY: 4, 0x23: 2}
_TEXTS = {0x03: 1, RESPONSE_TOPIC: 1, CORRELATION_DATA: 1, 0x26: 2}
"""Properties of a PUBLISH: the size of some, and how many texts with a length of two bytes the others are."""
MAX_TOPIC_BYTES = 65_535
MAX_REMAINING = 268_435_455


def puback(mid: int) -> bytes:
    """The acknowledgement of a PUBLISH at QoS 1; without a reason code both versions read it as success."""
    return bytes((PUBACK, 2, mid >> 8, mid & 0xFF))


def properties(version: Version, expiry_s: int | None, reply: Reply | None = None) -> bytes:
    """Properties of a PUBLISH; MQTT 3.1.1 has none."""
    if version != 5:  # noqa: PLR2004  # MQTT 5
        return b""
    found = b"" if expiry_s is None else bytes((MESSAGE_EXPIRY,)) + expiry_s.to_bytes(4, "big")
    if reply is not None and reply.topic is not None:
        found += _binary(RESPONSE_TOPIC, reply.topic.encode())
    if reply is not None and reply.correlation is not None:
        found += _binary(CORRELATION_DATA, reply.correlation)
    return _length(len(found)) + found


def correlation(properties: bytes) -> bytes | None:
    """
    The correlation data among the properties of a PUBLISH, which begin with their length.

    None if there is none, too much of it, or nothing that can be read.
    """
    at = 1
    while at < len(properties) and properties[at - 1] >= MORE:
        at += 1
    while at < len(properties):
        name, end = properties[at], at + 1
        if name in _FIXED_BYTES:
            end += _FIXED_BYTES[name]
        elif name in _TEXTS:
            for _ in range(_TEXTS[name]):
                end += 2 + int.from_bytes(properties[end : end + 2], "big")
        else:
            return None
        if name == CORRELATION_DATA:
            fits = end <= len(properties) and end - at - 3 <= MAX_CORRELATION
            return properties[at + 3 : end] if fits else None
        at = end
    return None


def _binary(name: int, data: bytes) -> bytes:
    return bytes((name,)) + len(data).to_bytes(2, "big") + data


def publish(  # the names say it
    topic: str, payload: bytes, *, qos: int, retain: bool, mid: int, properties: bytes
) -> bytes:
    """
    One PUBLISH at QoS 0 or 1.

    Errors:  ValueError for a topic that can't be published to, or too much of anything.
    """
    name = topic.encode()
    if not name or b"+" in name or b"#" in name or len(name) > MAX_TOPIC_BYTES:
        raise ValueError(f"not a topic to publish to: {topic!r}")
    number = mid.to_bytes(2, "big") if qos else b""
    length = _length(2 + len(name) + len(number) + len(properties) + len(payload))
    first = bytes((PUBLISH | qos << 1 | retain,))
    return b"".join((first, length, len(name).to_bytes(2, "big"), name, number, properties, payload))


def _length(length: int) -> bytes:
    if length < MORE:
        return bytes((length,))
    if length > MAX_REMAINING:
        raise ValueError("a packet of more than 256 MiB")
    coded = bytearray()
    while length >= MORE:
        coded.append(length & ~MORE & 0xFF | MORE)
        length >>= 7
    coded.append(length)
    return bytes(coded)
