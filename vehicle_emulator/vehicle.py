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
6. Without coverage (``air``) what it says is kept, and said with its true times when the radio reaches again.
"""

from __future__ import annotations

from bisect import insort
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import msgspec

from vehicle_emulator import body, bundle, commands, messages, models, power, remote
from vehicle_emulator.air import Air, Told
from vehicle_emulator.body import Body
from vehicle_emulator.bundle import Bundle
from vehicle_emulator.dice import Dice
from vehicle_emulator.messages import Connection, Message, Position, encode, rfc3339
from vehicle_emulator.places import Places, degrees_per_m_east
from vehicle_emulator.rest import Habit, Phase, Rest
from vehicle_emulator.sky import Sky

if TYPE_CHECKING:
    from collections.abc import Callable

    from vehicle_emulator.diary import Stop
    from vehicle_emulator.journey import Journey
    from vehicle_emulator.models import Model

    Act = Callable[["Vehicle", int], None]

_T = TypeVar("_T", bound=msgspec.Struct)
CARD_ID: Final = "DC-1"
_DAY_MS = 86_400_000
_CLOCK_PAUSE_MS = 5_000


class _Due(NamedTuple):
    at_ms: int
    order: int
    act: Act


class Vehicle:
    """A car: its body, its agenda, and what it has to say."""

    __slots__ = (
        "_agenda", "_boot_id", "_left_at_ms", "_order", "_places", "_seq", "_told", "air", "all_told_ms",
        "at", "body", "bundle", "card_present", "core_told_ms", "degrees_per_m_east", "dice", "dice_seed",
        "driven_m", "driving_share", "drove_ms", "home", "is_at_fast_charger", "is_blocked", "is_electric",
        "is_on_air", "is_resting", "journey", "model", "moved_ms", "orders", "radio_dice", "rest",
        "said_ms", "set_out_at", "sky", "stops", "stores", "vin", "wall_ms",
    )  # fmt: skip

    def __init__(
        self,
        vin: str,
        seed: int,
        home: tuple[float, float],
        *,
        driving_share: float | None = 0.0,
        ahead_ms: int = 0,
        habit: Habit | None = None,
        model: Model | None = None,
    ) -> None:
        """
        Stand parked at home, locked, without its Driver Card, not booted.

        ``driving_share`` of the time it is on the road; None: when people drive, by its diary.
        """
        self.dice = dice = Dice(seed, vin, "life")
        self.vin, self.home, self.driving_share = vin, home, driving_share
        self.model = model = model or models.built_in()[0]
        self.body = Body(*home, dice, ahead_ms=ahead_ms, doors=model.doors, has_boot=model.has_boot)
        self.is_electric = model.can_charge
        self.bundle = Bundle(
            f"B{dice.below(9_000) + 1_000}", model.bundle_mb * dice.between(0.05, 0.6), model.bundle_mb, 0,
            dice.chance(0.5),
        )  # fmt: skip
        self.card_present, self.is_on_air, self.air = False, True, Air()
        self.rest, self.is_resting = Rest(habit or Habit()), False
        self.orders, self.is_blocked = remote.Memory(), False
        self.radio_dice = Dice(seed, vin, "radio")
        self.stores = power.Stores()
        power.fill(self)
        self.body.forget_untold()
        # What time it really is, where the emulator itself is late: a command must not take effect by that.
        self.wall_ms = 0
        self.journey: Journey | None = None
        self.stops: tuple[Stop, ...] = ()
        # Where it really is, and where it was when it set out; the receiver reads something near it.
        self.at = self.set_out_at = home
        self.sky, self.degrees_per_m_east = Sky(), degrees_per_m_east(seed, vin)
        self.is_at_fast_charger, self.driven_m = False, self.body.number(body.ODOMETER)
        self.said_ms = self.moved_ms = self.core_told_ms = self.all_told_ms = self.drove_ms = 0
        self.dice_seed = seed
        self._places: Places | None = None
        self._left_at_ms: int | None = None
        self._agenda: list[_Due] = []
        self._told: list[Told] = []
        self._boot_id, self._seq, self._order = "", 0, 0

    @property
    def places(self) -> Places:
        """Where it lives and goes; known when it is first asked for: most of a large fleet stays parked."""
        if self._places is None:
            self._places = Places(self.dice_seed, self.vin)
        return self._places

    @property
    def is_everyday(self) -> bool:
        """Whether it lives by its diary, with what comes with that."""
        return self.driving_share is None

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
        self._left_at_ms = since_ms
        self.air.unheard.append(self.body.core(since_ms))

    def power_up(self, at_ms: int) -> None:
        """Boot: state the card, the bundle and the settings once."""
        self._boot_id = f"{at_ms // 1_000:x}-{self.dice.below(1 << 16):04x}"
        self._seq = 0
        self.is_on_air = True
        self.wake_clock(at_ms)
        commands.resume(self, at_ms)
        if not self.bundle.valid_until_ms:
            self.bundle.valid_until_ms = at_ms + _DAY_MS * (10 + self.dice.below(300))
        self.state_card(at_ms if self._left_at_ms is None else self._left_at_ms)
        self._left_at_ms = None
        self.state_bundle(at_ms)
        self.event(at_ms, messages.MODE, messages.Mode, private_mode=False, remote_access_enabled=True)

    def connected(self, at_ms: int) -> list[Message]:
        """Birth and what nobody has heard yet; when all that waits is said, every signal is due."""
        return [self.connection(at_ms, online=True), *self.air.take_unheard()]

    def everything(self, at_ms: int) -> Message:
        """Telemetry of every signal as it reads now, after each connect and now and then."""
        self.core_told_ms = self.all_told_ms = at_ms
        return self.body.everything(at_ms)

    def connection(self, at_ms: int, *, online: bool) -> Message:
        """Birth, a new bearer, or farewell, on the retained topic."""
        bearer, source = (self.air.bearer, "integrated_sim") if online else (None, None)
        told = Connection(
            online, bearer, source, roaming=self.air.is_abroad, at=rfc3339(self.clock_ms(at_ms))
        )
        return Message(messages.CONNECTION, encode(told))

    def say(self, at_ms: int, message: Message) -> None:
        """Have something to say; without coverage it waits."""
        self.said_ms = at_ms
        (self._told if self.air.is_covered else self.air.held).append(Told(message, at_ms))
        if not self.air.is_covered:
            self.air.make_room()

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
        bundle.state(self, at_ms)

    def tell_changes(self, at_ms: int, *, with_core: bool = False) -> None:
        """Telemetry of what changed, with the core signals if asked for."""
        if with_core:
            self.core_told_ms = at_ms
        self.say(at_ms, self.body.changes(at_ms, with_core=with_core))

    def tell_everything(self, at_ms: int) -> None:
        """Telemetry of all signals."""
        self.say(at_ms, self.everything(at_ms))

    def clock_ms(self, at_ms: int) -> int:
        """What the vehicle's own clock says at this moment."""
        return self.body.clock_ms(at_ms)

    def wake_clock(self, at_ms: int) -> None:
        """Set the clock right by the satellites; only after a pause, so that it never runs backwards."""
        if at_ms - self.said_ms >= _CLOCK_PAUSE_MS:
            self.body.set_clock_right(at_ms)

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
