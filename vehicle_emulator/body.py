"""What a vehicle's sensors read, and which of it has not been told yet. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vehicle_emulator.messages import TELEMETRY, Message, Telemetry, Value, encode, rfc3339

if TYPE_CHECKING:
    from vehicle_emulator.dice import Dice

SPEED: Final = "Vehicle.Speed"
IS_MOVING: Final = "Vehicle.IsMoving"
IGNITION: Final = "Vehicle.LowVoltageSystemState"
LATITUDE: Final = "Vehicle.CurrentLocation.Latitude"
LONGITUDE: Final = "Vehicle.CurrentLocation.Longitude"
ACCURACY: Final = "Vehicle.CurrentLocation.HorizontalAccuracy"
HEADING: Final = "Vehicle.CurrentLocation.Heading"
ODOMETER: Final = "Vehicle.TraveledDistance"
VOLTAGE: Final = "Vehicle.LowVoltageBattery.CurrentVoltage"
CHARGE: Final = "Vehicle.Powertrain.TractionBattery.StateOfCharge.Displayed"
IS_CHARGING: Final = "Vehicle.Powertrain.TractionBattery.Charging.IsCharging"
IS_PLUGGED: Final = (
    "Vehicle.Powertrain.TractionBattery.Charging.ChargingPort.AnyPosition.IsChargingCableConnected"
)
RANGE: Final = "Vehicle.Powertrain.Range"
GEAR: Final = "Vehicle.Powertrain.Transmission.SelectedGear"
BRAKE: Final = "Vehicle.Chassis.ParkingBrake.IsEngaged"
FUEL: Final = "Vehicle.Powertrain.FuelSystem.RelativeLevel"
_DOORS = tuple(
    f"Vehicle.Cabin.Door.Row{row}.{side}Side" for row in (1, 2) for side in ("Driver", "Passenger")
)
LOCKS: Final = tuple(f"{door}.IsLocked" for door in _DOORS)
DOORS_OPEN: Final = tuple(f"{door}.IsOpen" for door in _DOORS)
DOOR_OPEN: Final = DOORS_OPEN[0]
HOOD_OPEN: Final = "Vehicle.Body.Hood.IsOpen"
TRUNK_OPEN: Final = "Vehicle.Body.Trunk.Rear.IsOpen"
CLIMATE: Final = "Vehicle.Cabin.HVAC.IsAirConditioningActive"

GEAR_PARK: Final = 126
GEAR_DRIVE: Final = 127
# Repeated at least every 30 s while the ignition is on (contract 3.1), and in every load message.
CORE: Final = (SPEED, IS_MOVING, IGNITION, LATITUDE, LONGITUDE)


class Body:
    """The signals of one vehicle."""

    __slots__ = ("_locks", "_right_ms", "_seq", "_signals", "_untold", "ahead_ms", "drift_ppm")

    def __init__(
        self,
        latitude: float,
        longitude: float,
        dice: Dice,
        *,
        ahead_ms: int = 0,
        doors: int = 4,
        has_boot: bool = True,
    ) -> None:
        """
        Stand parked, locked and switched off.

        ``ahead_ms``: how far the vehicle's clock is ahead; ``drift_ppm``: how much faster it runs, from when
        it was last set right; before the first time it does not drift.
        """
        self._seq = 0
        self.ahead_ms, self.drift_ppm, self._right_ms = ahead_ms, 0, 0
        self._locks = LOCKS[:doors]
        self._signals: dict[str, Value] = {
            SPEED: 0.0, IS_MOVING: False, IGNITION: "OFF",
            LATITUDE: round(latitude, 6), LONGITUDE: round(longitude, 6), ACCURACY: 4,
            HEADING: dice.below(360),
            ODOMETER: 1_000 * (500 + dice.below(120_000)), VOLTAGE: 12.7,
            RANGE: 1_000 * (60 + dice.below(500)),
            GEAR: GEAR_PARK, BRAKE: True, CLIMATE: False,
        }  # fmt: skip
        if doors:
            self._signals |= dict.fromkeys((*DOORS_OPEN[:doors], HOOD_OPEN), False)
            self._signals |= dict.fromkeys(self._locks, True)
        if has_boot:
            self._signals[TRUNK_OPEN] = False
        self._untold: dict[str, Value] = {}

    def __getitem__(self, name: str) -> Value:
        """What the sensor of this name reads."""
        return self._signals[name]

    def get(self, name: str, *, default: Value) -> Value:
        """What the sensor of this name reads, if the car has one."""
        return self._signals.get(name, default)

    def number(self, name: str) -> float:
        """A signal that is a number."""
        return float(self._signals[name])

    def set(self, name: str, value: Value) -> None:
        """Read something new; only a change is worth telling."""
        if self._signals.get(name) != value:
            self._signals[name] = self._untold[name] = value

    def forget_untold(self) -> None:
        """What changed so far is no change to anybody: a birth tells it all."""
        self._untold = {}

    @property
    def is_moving(self) -> bool:
        """Whether the wheels turn."""
        return self.number(SPEED) > 0.0 or bool(self._signals[IS_MOVING])

    def lock(self, *, locked: bool) -> None:
        """All doors at once."""
        for name in self._locks:
            self.set(name, locked)

    def clock_ms(self, at_ms: int) -> int:
        """What the vehicle's own clock says at this moment."""
        drifted_ms = (at_ms - self._right_ms) * self.drift_ppm // 1_000_000 if self._right_ms else 0
        return at_ms + self.ahead_ms + drifted_ms

    def set_clock_right(self, at_ms: int) -> None:
        """Satellites tell the time: what the clock has gained or lost by running wrong is gone."""
        self._right_ms = at_ms

    def changes(self, at_ms: int, *, with_core: bool = False) -> Message:
        """Telemetry of what changed since the last one; with the core signals when they are due again."""
        if with_core:
            self._untold.update({name: self._signals[name] for name in CORE})
        return self._tell(at_ms, self._untold)

    def core(self, at_ms: int) -> Message:
        """Telemetry of the core signals alone; what is untold stays so."""
        untold, signals = self._untold, {name: self._signals[name] for name in CORE}
        told = self._tell(at_ms, signals)
        self._untold = untold
        return told

    def everything(self, at_ms: int) -> Message:
        """Telemetry of all signals."""
        return self._tell(at_ms, self._signals)

    def _tell(self, at_ms: int, signals: dict[str, Value]) -> Message:
        self._seq += 1
        payload = encode(Telemetry(rfc3339(self.clock_ms(at_ms)), self._seq, signals))
        self._untold = {}
        return Message(TELEMETRY, payload)
