"""Everything remembered of one vehicle, and the version it was committed with."""

from __future__ import annotations

from bisect import bisect_right
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from gateway.domain.alarms import Alarm, PositionFix
from gateway.domain.approvals import Approvals
from gateway.domain.cases import Case
from gateway.domain.dead_zones import QuietSpot
from gateway.domain.moment import Moment
from gateway.domain.people.state import People
from gateway.domain.remote_access.state import RemoteAccess
from gateway.domain.security_code import CodeGuard
from gateway.domain.services.data_bundle import Bundles
from gateway.domain.services.special_modes import Modes
from gateway.domain.signals import (
    Charging,
    Connection,
    DriverCard,
    Event,
    Ignition,
    Located,
    Mode,
    Movement,
    Registration,
    Software,
    TheftSensor,
)
from gateway.domain.situation import EVERY_CARD, Situation, SituationFact, apply
from gateway.domain.terms import Terms
from gateway.domain.thresholds import Thresholds

WINDOW = timedelta(minutes=10)
"""Facts within this span of vehicle time give the same state in whatever order they arrive."""
MAX_WINDOW = 240
MAX_SETTLED = MAX_WINDOW

StatedFact = Mode | Software | Charging | Connection | DriverCard


class Past(Struct, frozen=True, omit_defaults=True, gc=False):
    """Recent facts in the order of their time, on top of a base that older ones were folded into."""

    base: Situation = Situation()
    window: tuple[DriverCard | Movement | Ignition | TheftSensor | Located, ...] = ()
    now: Situation = Situation()
    folded: int = 0
    """How many facts the base is made of: it numbers those of the window from the vehicle's first on."""


class Sensed(Struct, frozen=True, array_like=True, gc=False):
    """The newest trigger of a sensor, and when it last went back to rest."""

    triggered: Moment | None = None
    restored: Moment | None = None

    @property
    def is_on(self) -> bool:
        """Whether it has not gone back to rest."""
        return self.triggered is not None and (self.restored is None or self.restored.at < self.triggered.at)


class CardCell(Struct, frozen=True, array_like=True, gc=False):
    """What a Driver Card last said of its cell, and when its owner was told that it is low."""

    card_id: str
    low: bool
    at: datetime
    told_at: datetime | None = None


class Vehicle(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """
    State of one VIN, or of a gateway (``gateway:<instance>``).

    It is a fold over facts: it holds nothing that a replay of the journal would not give again.
    """

    vin: str
    version: int = 0
    registration: Registration | None = None
    past: Past = Past()
    card_ever_stated: bool = False
    stated: dict[str, StatedFact] = {}
    """Newest statement by topic kind, for topics that no service interprets further."""
    bundles: Bundles = Bundles()
    card_cells: tuple[CardCell, ...] = ()
    terms: Terms = Terms()
    position: PositionFix | None = None
    heard_at: datetime | None = None
    alarms: dict[str, Alarm] = {}
    """Alarms that are not closed, by cause."""
    alarms_made: int = 0
    case_id: str | None = None
    case: Case | None = None
    """The open case of that id."""
    settled: tuple[str, ...] = ()
    """Episodes that have had their finding."""
    pending: tuple[str, ...] = ()
    """Siren triggers that stand in no message yet and have no last verdict."""
    sensed: dict[str, Sensed] = {}
    """Last words by cause: what may explain a silence."""
    modes: Modes = Modes()
    suppressed: dict[str, Alarm] = {}
    """What running special modes hold back, by cause and mode; it takes no slot in ``alarms``."""
    held_back: dict[str, Moment] = {}
    """The newest tamper or battery cut that a special mode holds back, by cause."""
    code_guard: CodeGuard = CodeGuard()
    people: People = People()
    stolen: bool = False
    """The owner has confirmed the theft to the SOC."""
    remote: RemoteAccess = RemoteAccess()
    approvals: Approvals = Approvals()
    wake_at: datetime | None = None
    quiet_spots: tuple[QuietSpot, ...] = ()
    """Where it fell silent before and came back."""
    set_back_from: datetime | None = None
    """From which time the gateway's clock was last set back (see ``set_back``)."""

    @property
    def is_gateway(self) -> bool:
        """Whether it is a gateway's own record, not a vehicle's."""
        return self.vin.startswith("gateway:")

    @property
    def is_private(self) -> bool:
        """Whether the driver has switched private mode on. A stolen car ignores it."""
        mode = self.stated.get("mode")
        return isinstance(mode, Mode) and bool(mode.private_mode) and not self.stolen

    @property
    def is_watched(self) -> bool:
        """Whether each of its positions matters now: the place of a mode, or an open theft alarm."""
        return self.case_id is not None or any(mode.place is not None for mode in self.modes.running)

    @property
    def counting_cards(self) -> frozenset[str]:
        """Cards that count; empty: every stated card counts."""
        return frozenset(self.registration.driver_cards) if self.registration else EVERY_CARD

    @property
    def soc(self) -> str:
        """The Security Operation Center that gets its alarms."""
        return self.registration.soc if self.registration else "default"


def sort_key(fact: SituationFact) -> tuple[datetime, str, str, int, bool, str]:
    """
    Total order of facts, the same for every order of arrival.

    Of two at one instant the vehicle's own order decides; without one, that which may alarm comes last.
    """
    match fact:
        case DriverCard():
            alarming = not fact.present
        case TheftSensor():
            alarming = fact.state == "triggered"
        case Movement():
            certain = "" if fact.after_gap else "certain"
            return fact.at, type(fact).__name__, "", -1, fact.moving, certain
        case Located():
            where = f"{fact.position.latitude} {fact.position.longitude}"
            return fact.at, type(fact).__name__, "", -1, False, where
        case _:
            alarming = fact.on
    if isinstance(fact, Event):
        seq = -1 if fact.seq is None else fact.seq
        return fact.at, type(fact).__name__, fact.boot_id or "", seq, alarming, fact.event_id
    return fact.at, type(fact).__name__, "", -1, alarming, ""


Window = tuple[DriverCard | Movement | Ignition | TheftSensor | Located, ...]


def insert(window: Window, fact: SituationFact) -> tuple[Window, int]:
    """
    Put a fact where it belongs in time.

    Returns the new window and the fact's place in it: only from there on it can change anything.
    """
    fact = bare(fact)
    if not window or is_before(window[-1], fact.at):  # nearly always: no key needs to be made
        return (*window, fact), len(window)
    place = bisect_right(window, sort_key(fact), key=sort_key)
    return (*window[:place], fact, *window[place:]), place


def compact(
    base: Situation, window: Window, newest_at: datetime, thresholds: Thresholds, counting: frozenset[str]
) -> tuple[Situation, Window]:
    """Fold what is older than the window, or beyond its size, into the base: its first facts."""
    horizon = newest_at - WINDOW
    too_many, folded = len(window) - MAX_WINDOW, 0
    for fact in window:
        if fact.received_at >= horizon and folded >= too_many and fact.at >= horizon:
            break  # the arrival comes first for speed: no fact's time is after it
        base = apply(base, fact, thresholds, counting)
        folded += 1
    return base, window[folded:] if folded else window


def is_before(fact: SituationFact, at: datetime) -> bool:
    """Whether a fact's time ``Fact.at`` is before another; it never is after the fact's arrival."""
    return fact.received_at < at or fact.at < at


def bare(fact: SituationFact) -> SituationFact:
    """Only what the situation is made of: the window is written with every commit."""
    if isinstance(fact, Movement):
        if fact.speed_km_h is None and fact.position is None and fact.odometer_m is None:
            return fact
        return Movement(
            received_at=fact.received_at,
            occurred_at=fact.occurred_at,
            moving=fact.moving,
            after_gap=fact.after_gap,
        )
    if isinstance(fact, TheftSensor):
        return replace(fact, zone=None, position=None, detail=None, notes=())
    return fact
