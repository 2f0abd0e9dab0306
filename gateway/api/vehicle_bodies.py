"""Bodies of answers about vehicles, as the OpenAPI document shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import Struct

from gateway.api.alarm_bodies import SaidView
from gateway.api.mode_bodies import ModeView
from gateway.domain.alarms import AlarmState
from gateway.domain.arming import ArmingState
from gateway.domain.causes import Severity
from gateway.domain.offline import WhyOffline
from gateway.domain.services.connection import Note
from gateway.domain.services.data_bundle import BundleState
from gateway.domain.services.entitlements import CarSecurity
from gateway.domain.services.entitlements import Cause as ServiceCause
from gateway.ports import SignalValue


class CardView(Struct, frozen=True):
    """One Driver Card as last stated."""

    card_id: str
    present: bool
    since: datetime
    counts: bool
    """Whether it proves a driver: the registry lists it, or lists none."""
    battery: Literal["ok", "low"] | None = None
    flaps: int = 0
    """How often it was gone for less than the grace time."""


class DriverCardView(Struct, frozen=True):
    """Whether a counting card is present, and every card stated."""

    present: bool
    cards: list[CardView]
    flaps: int = 0
    battery: Literal["ok", "low"] | None = None
    """``low`` if a counting card states so."""


class StackedBundleView(Struct, frozen=True):
    """One of several bundles."""

    bundle_id: str
    state: BundleState
    used_mb: float | None
    total_mb: float | None
    valid_until: datetime | None
    failed_renewals: int


class WholeBundleView(Struct, frozen=True):
    """All bundles as one: over only when the last is. ``stack`` is in the order of use."""

    state: BundleState
    used_mb: float | None
    total_mb: float | None
    valid_until: datetime | None
    stack: list[StackedBundleView]


class BundleView(Struct, frozen=True):
    """The mobile-data bundle as last stated, and all bundles as one."""

    state: BundleState
    bundle_id: str | None
    used_mb: float | None
    total_mb: float | None
    valid_until: datetime | None
    auto_renew: bool | None
    renewal: str | None
    hotspot: bool | None
    whole: WholeBundleView | None = None


class ConnectionView(Struct, frozen=True):
    """How the vehicle is connected, as last stated."""

    online: bool
    bearer: str | None
    source: str | None
    roaming: bool | None
    at: datetime
    notes: list[Note] = []
    """What can't be together, or is not known; nothing is decided by it."""


class OpenAlarmView(Struct, frozen=True):
    """An alarm that is not closed. Only the SOC sees it: theft alarms are silent."""

    alarm_id: str
    cause: str
    severity: Severity
    state: AlarmState
    raised_at: datetime
    count: int


class ServiceView(Struct, frozen=True):
    """One service: whether it may be used now, and if not, why."""

    active: bool
    cause: ServiceCause | None
    from_at: datetime | None
    until: datetime | None


class VehicleView(Struct, frozen=True, kw_only=True):
    """
    What is known of a vehicle.

    ``null`` means not known. Signals are left out in private mode; position signals are there only where the
    caller may see them.
    """

    vin: str
    registered: bool
    online: bool | None
    why_offline: WhyOffline | None
    why_offline_evidence: str | None
    """The sentence that an operator can read out."""
    why_offline_said: list[SaidView]
    """The same as codes and values; empty where there is no sentence."""
    armed: bool | None
    arming: ArmingState | None
    stolen: bool | None
    signals: dict[str, SignalValue]
    driver_card: DriverCardView | None
    data_bundle: BundleView
    modes: list[ModeView]
    service: CarSecurity
    services: dict[str, ServiceView]
    heard_at: datetime | None
    connection: ConnectionView | None
    private_mode: bool | None
    remote_access_enabled: bool | None
    country: str | None
    model: str | None
    position_shown: Literal["no", "case", "break_glass", "consent"]
    case_id: str | None
    alarms: list[OpenAlarmView]


class VehicleLine(Struct, frozen=True):
    """One vehicle in a list."""

    vin: str
    registered: bool
    online: bool | None
    service: CarSecurity
    heard_at: datetime | None
    country: str | None
    model: str | None
    armed: bool | None = None
    why_offline: WhyOffline | None = None


class VehiclePage(Struct, frozen=True):
    """Vehicles in the order of their VINs; ``next_after`` is a VIN."""

    items: list[VehicleLine]
    next_after: str | None
