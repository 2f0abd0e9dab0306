"""Vehicle states as they are stored: written by this program, or by an older one."""

from __future__ import annotations

import msgspec

from gateway.domain.vehicle import Vehicle
from gateway.ports import StoredVehicle

_vehicle = msgspec.json.Decoder(Vehicle)


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
