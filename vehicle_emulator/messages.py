"""
What a vehicle says, written by hand from the interface contract, version 1, section 3.

Deliberately not the gateway's own types: a second hand that writes the same format finds the other's
mistakes. Optional fields that are None are left out; times are RFC 3339 in UTC with milliseconds.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, Final

import msgspec

TELEMETRY: Final = "telemetry"
CONNECTION: Final = "connection"
THEFT_SENSOR: Final = "theft-sensor"
DRIVER_CARD: Final = "driver-card"
DATA_BUNDLE: Final = "data-bundle"
MODE: Final = "mode"
SOFTWARE: Final = "software"
CHARGING: Final = "charging"
RESULT: Final = "remote-access/result"
RECEIPT: Final = "receipt"
COMMAND: Final = "remote-access/command"
PACKAGE: Final = "software/package"

EVENT_KINDS: Final = (THEFT_SENSOR, DRIVER_CARD, DATA_BUNDLE, MODE, SOFTWARE, CHARGING, RESULT)
HEARD_KINDS: Final = (RECEIPT, COMMAND, PACKAGE)
# Causes that a vehicle states itself.
THEFT_CAUSES: Final = (
    "unauthorised_movement", "tilt", "car_alarm", "intrusion", "ignition_on_armed", "tamper",
    "battery_disconnect", "jamming_gsm", "jamming_gnss", "hold_up",
)  # fmt: skip
ZONES: Final = ("door", "hood", "boot", "interior", "glass")
WILL: Final = b'{"online":false}'

Value = bool | int | float | str


class Message(msgspec.Struct, frozen=True, gc=False):
    """One thing to publish; an event carries its id and what a ledger wants to know of it."""

    kind: str
    payload: bytes
    event_id: str = ""
    cause: str | None = None
    state: str | None = None


class Position(msgspec.Struct, frozen=True, gc=False):
    """Where a sensor triggered."""

    latitude: float
    longitude: float
    accuracy_m: int


class _Told(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Fields that every event carries (2.1)."""

    event_id: str
    occurred_at: str
    boot_id: str
    seq: int


class TheftSensor(_Told, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """3.2."""

    cause: str
    state: str
    zone: str | None = None
    active_for_s: int | None = None
    position: Position | None = None
    detail: str | None = None


class DriverCard(_Told, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """3.3."""

    present: bool
    card_id: str
    battery: str


class DataBundle(_Told, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """3.4."""

    bundle_id: str
    used_mb: int
    total_mb: int
    valid_until: str
    auto_renew: bool
    renewal: str
    hotspot: bool


class Mode(_Told, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """3.5."""

    private_mode: bool | None = None
    remote_access_enabled: bool | None = None


class Software(_Told, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """3.7."""

    package_id: str
    package_kind: str = msgspec.field(name="kind")
    state: str
    blocked_by: tuple[str, ...] | None = None
    detail: str | None = None


class Charging(_Told, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """3.8."""

    connected: bool
    charging: bool
    evse_id: str | None = None
    token: str | None = None
    country: str | None = None


class Result(_Told, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """4.3."""

    command_id: str
    status: str
    reason: str | None = None


class Telemetry(msgspec.Struct, frozen=True, gc=False):
    """3.1."""

    occurred_at: str
    seq: int
    signals: dict[str, Value]


class Connection(msgspec.Struct, frozen=True, gc=False):
    """3.6."""

    online: bool
    bearer: str | None
    source: str | None
    roaming: bool
    at: str


class Rejection(msgspec.Struct, frozen=True):
    """An event that the gateway will never take, and why."""

    event_id: str
    reason: str = ""


class Receipt(msgspec.Struct, frozen=True):
    """2.1: these events are durably recorded."""

    event_ids: tuple[str, ...] = ()
    rejected: tuple[Rejection, ...] = ()


class Command(msgspec.Struct, frozen=True):
    """4.2. Without its counter or a time with an offset it is none."""

    command_id: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    action: str
    expires_at: Annotated[datetime, msgspec.Meta(tz=True)]
    counter: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    issued_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    params: dict[str, Any] = {}


class Package(msgspec.Struct, frozen=True):
    """3.7, downwards: a booked package to download."""

    package_id: str
    kind: str = "function"


encode = msgspec.json.Encoder(order=None).encode
decode_receipt = msgspec.json.Decoder(Receipt).decode
decode_command = msgspec.json.Decoder(Command).decode
decode_package = msgspec.json.Decoder(Package).decode


def rfc3339(at_ms: int) -> str:
    """Milliseconds since the epoch as the contract writes a time."""
    minutes, rest_ms = divmod(at_ms, 60_000)
    return f"{_minute(minutes)}{rest_ms // 1_000:02d}.{rest_ms % 1_000:03d}Z"


@lru_cache(maxsize=4_096)
def _minute(minutes: int) -> str:
    return datetime.fromtimestamp(minutes * 60, UTC).strftime("%Y-%m-%dT%H:%M:")
