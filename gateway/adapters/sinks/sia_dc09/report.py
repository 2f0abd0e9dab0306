"""
A feed message as the content of a DC-09 frame. Pure.

1. Only printable ASCII leaves: receivers differ in the encoding they take, and a wrong guess costs the CRC.
2. A frame stays below 1,000 bytes even encrypted: some receivers read no more at once. The text gives way.
3. The number follows from the feed's sequence, so each try of a message, also after a restart, has the same
   one and the receiver can drop repeats. What stands in no feed takes its number from its content.
"""

from __future__ import annotations

import unicodedata
import zlib
from datetime import datetime
from typing import Final, Literal

import msgspec
from msgspec import Struct

from gateway.adapters.sinks.sia_dc09.accounts import Accounts, Place
from gateway.adapters.sinks.sia_dc09.codes import Spoken, spoken
from gateway.adapters.sinks.sia_dc09.frame import Address, Frame, stamp
from gateway.ports import Message

Protocol = Literal["SIA-DCS", "ADM-CID"]
Letter = Literal["H", "I", "X", "Y"]

NUMBERS: Final = 9999
MAX_TEXT: Final = 200
MAX_WHO: Final = 48

# Brackets, bars and circumflexes end a field of DC-09 or DC-03, a quotation mark the id, a solidus a packet.
_HARMLESS: Final = str.maketrans({"[": "(", "]": ")", "|": "-", "^": "'", '"': "'", "/": "-", "*": "+"})


class SeenPosition(Struct, frozen=True):
    """Degrees."""

    latitude: float
    longitude: float


class SeenEvidence(Struct, frozen=True):
    """Why the alarm was raised."""

    text: str = ""


class SeenData(Struct, frozen=True):
    """What a receiver is told of ``data``."""

    vin: str | None = None
    alarm_id: str = ""
    cause: str = "unknown"
    state: str = "open"
    occurred_at: datetime | None = None
    received_at: datetime | None = None
    clock_suspect: bool = False
    late: bool = False
    count: int = 1
    position: SeenPosition | None = None
    note: str | None = None
    disposition: str | None = None
    evidence: tuple[SeenEvidence, ...] = ()
    test: bool = False


class Seen(Struct, frozen=True):
    """The envelope."""

    subject: str = ""
    data: SeenData = SeenData()


_decode = msgspec.json.Decoder(Seen).decode


def report(
    message: Message, accounts: Accounts, address: Address, protocol: Protocol, letters: frozenset[Letter]
) -> Frame:
    """
    Write a message of the feed as a frame without its time.

    Errors: msgspec.MsgspecError, UnicodeDecodeError: the message is none of ours.
    """
    seen = _decode(message.body)
    data = seen.data
    place = accounts.of(data.vin)
    code = spoken(message.type, data.cause, state=data.state, note=data.note, test=data.test)
    content = _dcs(place, code, seen) if protocol == "SIA-DCS" else _contact_id(place, code)
    return Frame(
        identity=protocol,
        number=number_of(message),
        address=msgspec.structs.replace(address, account=place.account),
        data=content,
        extended=_extended(message, data, letters),
    )


def link_test(number: int, address: Address) -> Frame:
    """``NULL``: says nothing but that the way is open."""
    return Frame("NULL", number, address)


def number_of(message: Message) -> int:
    """1 to 9999."""
    counted = message.sequence - 1 if message.sequence else zlib.crc32(message.body)
    return counted % NUMBERS + 1


def _dcs(place: Place, code: Spoken, seen: Seen) -> str:
    area = f"ri{place.area}/" if place.area else ""
    who = plain(f"{seen.data.vin or seen.subject} {seen.data.cause}", MAX_WHO)
    return f"#{place.account}|N{area}{code.sia}{code.zone:04d}^{who}^"


def _contact_id(place: Place, code: Spoken) -> str:
    return f"#{place.account}|{code.qualifier}{code.contact_id:03d} {place.area % 100:02d} {code.zone:03d}"


def _extended(message: Message, data: SeenData, letters: frozenset[Letter]) -> tuple[str, ...]:
    at = data.received_at if data.clock_suspect else data.occurred_at
    found: dict[Letter, str | None] = {
        "H": _stamp(at),
        "I": plain(_text(message, data), MAX_TEXT),
        "X": _longitude(data.position),
        "Y": _latitude(data.position),
    }
    return tuple(f"{letter}{text}" for letter, text in found.items() if text and letter in letters)


def _text(message: Message, data: SeenData) -> str:
    """What an operator reads: who, what, which alarm, and the last reason."""
    kind = message.type.rpartition(".")[2]
    words = [data.vin, data.cause, kind, f"alarm {data.alarm_id}"]
    words += [f"no {message.sequence}"] if message.sequence else []
    words += [f"x{data.count}"] if data.count > 1 else []
    words += ["late"] if data.late else []
    words += [data.note, data.disposition]
    words += [data.evidence[-1].text] if data.evidence else []
    return " ".join(filter(None, words))


def plain(text: str, longest: int) -> str:
    """Printable ASCII that ends no field; accents go, other letters become ``?``."""
    apart = unicodedata.normalize("NFKD", text[: 4 * longest])
    bare = "".join(one for one in apart if not unicodedata.combining(one)).translate(_HARMLESS)
    shown = "".join(one if one.isprintable() else " " for one in bare).encode("ascii", "replace")
    return " ".join(shown.decode("ascii").split())[:longest].rstrip()


def _stamp(at: datetime | None) -> str | None:
    try:
        return None if at is None or at.tzinfo is None else stamp(at)
    except OverflowError:  # a vehicle's clock at the edge of the calendar
        return None


def _longitude(position: SeenPosition | None) -> str | None:
    if position is None or not abs(position.longitude) <= 180:  # noqa: PLR2004  # degrees; NaN is not
        return None
    return _degrees(position.longitude, "EW", 3)


def _latitude(position: SeenPosition | None) -> str | None:
    if position is None or not abs(position.latitude) <= 90:  # noqa: PLR2004  # degrees; NaN is not
        return None
    return _degrees(position.latitude, "NS", 2)


def _degrees(value: float, sides: str, digits: int) -> str:
    """Degrees, side, and minutes to a thousandth: ``093W23.456``."""
    thousandths = round(abs(value) * 60_000)
    degrees, minutes = divmod(thousandths, 60_000)
    return f"{degrees:0{digits}d}{sides[value < 0]}{minutes // 1000:02d}.{minutes % 1000:03d}"
