"""Topic names of the contract: how they are built and how they are taken apart."""

from __future__ import annotations

import re

ROOT = "v1"
VIN_PATTERN = r"[A-HJ-NPR-Z0-9]{17}"
_VIN = re.compile(VIN_PATTERN)
_USER = re.compile(r"[A-Za-z0-9_.@-]{1,64}")
GATEWAY = "gateway"


def is_vin(text: str) -> bool:
    """Whether ``text`` has the shape of a VIN (17 characters, no I, O, Q)."""
    return _VIN.fullmatch(text) is not None


def is_user(text: str) -> bool:
    """Whether ``text`` may be a person's id: opaque, no VIN, and no name that a gateway could have."""
    return _USER.fullmatch(text) is not None and not is_vin(text) and not text.startswith(GATEWAY)


def vehicle_topic(vin: str, kind: str) -> str:
    """Topic of one vehicle, e.g. ``v1/vehicles/<vin>/theft-sensor``."""
    return f"{ROOT}/vehicles/{vin}/{kind}"


def split_vehicle_topic(topic: str) -> tuple[str, str] | None:
    """Take ``v1/vehicles/<vin>/<kind>`` apart; the VIN level is not checked. None for any other topic."""
    parts = topic.split("/", 3)
    if len(parts) != 4 or parts[0] != ROOT or parts[1] != "vehicles":  # noqa: PLR2004  # four levels
        return None
    return parts[2], parts[3]


def user_vehicle_topic(user: str, vin: str, kind: str) -> str:
    """Topic of one person about one vehicle: ``remote-access/request`` or ``…/response``."""
    return f"{ROOT}/users/{user}/vehicles/{vin}/{kind}"


def split_user_topic(topic: str) -> tuple[str, str, str] | None:
    """Take ``v1/users/<user>/vehicles/<vin>/<kind>`` apart, unchecked. None for any other topic."""
    parts = topic.split("/", 5)
    if len(parts) != 6 or (parts[0], parts[1], parts[3]) != (ROOT, "users", "vehicles"):  # noqa: PLR2004  # six levels
        return None
    return parts[2], parts[4], parts[5]


def soc_topic(soc: str) -> str:
    """Alarm feed of one Security Operation Center."""
    return f"{ROOT}/soc/{soc}/alarms"


def notifications_topic(user: str) -> str:
    """What one user is told."""
    return f"{ROOT}/users/{user}/notifications"


def gateway_topic(instance: str, kind: str) -> str:
    """Topic of a gateway's own: ``status`` or ``self-test``."""
    return f"{ROOT}/gateway/{instance}/{kind}"
