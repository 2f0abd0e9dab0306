"""Bodies of requests and answers, as the OpenAPI document shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from gateway.domain.alarms import AlarmState
from gateway.domain.arming import ArmingState
from gateway.domain.causes import CauseClass, Severity
from gateway.domain.offline import WhyOffline
from gateway.domain.reasons import Code
from gateway.domain.services.connection import Note
from gateway.domain.services.data_bundle import BundleState
from gateway.domain.services.entitlements import CarSecurity
from gateway.domain.services.entitlements import Cause as ServiceCause
from gateway.domain.services.special_modes import MAX_RADIUS_M, MIN_RADIUS_M
from gateway.ports import DeliveryState, SignalValue

# -- requests ---------------------------------------------------------------------------------------------

Disposition = Literal[
    "theft_confirmed",
    "attempt",
    "user_error_card",
    "user_error_mode",
    "workshop",
    "transport",
    "battery",
    "radio_fault",
    "test",
    "recovered",
    "duplicate",
    "unknown",
]
NoteText = Annotated[str, Meta(max_length=2000, description="Free text, kept with the alarm.")]


class AcknowledgeBody(Struct, frozen=True):
    """An operator has seen the alarm."""

    note: NoteText | None = None


class CloseBody(Struct, frozen=True):
    """An operator is done with the alarm, and says what it was."""

    disposition: Disposition
    note: NoteText | None = None


# -- alarms -----------------------------------------------------------------------------------------------


class SaidView(Struct, frozen=True):
    """A sentence as a code and its values, for readers of other languages."""

    code: str
    values: dict[str, str] = {}


class EvidenceView(Struct, frozen=True):
    """Why, as one or a few sentences; ``said`` is the same in parts, empty in what was stored before."""

    text: str
    event_id: str | None = None
    at: datetime | None = None
    said: list[SaidView] = []


class PositionView(Struct, frozen=True):
    """Last known position: degrees, metres."""

    latitude: float
    longitude: float
    accuracy_m: float | None
    at: datetime


class StoredView(Struct, frozen=True, kw_only=True):
    """An alarm as its newest message says it: ``data`` of the feed."""

    sequence: int | None
    recorded: bool = True
    soc: str
    alarm_id: str
    case_id: str | None = None
    vin: str | None
    registered: bool = False
    service: CarSecurity = "none"
    cause: str
    cause_class: CauseClass = field(name="class")
    severity: Severity
    state: AlarmState
    silent: bool
    occurred_at: datetime
    received_at: datetime
    raised_at: datetime
    late: bool = False
    clock_suspect: bool = False
    count: int
    position: PositionView | None = None
    suppressed_by: str | None = None
    note: str | None = None
    acknowledged_by: str | None = None
    disposition: str | None = None
    evidence: list[EvidenceView] = []


class AlarmView(StoredView, frozen=True, kw_only=True):
    """An alarm with all its triggers and where it stands in its feed."""

    event_ids: list[str]
    first_sequence: int
    last_sequence: int


class AlarmPage(Struct, frozen=True):
    """Alarms in the order of their first sequence."""

    items: list[AlarmView]
    next_after: int | None


# -- special modes and the track ----------------------------------------------------------------------------

LONGEST_S = 7 * 24 * 3600


class PlaceBody(Struct, frozen=True):
    """A circle: degrees, metres."""

    latitude: Annotated[float, Meta(ge=-90, le=90)]
    longitude: Annotated[float, Meta(ge=-180, le=180)]
    radius_m: Annotated[float, Meta(ge=MIN_RADIUS_M, le=MAX_RADIUS_M)] = 300


class ModeBody(Struct, frozen=True):
    """What a mode is set for. Without a place it is around the vehicle's position, if that is fresh."""

    duration_s: Annotated[float, Meta(ge=1, le=LONGEST_S)] | None = None
    reason: Annotated[str, Meta(max_length=500)] = ""
    place: PlaceBody | None = None
    challenge_response: Annotated[str, Meta(max_length=256)] | None = None


class PlaceView(Struct, frozen=True):
    """A circle: degrees, metres."""

    latitude: float
    longitude: float
    radius_m: float


class ModeView(Struct, frozen=True, kw_only=True):
    """
    One special mode. ``mode_id`` is null while it is only asked for.

    A place that was made from the vehicle's position is shown only to those who may see that position.
    """

    mode_id: str | None
    mode: str
    status: Literal["pending", "running", "ended"]
    starts_at: datetime | None
    ends_at: datetime | None
    place: PlaceView | None
    set_by: str
    reason: str
    requested_by: str | None
    ended_at: datetime | None
    ended_why: str | None


class ModePage(Struct, frozen=True):
    """Running modes and requests first, then past ones, newest first."""

    items: list[ModeView]
    next_after: int | None


class ChallengeBody(Struct, frozen=True):
    """What the security code is to be proven for."""

    purpose: Literal["unlock", "special_mode", "transfer"]


class ChallengeView(Struct, frozen=True):
    """Answer with hex HMAC-SHA-512 of ``challenge|user|VIN|purpose`` under the key that the code gives."""

    challenge: str
    salt: str
    rounds: int
    expires_at: datetime


class TrackPoint(Struct, frozen=True):
    """One position: degrees, metres."""

    n: int
    case_id: str
    at: datetime
    latitude: float
    longitude: float
    accuracy_m: float | None


class TrackPage(Struct, frozen=True):
    """Positions in the order in which they came."""

    items: list[TrackPoint]
    next_after: int | None


# -- remote access ------------------------------------------------------------------------------------------

CommandStatus = Literal["refused", "accepted", "sent", "performed", "failed", "expired", "unknown"]


class CommandAnswer(Struct, frozen=True):
    """
    The answer to a request: ``accepted`` with its ``command_id``, or ``refused`` with the first reason.

    What becomes of a command is read from ``GET /commands/{command_id}``, or heard on the response topic.
    """

    request_id: str | None
    command_id: str | None
    status: CommandStatus
    reason: str | None = None


class PendingView(Struct, frozen=True):
    """The same call by another person within ten minutes executes it."""

    approval_id: str
    approval: Literal["pending"] = "pending"


class CommandView(Struct, frozen=True, kw_only=True):
    """A command as it stands. ``unknown``: sent, and nothing was heard of it in time."""

    command_id: str
    request_id: str
    vin: str
    action: str
    status: CommandStatus
    reason: str | None
    issued_at: datetime
    expires_at: datetime
    changed_at: datetime


class TheftReportBody(Struct, frozen=True):
    """What the person adds."""

    note: Annotated[str, Meta(max_length=500)] = ""


class TheftReported(Struct, frozen=True):
    """The theft is reported; the alarm's id is for the SOC."""

    status: Literal["reported"]
    alarm_id: str | None


class ApprovalView(Struct, frozen=True):
    """An act that waits for a second person."""

    approval_id: str
    what: str
    asked_by: str
    asked_at: datetime
    expires_at: datetime


class ApprovalPage(Struct, frozen=True):
    """What waits for one vehicle, oldest first."""

    items: list[ApprovalView]
    next_after: int | None


# -- vehicles ---------------------------------------------------------------------------------------------


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


class CertifyBody(Struct, frozen=True):
    """How the installation was checked."""

    method: Literal["installation_check", "test_alarm"]
    note: Annotated[str, Meta(max_length=500)] = ""


class CertificateView(Struct, frozen=True):
    """A certificate of car security."""

    number: str
    vin: str
    valid_from: datetime | None
    valid_until: datetime
    certified_by: str | None
    sha256: str


class UnprotectedReason(Struct, frozen=True):
    """One reason, and when it holds; null: already, or with no end that is known."""

    code: Code
    severity: Severity
    text: str
    from_at: datetime | None
    until_at: datetime | None
    detail: str | None


class UnprotectedLine(Struct, frozen=True):
    """A car that is not protected; ``severity`` is that of its worst reason."""

    vin: str
    severity: Severity
    reasons: list[UnprotectedReason]
    service: CarSecurity
    country: str | None
    model: str | None
    soc: str | None


class UnprotectedPage(Struct, frozen=True):
    """Worst first, then by VIN; ``next_after`` goes into ``after``."""

    items: list[UnprotectedLine]
    next_after: str | None


# -- control ----------------------------------------------------------------------------------------------


class AuditLine(Struct, frozen=True):
    """Who did what to what; ``hash`` chains it to the entry before."""

    n: int
    at: str
    actor: str
    action: str
    subject: str
    details: dict[str, Any]
    hash: str


class AuditPage(Struct, frozen=True):
    """Audit entries, oldest first."""

    items: list[AuditLine]
    next_after: int | None


class QuarantineLine(Struct, frozen=True):
    """A payload that could not be decoded: its first 4 KiB as text, and how often it came."""

    n: int
    topic: str
    sha256: str
    reason: str
    payload: str
    count: int
    vin: str | None = None
    first_at: str | None = None
    last_at: str | None = None


class QuarantinePage(Struct, frozen=True):
    """Quarantined payloads, oldest first."""

    items: list[QuarantineLine]
    next_after: int | None


class DeliveryLine(Struct, frozen=True):
    """One message on its way to one sink."""

    id: int
    sink: str
    soc: str
    sequence: int
    state: DeliveryState
    attempts: int
    last_error: str | None


class DeliveryPage(Struct, frozen=True):
    """Deliveries in the order of their ids."""

    items: list[DeliveryLine]
    next_after: int | None


class SinkTest(Struct, frozen=True):
    """What the sink answered to a marked test alarm."""

    sink: str
    outcome: Literal["delivered", "failed", "refused"]
    reason: str | None


class TestedSink(SinkTest, frozen=True):
    """What one sink of the vehicle's SOC answered, and how long it took."""

    role: Literal["primary", "standby"]
    took_ms: int


class SensorSeen(Struct, frozen=True):
    """A cause of an alarm, and when the vehicle last stated it."""

    cause: str
    at: datetime


class TestAlarm(Struct, frozen=True):
    """
    Both halves of a vehicle's way to its SOC: what the vehicle has stated, and who confirmed a test alarm.

    ``sensors``: what it stated for its open alarms, and for those that a running mode holds back.
    """

    vin: str
    at: datetime
    soc: str
    heard_at: datetime | None
    sensors: list[SensorSeen]
    sinks: list[TestedSink]


class Alive(Struct, frozen=True):
    """The process runs."""

    status: Literal["alive"]
    instance: str
