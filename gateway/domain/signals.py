"""
Facts: everything that a vehicle, a person, a timer or the gateway itself can state about one vehicle.

Each fact knows two times: ``occurred_at`` by the vehicle's clock (None: unreadable or not stated) and
``received_at`` by ours. Facts are ordered by ``at``, so that no future stamp can freeze a car.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from msgspec import Struct

from gateway.domain.cases import CallOutcome, CaseAct

LATE = timedelta(seconds=300)
CLOCK_TOLERANCE = timedelta(seconds=300)
EARLIEST = datetime(2020, 1, 1, tzinfo=UTC)

Zone = Literal["door", "hood", "boot", "interior", "glass"]


class Position(Struct, frozen=True, omit_defaults=True, gc=False):
    """Where a vehicle says it is: degrees, metres."""

    latitude: float
    longitude: float
    accuracy_m: float | None = None


class Fact(Struct, frozen=True, kw_only=True, tag=str.lower, tag_field="fact", omit_defaults=True, gc=False):
    """What all facts have in common."""

    received_at: datetime
    occurred_at: datetime | None = None

    @property
    def clock_suspect(self) -> bool:
        """The vehicle's clock can't be right: far ahead of ours, before 2020, or unreadable."""
        stated = self.occurred_at
        return stated is None or stated < EARLIEST or stated > self.received_at + CLOCK_TOLERANCE

    @property
    def late(self) -> bool:
        """It arrived more than 300 s after the time that it states."""
        return self.occurred_at is not None and self.received_at - self.occurred_at > LATE

    @property
    def at(self) -> datetime:
        """The time that orders it: the vehicle's, never after arrival; arrival if the clock is suspect."""
        stated, received_at = self.occurred_at, self.received_at
        # Ahead by less than the tolerance or by more: either way it counts as of its arrival.
        if stated is None or stated > received_at or stated < EARLIEST:
            return received_at
        return stated


class Event(Fact, frozen=True, kw_only=True):
    """A fact that the vehicle keeps and repeats until its receipt arrives."""

    event_id: str
    boot_id: str | None = None
    seq: int | None = None


class TheftSensor(Event, frozen=True, kw_only=True):
    """A theft sensor triggered or went back to rest."""

    cause: str
    state: Literal["triggered", "restored"]
    zone: Zone | None = None
    active_for_s: float | None = None
    position: Position | None = None
    detail: str | None = None
    notes: tuple[str, ...] = ()
    """What was wrong with optional fields that were left out."""


class DriverCard(Event, frozen=True, kw_only=True):
    """One Driver Card was seen or has gone."""

    present: bool
    card_id: str
    battery: Literal["ok", "low"] | None = None


class DataBundle(Event, frozen=True, kw_only=True):
    """Status of the mobile-data bundle, in megabytes."""

    bundle_id: str | None = None
    used_mb: float | None = None
    total_mb: float | None = None
    valid_until: datetime | None = None
    auto_renew: bool | None = None
    renewal: Literal["none", "renewing", "failed"] | None = None
    hotspot: bool | None = None


class Mode(Event, frozen=True, kw_only=True):
    """What was set in the car itself."""

    private_mode: bool | None = None
    remote_access_enabled: bool | None = None


class Software(Event, frozen=True, kw_only=True):
    """Progress of a function or an update."""

    package_id: str
    kind: Literal["function", "update"]
    state: Literal["downloading", "downloaded", "waiting", "installing", "active", "failed", "removed"]
    blocked_by: tuple[str, ...] = ()
    detail: str | None = None


class Charging(Event, frozen=True, kw_only=True):
    """Plug and charging session."""

    connected: bool
    charging: bool
    evse_id: str | None = None
    token: str | None = None
    country: str | None = None


class CommandResult(Event, frozen=True, kw_only=True):
    """What became of a remote command."""

    command_id: str
    status: Literal["performed", "failed", "refused", "expired"]
    reason: str | None = None


class Connection(Fact, frozen=True, kw_only=True):
    """The vehicle is online, or its last will says that it has gone."""

    online: bool
    bearer: str | None = None
    source: str | None = None
    roaming: bool | None = None


class Movement(Fact, frozen=True, kw_only=True):
    """Telemetry states that the vehicle moves or stands. A statement of movement holds for 60 s."""

    moving: bool
    speed_km_h: float | None = None
    position: Position | None = None
    """Only where this very message states it."""
    odometer_m: float | None = None
    after_gap: bool = False
    """A message before it was lost: an ignition that was switched on since may not have been heard of."""


class Ignition(Fact, frozen=True, kw_only=True):
    """Telemetry states another ignition position than before."""

    on: bool


class Located(Fact, frozen=True, kw_only=True):
    """The newest position, handed over when an alarm may need it."""

    position: Position
    for_alarm: bool = False
    """A theft sensor speaks next: private mode does not keep the position from its alarm."""
    driven: bool = False
    """Stated while the car is driven: it tells where the car is now, and nothing of where it was left."""


class Unreadable(Fact, frozen=True, kw_only=True):
    """A theft-sensor payload that can't be decoded; stated once per distinct payload."""

    sha256: str
    reason: str
    event_id: str | None = None


class ForgedRepeat(Fact, frozen=True, kw_only=True):
    """An ``event_id`` came again with other content."""

    event_id: str
    kind: str
    sensor: TheftSensor | None = None
    """The other content, where it is a theft-sensor event."""


class Registration(Struct, frozen=True, omit_defaults=True):
    """What the registry knows of a vehicle."""

    vin: str
    country: str | None = None
    model: str | None = None
    main_user: str | None = None
    secondary_users: tuple[str, ...] = ()
    driver_cards: tuple[str, ...] = ()
    services: dict[str, dict[str, Any]] = {}
    contacts: tuple[dict[str, Any], ...] = ()
    consents: dict[str, bool] = {}
    security_code_key: dict[str, Any] | None = None
    soc: str = "default"
    equipment: tuple[str, ...] | None = None
    """What is built in; None: as the model has it."""
    language: str | None = None
    """In which its people are told; None: as its country speaks."""
    unavailable: dict[str, str] = {}
    """Services that this vehicle can't have, with the cause: worked out whenever the entry is read."""
    consented_at: dict[str, datetime] = {}
    """When each consent was given or taken back last."""


class RegistryAct(Fact, frozen=True, kw_only=True):
    """An act that may change the registry: it is decided on the entry as the store has it that moment."""


class Surveyed(RegistryAct, frozen=True, kw_only=True):
    """What follows from the registry entry is to be looked at: it has changed, or the program has."""


class Registered(Fact, frozen=True, kw_only=True):
    """The registry's entry for this vehicle is new or has changed (None: it was removed)."""

    registration: Registration | None


class Acknowledge(Fact, frozen=True, kw_only=True):
    """An operator has seen the alarm."""

    alarm_id: str
    by: str
    note: str | None = None


class Close(Fact, frozen=True, kw_only=True):
    """An operator is done with the alarm."""

    alarm_id: str
    by: str
    disposition: str
    note: str | None = None


class Place(Struct, frozen=True, omit_defaults=True):
    """A circle on the map: degrees, metres."""

    latitude: float
    longitude: float
    radius_m: float = 300
    derived: bool = False
    """Made from the vehicle's own last position, so it tells where the vehicle was."""


def names_another_owner(entry: Registration | None, user: str | None) -> bool:
    """
    Whether the registry says that somebody else is the vehicle's main user.

    A token that names nobody, or an entry without a main user, is no contradiction: there the token's binding
    to the vehicle counts.
    """
    return user is not None and entry is not None and entry.main_user not in {None, user}


class SetMode(Fact, frozen=True, kw_only=True):
    """A person asks for a special mode, or for a new end of a running one."""

    mode: str
    by: str
    role: str
    reason: str
    user: str | None = None
    duration_s: float | None = None
    place: Place | None = None
    needs_code: bool = False
    """The registry, read this moment, has a security code for the vehicle."""
    answered: bool = False
    """A challenge response came with it."""
    challenge: str | None = None
    """The challenge that the response fits; None: it fits none."""


class EndMode(Fact, frozen=True, kw_only=True):
    """A person ends a special mode."""

    mode: str
    by: str
    role: str
    user: str | None = None


class Challenged(Fact, frozen=True, kw_only=True):
    """A person was given a challenge, to prove that they know the security code."""

    challenge: str
    user: str
    purpose: str


class ActOnCase(Fact, frozen=True, kw_only=True):
    """A person acts on a case; which field belongs to which act stands in contract 7 and the API."""

    case_id: str
    act: CaseAct
    by: str
    role: str
    note: str | None = None
    contact: str | None = None
    place: int | None = None
    """Of the contact in the order of contacts, from 1."""
    outcome: CallOutcome | None = None
    reference: str | None = None
    """Of the call, or of the police."""
    disposition: str | None = None
    approval_key: str = ""
    """The same for the same call by another person."""


class TheftReport(Fact, frozen=True, kw_only=True):
    """A person reports the theft of a vehicle."""

    by: str
    role: str
    user: str | None = None
    note: str = ""
    approval_key: str = ""
    """The same for the same call by another person."""


class Blind(Fact, frozen=True, kw_only=True):
    """The gateway can't hear, store or deliver, and says what."""

    reasons: tuple[str, ...]


class Healthy(Fact, frozen=True, kw_only=True):
    """The gateway has been well for long enough to say so."""


class Tick(Fact, frozen=True, kw_only=True):
    """The time that the state asked to be woken at has come."""

    hearing_since: datetime | None = None
    """Since when the gateway itself has heard without a break; None: it is deaf, and no silence counts."""
    heard_at: datetime | None = None
    """When anything at all last arrived from the vehicle, plain telemetry included."""
    mass_loss: bool = False
    """Many vehicles fell silent at once: the single notes wait."""
    reachable: bool = False
    """Whether the gateway has its broker, so that a command can leave."""
