"""
One vehicle's life: a seeded machine without clock or connection.

1. ``step(now_ms)`` plays everything on the agenda up to that moment and answers what the vehicle has to say,
   each thing with the moment it was due. The same seed and the same calls give byte-identical messages.
2. Whatever plays a part in the life (a trip, a scenario, a command) is an ``Act`` on that agenda: a function
   of the vehicle and the moment. There is no other way in, so parts compose.
3. ``power_up`` begins a boot: a new boot id, sequence numbers from 1, the standing facts stated once.
4. The radio is a fact here (``is_on_air``: it works; ``is_resting``: it is off, and goes on for whatever
   there is to say); what to do about it is the owner's business.
5. All times that it states, and all that it reads, are its own clock's, which may be ahead or behind.
"""

from __future__ import annotations

from bisect import insort
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import msgspec

from vehicle_emulator import body, commands, messages, remote
from vehicle_emulator.body import Body
from vehicle_emulator.dice import Dice
from vehicle_emulator.messages import Connection, Message, Position, encode, rfc3339
from vehicle_emulator.rest import Habit, Phase, Rest

if TYPE_CHECKING:
    from collections.abc import Callable

    from vehicle_emulator.journey import Journey, Leg

    Act = Callable[["Vehicle", int], None]

_T = TypeVar("_T", bound=msgspec.Struct)
CARD_ID: Final = "DC-1"
_DAY_MS = 86_400_000


class Told(NamedTuple):
    """Something the vehicle says, and when it was due."""

    message: Message
    at_ms: int


class _Due(NamedTuple):
    at_ms: int
    order: int
    act: Act


class Bundle(msgspec.Struct):
    """The vehicle's mobile-data bundle."""

    bundle_id: str
    used_mb: float
    total_mb: int
    valid_until_ms: int
    auto_renew: bool


class Vehicle:
    """A car: its body, its agenda, and what it has to say."""

    __slots__ = (
        "_agenda", "_boot_id", "_left_at_ms", "_order", "_seq", "_told", "_unheard", "body", "bundle",
        "card_present", "core_told_ms", "dice", "driving_share", "home", "is_blocked", "is_electric",
        "is_on_air", "is_resting", "journey", "moved_ms", "orders", "radio_dice", "rest",
        "set_out_at", "tell_every_ms", "vin", "wall_ms", "way",
    )  # fmt: skip

    def __init__(
        self,
        vin: str,
        seed: int,
        home: tuple[float, float],
        *,
        driving_share: float = 0.0,
        ahead_ms: int = 0,
        habit: Habit | None = None,
    ) -> None:
        """Stand parked at home, locked, without its Driver Card, not booted; drive this share of the time."""
        self.dice = dice = Dice(seed, vin, "life")
        self.vin, self.home, self.driving_share = vin, home, driving_share
        self.body = Body(*home, dice, ahead_ms=ahead_ms)
        self.is_electric = dice.chance(0.3)
        self.tell_every_ms = 1_000 * (1 + dice.below(5))
        self.bundle = Bundle(
            f"B{dice.below(9_000) + 1_000}", dice.between(50, 600), 1_000, 0, dice.chance(0.5)
        )
        self.card_present, self.is_on_air = False, True
        self.rest, self.is_resting = Rest(habit or Habit()), False
        self.orders, self.is_blocked = remote.Memory(), False
        self.radio_dice = Dice(seed, vin, "radio")
        # What time it really is, where the emulator itself is late: a command must not take effect by that.
        self.wall_ms = 0
        self.journey: Journey | None = None
        self.way: tuple[Leg, ...] = ()
        self.set_out_at = home
        self.moved_ms = self.core_told_ms = 0
        self._left_at_ms: int | None = None
        self._unheard: Message | None = None
        self._agenda: list[_Due] = []
        self._told: list[Told] = []
        self._boot_id, self._seq, self._order = "", 0, 0

    @property
    def next_at_ms(self) -> int | None:
        """When the next act is due; None if the agenda is empty."""
        return self._agenda[0].at_ms if self._agenda else None

    def step(self, now_ms: int) -> list[Told]:
        """Play what is due and hand over what there is to say, in order."""
        while self._agenda and self._agenda[0].at_ms <= now_ms:
            due = self._agenda.pop(0)
            due.act(self, due.at_ms)
        return self.take_told()

    def take_told(self) -> list[Told]:
        """Hand over what there is to say, without letting time pass."""
        told, self._told = self._told, []
        return told

    def plan(self, at_ms: int, act: Act) -> None:
        """Put an act on the agenda; acts of one moment play in the order they were planned."""
        self._order += 1
        insort(self._agenda, _Due(at_ms, self._order, act))

    def clear_agenda(self) -> None:
        """Call everything off that was planned."""
        self._agenda.clear()

    def left_standing(self, since_ms: int) -> None:
        """
        Have been parked, switched off and without its card since then, with nobody to tell it to.

        The first connect tells it with its own time (as a car does that stood in an underground garage), so
        that the car counts as armed on its own clock.
        """
        self._left_at_ms, self._unheard = since_ms, self.body.core(since_ms)

    def power_up(self, at_ms: int) -> None:
        """Boot: state the card, the bundle and the settings once."""
        self._boot_id = f"{at_ms // 1_000:x}-{self.dice.below(1 << 16):04x}"
        self._seq = 0
        self.is_on_air = True
        commands.resume(self, at_ms)
        if not self.bundle.valid_until_ms:
            self.bundle.valid_until_ms = at_ms + _DAY_MS * (10 + self.dice.below(300))
        self.state_card(at_ms if self._left_at_ms is None else self._left_at_ms)
        self._left_at_ms = None
        self.state_bundle(at_ms)
        self.event(at_ms, messages.MODE, messages.Mode, private_mode=False, remote_access_enabled=True)

    def connected(self, at_ms: int) -> list[Message]:
        """Birth, then what nobody has heard yet and every signal, as after each connect."""
        self.core_told_ms = at_ms
        unheard, self._unheard = self._unheard, None
        telemetry = (
            [self.body.everything(at_ms)] if unheard is None else [unheard, self.body.everything(at_ms)]
        )
        return [self.connection(at_ms, online=True), *telemetry]

    def connection(self, at_ms: int, *, online: bool) -> Message:
        """Birth or farewell, on the retained topic."""
        bearer, source = ("LTE", "integrated_sim") if online else (None, None)
        return Message(
            messages.CONNECTION,
            encode(Connection(online, bearer, source, roaming=False, at=rfc3339(self.clock_ms(at_ms)))),
        )

    def say(self, at_ms: int, message: Message) -> None:
        """Have something to say."""
        self._told.append(Told(message, at_ms))

    def event(self, at_ms: int, kind: str, shape: type[_T], **fields: Any) -> None:  # fields of shape
        """State an event: the fields every event carries, and its own."""
        self._seq += 1
        event_id = f"{self._boot_id}-{self._seq}"
        told = shape(
            event_id=event_id, occurred_at=rfc3339(self.clock_ms(at_ms)), boot_id=self._boot_id,
            seq=self._seq, **fields,
        )  # fmt: skip
        self.rouse(at_ms)
        self.say(at_ms, Message(kind, encode(told), event_id, fields.get("cause"), fields.get("state")))

    def trigger(self, at_ms: int, cause: str, **details: Any) -> None:  # optional fields of 3.2
        """A theft sensor triggers."""
        fields = {"cause": cause, "state": "triggered", "position": self.position(), **details}
        self.event(at_ms, messages.THEFT_SENSOR, messages.TheftSensor, **fields)

    def restore(self, at_ms: int, cause: str, **details: Any) -> None:  # optional fields of 3.2
        """A theft sensor is at rest again."""
        self.event(
            at_ms, messages.THEFT_SENSOR, messages.TheftSensor, cause=cause, state="restored", **details
        )

    def put_card(self, at_ms: int, *, present: bool) -> None:
        """The Driver Card comes or goes; no change is no event."""
        if self.card_present != present:
            self.card_present = present
            self.state_card(at_ms)

    def state_card(self, at_ms: int) -> None:
        """Say whether the Driver Card is here."""
        fields = {"present": self.card_present, "card_id": CARD_ID, "battery": "ok"}
        self.event(at_ms, messages.DRIVER_CARD, messages.DriverCard, **fields)

    def state_bundle(self, at_ms: int) -> None:
        """Say how much mobile data is used."""
        bundle = self.bundle
        self.event(
            at_ms, messages.DATA_BUNDLE, messages.DataBundle,
            bundle_id=bundle.bundle_id, used_mb=int(bundle.used_mb), total_mb=bundle.total_mb,
            valid_until=rfc3339(bundle.valid_until_ms), auto_renew=bundle.auto_renew, renewal="none",
            hotspot=False,
        )  # fmt: skip

    def tell_changes(self, at_ms: int, *, with_core: bool = False) -> None:
        """Telemetry of what changed, with the core signals if asked for."""
        if with_core:
            self.core_told_ms = at_ms
        self.say(at_ms, self.body.changes(at_ms, with_core=with_core))

    def clock_ms(self, at_ms: int) -> int:
        """What the vehicle's own clock says at this moment."""
        return at_ms + self.body.ahead_ms

    def rouse(self, at_ms: int) -> None:
        """Something woke it: the radio goes on, for a while."""
        self.rest.rouse(at_ms)
        if self.is_resting:
            self.is_resting = False
            self._plan_doze()

    def stand_still(self, at_ms: int, *, asleep: bool = False) -> None:
        """The ignition is off; ``asleep``: it has been for long."""
        self.rest.park(at_ms, asleep=asleep)
        self._plan_doze()

    def doze(self, at_ms: int) -> None:
        """Switch the radio off if nothing has happened for long enough; else look again."""
        self.rest.is_doze_planned = False
        if self.rest.phase(at_ms) is Phase.OFFLINE:
            self.is_resting = True
        elif self.rest.parked_ms is not None:
            self._plan_doze()

    def _plan_doze(self) -> None:
        if not self.rest.is_doze_planned:
            self.rest.is_doze_planned = True
            self.plan(max(self.rest.awake_until_ms, self.rest.offline_at_ms), Vehicle.doze)

    @property
    def has_ignition(self) -> bool:
        """Whether the ignition is on."""
        return self.body[body.IGNITION] == "ON"

    def position(self) -> Position:
        """Where the car is, as its sensors say."""
        read = self.body.number
        return Position(read(body.LATITUDE), read(body.LONGITUDE), int(read(body.ACCURACY)))
