r"""
DC-09 frames: text to bytes and back. Pure but for the random filling of encrypted ones.

1. ``LF crc 0LLL "id"nnnn[Rr]Ll#account[content CR``. CRC and length are of what lies between the length and
   CR.
2. Content is ``data][X…][Y…]_time``. Encrypted (``*`` before the id) it is AES-CBC with a zero vector: 16 to
   31 random bytes before it, a ``|`` between them unless the data is empty, then as hex digits.
3. An answer repeats number and account. ``NAK`` may not: it is number 0000, never encrypted, and holds the
   receiver's time. What fails CRC or length is no answer.

Source: SIA DC-09 5.4 and 5.5; the CRC is that of DC-07, tried against two receivers of other authors.
"""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime
from typing import Any, Final

from msgspec import Struct

MAX_ANSWER: Final = 4096
KEY_DIGITS: Final = (32, 48, 64)
BLOCK: Final = 16
# Random filling must not look like the end of itself.
_FILLING: Final = bytes(set(range(256)) - set(b"[]|"))

_FRAME = re.compile(rb"\n?([0-9A-Fa-f]{4})0([0-9A-Fa-f]{3})(\".*)\r", re.DOTALL)
_BODY = re.compile(rb'"(\*?)([A-Z-]{3,8})"(\d{4})([^"\[\]]*)\[(.*)', re.DOTALL)
_ACCOUNT = re.compile(rb"#([0-9A-Fa-f]{1,16})\Z")
_TIME = re.compile(rb"_(\d\d):(\d\d):(\d\d),(\d\d)-(\d\d)-(\d{4})\Z")


class Address(Struct, frozen=True):
    """Who speaks: account, and numbers of receiver (empty: not sent) and line; all hex digits."""

    account: str
    receiver: str = ""
    line: str = "0"


class Frame(Struct, frozen=True):
    """One message as it is sent."""

    identity: str
    """``SIA-DCS``, ``ADM-CID`` or ``NULL``."""
    number: int
    """1 to 9999, the same for each try of a message."""
    address: Address
    data: str = ""
    extended: tuple[str, ...] = ()
    """Each with its letter, without brackets."""


class Answer(Struct, frozen=True):
    """What a receiver said."""

    identity: str
    number: int
    account: str | None
    at: datetime | None
    encrypted: bool

    def is_for(self, frame: Frame) -> bool:
        """Whether it answers this frame and not an earlier one."""
        if self.identity == "NAK" and self.number == 0:
            return True
        same = self.account is None or self.account.lstrip("0") == frame.address.account.lstrip("0")
        return self.number == frame.number and same


class BadAnswer(Exception):
    """These bytes are no answer; the text says why."""


def _row(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ (0xA001 if byte & 1 else 0)
    return byte


_CRC: Final = tuple(map(_row, range(256)))


def crc(data: bytes) -> int:
    """CRC-16, polynomial 0x8005 reflected, beginning with 0."""
    value = 0
    for byte in data:
        value = (value >> 8) ^ _CRC[(value ^ byte) & 0xFF]
    return value


def stamp(at: datetime) -> str:
    """A time as DC-09 writes it, in UTC."""
    at = at.astimezone(UTC)
    return f"{at:%H:%M:%S,%m-%d}-{at.year:04d}"


def encode(frame: Frame, now: datetime, key: bytes | None = None) -> bytes:
    """Write the frame, stamped ``now``; encrypted if there is a key of 16, 24 or 32 bytes."""
    address = frame.address
    receiver = f"R{address.receiver}" if address.receiver else ""
    star = "*" if key else ""
    head = f'"{star}{frame.identity}"{frame.number:04d}{receiver}L{address.line}#{address.account}['
    content = f"{frame.data}]{''.join(f'[{one}]' for one in frame.extended)}_{stamp(now)}".encode("ascii")
    body = head.encode("ascii") + (_sealed(content, key, filled=bool(frame.data)) if key else content)
    return b"\n%04X0%03X%s\r" % (crc(body), len(body), body)


def _sealed(content: bytes, key: bytes, *, filled: bool) -> bytes:
    if filled:
        content = b"|" + content
    length = BLOCK + -len(content) % BLOCK
    filling = bytes(secrets.choice(_FILLING) for _ in range(length))
    sealed: bytes = _cipher(key).encrypt(filling + content)
    return sealed.hex().upper().encode("ascii")


def _cipher(key: bytes) -> Any:
    # Loaded here: a gateway that encrypts nothing needs neither its time nor the library.
    from Crypto.Cipher import AES  # noqa: PLC0415

    # The zero vector is DC-09's; the random first block takes its part.
    return AES.new(key, AES.MODE_CBC, bytes(BLOCK))


def decode(received: bytes, key: bytes | None = None) -> Answer:
    """
    Read one answer, from LF (or CRC) to CR.

    Errors: BadAnswer.
    """
    frame = _FRAME.fullmatch(received)
    if frame is None:
        raise BadAnswer("no frame")
    body = frame[3]
    if int(frame[1], 16) != crc(body) or int(frame[2], 16) != len(body):
        raise BadAnswer("wrong CRC or length")
    parts = _BODY.fullmatch(body)
    if parts is None:
        raise BadAnswer("no message")
    account = _ACCOUNT.search(parts[4])
    encrypted = bool(parts[1])
    content = _opened(parts[5], key) if encrypted else parts[5]
    return Answer(
        identity=parts[2].decode("ascii"),
        number=int(parts[3]),
        account=account[1].decode("ascii").upper() if account else None,
        at=_time(content),
        encrypted=encrypted,
    )


def _opened(digits: bytes, key: bytes | None) -> bytes:
    if key is None:
        raise BadAnswer("encrypted, and there is no key")
    try:
        content: bytes = _cipher(key).decrypt(bytes.fromhex(digits.decode("ascii")))
    except ValueError as error:
        raise BadAnswer("not encrypted as it says") from error
    if b"]" not in content or _TIME.search(content) is None:
        raise BadAnswer("encrypted with another key")
    return content


def _time(content: bytes) -> datetime | None:
    found = _TIME.search(content)
    if found is None:
        return None
    hour, minute, second, month, day, year = map(int, found.groups())
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
