"""
What the pipeline and the API need of the world outside. Adapters fill it, tests double it.

Shapes that cross these borders are defined here; no library type does. One module an idea; import from here.
"""

from __future__ import annotations

from gateway.ports.case_files import CaseChanges, CaseFile, CaseFilter, StoredCase, StoredEntry
from gateway.ports.cases import CaseEntryRow, CaseRow, EscalationRow
from gateway.ports.clock import Clock
from gateway.ports.console import ConsoleStore, Person, Session
from gateway.ports.decision import (
    AlarmRow,
    AuditEntry,
    CommandRow,
    Decision,
    FactRow,
    LaterVerdict,
    LeftCase,
    Message,
    Notification,
    QuarantineRow,
    RegistryRow,
    Revocation,
    TrackRow,
    VehicleRow,
)
from gateway.ports.evidence import KEEP_TRACK, AuditScope, CaseEvidence, LeftOut, StatedFact
from gateway.ports.fleet import CountryCount, OpenCase
from gateway.ports.handovers import (
    CaseThen,
    Handover,
    HandoverFilter,
    HandoverStore,
    Reading,
    Standing,
    StoredHandover,
)
from gateway.ports.inside import (
    Acts,
    Commands,
    HealthReport,
    HealthReporter,
    LiveCases,
    LiveFeed,
    LiveVehicles,
    SignalValue,
    SinkTester,
    Tried,
)
from gateway.ports.link import Inbound, Link, Reply
from gateway.ports.outbox import (
    AlarmSink,
    Backlog,
    Delivered,
    DeliveryMark,
    DeliveryRow,
    DeliveryState,
    Outcome,
    Park,
    Retry,
    SinkPlan,
    SinkRole,
)
from gateway.ports.protection import UnprotectedFilter, UnprotectedRow, UnprotectedVehicle
from gateway.ports.seal import Seal
from gateway.ports.site_map import MapPart, SiteMap
from gateway.ports.store import Store
from gateway.ports.stored import AlarmFilter, Known, Mention, Role, StoredAlarm, StoredVehicle, Token, User

__all__ = [
    "KEEP_TRACK",
    "Acts",
    "AlarmFilter",
    "AlarmRow",
    "AlarmSink",
    "AuditEntry",
    "AuditScope",
    "Backlog",
    "CaseChanges",
    "CaseEntryRow",
    "CaseEvidence",
    "CaseFile",
    "CaseFilter",
    "CaseRow",
    "CaseThen",
    "Clock",
    "CommandRow",
    "Commands",
    "ConsoleStore",
    "CountryCount",
    "Decision",
    "Delivered",
    "DeliveryMark",
    "DeliveryRow",
    "DeliveryState",
    "EscalationRow",
    "FactRow",
    "Handover",
    "HandoverFilter",
    "HandoverStore",
    "HealthReport",
    "HealthReporter",
    "Inbound",
    "Known",
    "LaterVerdict",
    "LeftCase",
    "LeftOut",
    "Link",
    "LiveCases",
    "LiveFeed",
    "LiveVehicles",
    "MapPart",
    "Mention",
    "Message",
    "Notification",
    "OpenCase",
    "Outcome",
    "Park",
    "Person",
    "QuarantineRow",
    "Reading",
    "RegistryRow",
    "Reply",
    "Retry",
    "Revocation",
    "Role",
    "Seal",
    "Session",
    "SignalValue",
    "SinkPlan",
    "SinkRole",
    "SinkTester",
    "SiteMap",
    "Standing",
    "StatedFact",
    "Store",
    "StoredAlarm",
    "StoredCase",
    "StoredEntry",
    "StoredHandover",
    "StoredVehicle",
    "Token",
    "TrackRow",
    "Tried",
    "UnprotectedFilter",
    "UnprotectedRow",
    "UnprotectedVehicle",
    "User",
    "VehicleRow",
]
