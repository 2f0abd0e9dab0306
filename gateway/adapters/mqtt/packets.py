"""The two packets that leave by the thousand, as bytes. Pure."""

from __future__ import annotations

from gateway.adapters.mqtt.splitter import MORE, PUBACK, PUBLISH, Version

MESSAGE_EXPIRY = 0x02
MAX_TOPIC_BYTES = 65_535
MAX_REMAINING = 268_435_455


def puback(mid: int) -> bytes:
    """The acknowledgement of a PUBLISH at QoS 1; without a reason code both versions read it as success."""
    return bytes((PUBACK, 2, mid >> 8, mid & 0xFF))


def properties(version: Version, expiry_s: int | None) -> bytes:
    """Properties of a PUBLISH; MQTT 3.1.1 has none."""
    if version != 5:  # noqa: PLR2004  # MQTT 5
        return b""
    if expiry_s is None:
        return b"\x00"
    return bytes((5, MESSAGE_EXPIRY)) + expiry_s.to_bytes(4, "big")


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
