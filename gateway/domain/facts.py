"""The union of all facts: what the journal holds and what a step can take."""

from __future__ import annotations

from gateway.domain.people.facts import (
    AcceptTransfer,
    CancelTransfer,
    Certify,
    ChangeCode,
    ChangeEntry,
    Consent,
    EraseUser,
    Invite,
    Join,
    MakePairingCode,
    Pair,
    RemoveUser,
    StartTransfer,
)
from gateway.domain.remote_access.facts import ChallengeRequested, CommandRequested
from gateway.domain.signals import (
    Acknowledge,
    ActOnCase,
    Blind,
    Challenged,
    Charging,
    Close,
    CommandResult,
    Connection,
    DataBundle,
    DriverCard,
    EndMode,
    ForgedRepeat,
    Healthy,
    Ignition,
    Located,
    Mode,
    Movement,
    Registered,
    SetMode,
    Software,
    Surveyed,
    TheftReport,
    TheftSensor,
    Tick,
    Unreadable,
)

AnyFact = (
    TheftSensor
    | DriverCard
    | DataBundle
    | Mode
    | Software
    | Charging
    | CommandResult
    | Connection
    | Movement
    | Ignition
    | Located
    | Unreadable
    | ForgedRepeat
    | Registered
    | Surveyed
    | Certify
    | Acknowledge
    | Close
    | SetMode
    | EndMode
    | Challenged
    | CommandRequested
    | ChallengeRequested
    | TheftReport
    | ActOnCase
    | Consent
    | ChangeEntry
    | ChangeCode
    | MakePairingCode
    | Pair
    | Invite
    | Join
    | RemoveUser
    | StartTransfer
    | AcceptTransfer
    | CancelTransfer
    | EraseUser
    | Blind
    | Healthy
    | Tick
)
