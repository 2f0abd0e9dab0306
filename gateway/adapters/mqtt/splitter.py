"""
Takes a stream of MQTT bytes apart in one loop. Pure: bytes in, messages out.

Only what comes by the thousand is decoded here: PUBLISH at QoS 0 and 1, and PUBACK. Every other packet is cut
out whole, for the library. Lengths that do not fit end the connection: nothing behind them can be trusted.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Version = Literal[5, 3]

PUBLISH, PUBACK = 0x30, 0x40
QOS_BITS, QOS_TOO_HIGH, RETAIN_BIT = 0x06, 0x06, 0x01
TYPE_AND_HIGH_QOS = 0xF4
MORE = 0x80
"""In a length: another byte follows."""
MAX_LENGTH_BYTES = 4
SHORTEST = 2
"""A body that is longer has more than the length of its topic."""
TYPE_BITS, REASON_AT = 0xF0, 2


class Received(Struct, frozen=True, gc=False):
    """One PUBLISH as it came."""

    topic: str
    payload: bytes
    retained: bool = False
    mid: int = 0
    qos: int = 0
    properties: bytes = b""
    """MQTT 5, with their length; empty where there are none."""


class Malformed(ConnectionError):
    """The stream breaks the protocol. A ConnectionError, because that is what ends a connection cleanly."""


class Split(Struct, gc=False):
    """What whole packets there were, each kind in the order of arrival."""

    messages: list[Received]
    answers: list[tuple[int, int]]
    """Of each PUBACK: the number, the reason code."""
    others: bytearray
    """All other packets, as they came."""


class Splitter:
    """Keeps the part of a packet that has come so far."""

    def __init__(self, version: Version) -> None:
        self._has_properties = version == 5  # noqa: PLR2004  # MQTT 5
        self._begun = bytearray()
        self._wanted = 0

    def feed(self, data: bytes) -> Split:
        """
        Take the next bytes.

        Errors:  Malformed; then the connection must end.
        """
        split = Split([], [], bytearray())
        if self._begun:
            self._begun += data
            if len(self._begun) < self._wanted:  # a long packet is not copied again for each of its parts
                return split
            data = bytes(self._begun)
        self._wanted = 0
        try:
            at = self._split(data, split)
        except UnicodeDecodeError as error:
            raise Malformed("a topic that is not UTF-8") from error
        self._begun = bytearray(data[at:])
        return split

    def _split(self, data: bytes, split: Split) -> int:
        """
        Take the whole packets; where the first begins that is not whole.

        What nearly all are, a PUBLISH at QoS 0 without properties whose lengths fit, is taken here and not in
        ``_publish``: a call for each would cost a third more.
        """
        at, size = 0, len(data)
        publish, keep, properties = self._publish, split.messages.append, int(self._has_properties)
        while size - at > 1:
            first, length, begin = data[at], data[at + 1], at + 2
            if length >= MORE:
                if size - at > 2 and data[begin] < MORE:  # noqa: PLR2004  # two bytes, as nearly always
                    length, begin = length & ~MORE | data[begin] << 7, at + 3
                else:
                    length, begin = _length(data, at + 1, size)
                    if not begin:
                        break
            end = begin + length
            if end > size:
                self._wanted = end - at
                break
            if first == PUBLISH and length > SHORTEST:
                topic_at = begin + 2
                topic_end = topic_at + (data[begin] << 8 | data[begin + 1])
                payload_at = topic_end + properties
                if topic_at < topic_end and payload_at <= end and not (properties and data[topic_end]):
                    keep(Received(data[topic_at:topic_end].decode(), data[payload_at:end]))
                else:
                    keep(publish(first, data, begin, end))
            elif first & TYPE_AND_HIGH_QOS == PUBLISH:
                keep(publish(first, data, begin, end))
            else:
                _rare(split, data, at, begin, end)
            at = end
        return at

    def _publish(self, first: int, data: bytes, at: int, end: int) -> Received:
        topic_at = at + 2
        if topic_at > end:
            raise Malformed("a PUBLISH without a topic")
        at = topic_end = topic_at + (data[at] << 8 | data[at + 1])
        qos = mid = 0
        if first & QOS_BITS:
            qos, at = 1, at + 2
        if at > end:
            raise Malformed("a PUBLISH that ends before its topic or number")
        if qos:
            mid = data[at - 2] << 8 | data[at - 1]
        if topic_end == topic_at or (qos and not mid):
            raise Malformed("a PUBLISH with an empty topic or the number 0")
        properties = b""
        if self._has_properties:
            begin, at = at, at + 1 if at < end and data[at] == 0 else _after_properties(data, at, end)
            if at > begin + 1:
                properties = data[begin:at]
        topic = data[topic_at:topic_end].decode()
        return Received(topic, data[at:end], first & RETAIN_BIT == RETAIN_BIT, mid, qos, properties)


def _rare(split: Split, data: bytes, at: int, begin: int, end: int) -> None:
    """A packet that is no message."""
    first = data[at]
    if first == PUBACK:
        split.answers.append(_puback(data, begin, end))
    elif first & TYPE_BITS == PUBLISH and first & QOS_BITS == QOS_TOO_HIGH:
        raise Malformed("a PUBLISH at QoS 3")
    else:
        split.others += data[at:end]


def _length(data: bytes, at: int, end: int) -> tuple[int, int]:
    """A length of one to four bytes, and where it ends; 0 if it goes on beyond ``end``."""
    length = 0
    for count in range(MAX_LENGTH_BYTES):
        if at + count >= end:
            return 0, 0
        byte = data[at + count]
        length |= (byte & ~MORE) << (7 * count)
        if byte < MORE:
            return length, at + count + 1
    raise Malformed("a length of more than four bytes")


def _after_properties(data: bytes, at: int, end: int) -> int:
    """Where the properties end."""
    length, begin = _length(data, at, end)
    if begin == 0 or begin + length > end:
        raise Malformed("properties that are longer than their packet")
    return begin + length


def _puback(data: bytes, at: int, end: int) -> tuple[int, int]:
    if end - at < REASON_AT:
        raise Malformed("a PUBACK without a number")
    code = data[at + REASON_AT] if end - at > REASON_AT else 0
    return data[at] << 8 | data[at + 1], code
