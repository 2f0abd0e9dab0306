"""Vehicle states as they are stored: written by this program, or by an older one."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from gateway.domain.alarms import Alarm
from gateway.domain.vehicle import Vehicle
from gateway.ports import StoredVehicle

MAX_ENCODED = 2_000

_vehicle = msgspec.json.Decoder(Vehicle)
_encode = msgspec.json.Encoder().encode


class StateEncoder:
    """
    Writes states. Open alarms are most of one, and hardly ever does more than one of them change.

    So what an alarm was encoded to is kept, and used again as long as it is the same object.
    """

    def __init__(self) -> None:
        self._encoded: dict[str, tuple[Alarm, msgspec.Raw]] = {}

    def encode(self, vehicle: Vehicle) -> bytes:
        """The state as the store keeps it."""
        if not vehicle.alarms:
            return _encode(vehicle)
        alarms = {cause: self._alarm(alarm) for cause, alarm in vehicle.alarms.items()}
        return _encode(replace(vehicle, alarms=alarms))

    def _alarm(self, alarm: Alarm) -> msgspec.Raw:
        kept = self._encoded.get(alarm.alarm_id)
        if kept is not None and kept[0] is alarm:
            return kept[1]
        encoded = msgspec.Raw(_encode(alarm))
        self._encoded[alarm.alarm_id] = (alarm, encoded)
        if len(self._encoded) > MAX_ENCODED:
            del self._encoded[next(iter(self._encoded))]
        return encoded


def decode_state(vin: str, stored: StoredVehicle | None) -> tuple[Vehicle, str | None]:
    """
    The state of a vehicle, empty if nothing was ever decided.

    A state that can't be read must not silence its vehicle: it starts anew, rather twice than never. The
    second value says then what was wrong.
    """
    if stored is None:
        return Vehicle(vin=vin), None
    try:
        return _vehicle.decode(stored.body), None
    except Exception as error:  # noqa: BLE001  # bad UTF-8 and deep nesting raise no DecodeError
        return Vehicle(vin=vin, version=stored.version), str(error)
