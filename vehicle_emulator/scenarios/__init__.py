"""The scenarios, written down by hand: a new one is one file and one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vehicle_emulator.scenarios.battery_cut import BATTERY_CUT
from vehicle_emulator.scenarios.broker_restart import BROKER_RESTART
from vehicle_emulator.scenarios.bundle_runs_out import BUNDLE_RUNS_OUT
from vehicle_emulator.scenarios.card_battery_dying import CARD_BATTERY_DYING
from vehicle_emulator.scenarios.card_missing import CARD_MISSING
from vehicle_emulator.scenarios.clock_change import CLOCK_CHANGE
from vehicle_emulator.scenarios.ferry_burst import FERRY_BURST
from vehicle_emulator.scenarios.ferry_crossing import FERRY_CROSSING
from vehicle_emulator.scenarios.flat_battery import FLAT_BATTERY
from vehicle_emulator.scenarios.forgotten_card import FORGOTTEN_CARD
from vehicle_emulator.scenarios.glass_break import GLASS_BREAK
from vehicle_emulator.scenarios.hold_up import HOLD_UP
from vehicle_emulator.scenarios.jammed_silent import JAMMED_SILENT
from vehicle_emulator.scenarios.key_theft import KEY_THEFT
from vehicle_emulator.scenarios.leaves_yard import LEAVES_YARD
from vehicle_emulator.scenarios.lost_card import LOST_CARD
from vehicle_emulator.scenarios.network_outage import NETWORK_OUTAGE
from vehicle_emulator.scenarios.parking_robot import PARKING_ROBOT
from vehicle_emulator.scenarios.passenger_waits import PASSENGER_WAITS
from vehicle_emulator.scenarios.relay_attack import RELAY_ATTACK
from vehicle_emulator.scenarios.resale import RESALE
from vehicle_emulator.scenarios.siren_nudge import SIREN_NUDGE
from vehicle_emulator.scenarios.towed_away import TOWED_AWAY
from vehicle_emulator.scenarios.underground_garage import UNDERGROUND_GARAGE
from vehicle_emulator.scenarios.update_while_armed import UPDATE_WHILE_ARMED
from vehicle_emulator.scenarios.wheel_theft import WHEEL_THEFT
from vehicle_emulator.scenarios.workshop_service import WORKSHOP_SERVICE

if TYPE_CHECKING:
    from vehicle_emulator.scenario import FleetWide, Scenario

SCENARIOS: Final[tuple[Scenario, ...]] = (
    BATTERY_CUT,
    BUNDLE_RUNS_OUT,
    CARD_BATTERY_DYING,
    CARD_MISSING,
    FERRY_CROSSING,
    FLAT_BATTERY,
    FORGOTTEN_CARD,
    GLASS_BREAK,
    HOLD_UP,
    JAMMED_SILENT,
    KEY_THEFT,
    LEAVES_YARD,
    LOST_CARD,
    PARKING_ROBOT,
    PASSENGER_WAITS,
    RELAY_ATTACK,
    RESALE,
    SIREN_NUDGE,
    TOWED_AWAY,
    UNDERGROUND_GARAGE,
    UPDATE_WHILE_ARMED,
    WHEEL_THEFT,
    WORKSHOP_SERVICE,
)

FLEET_WIDE: Final[tuple[FleetWide, ...]] = (
    BROKER_RESTART,
    CLOCK_CHANGE,
    FERRY_BURST,
    NETWORK_OUTAGE,
)
"""What happens to many vehicles at once."""


def find(name: str) -> Scenario | None:
    """The scenario of this name."""
    return next((scenario for scenario in SCENARIOS if scenario.name == name), None)


def find_fleet_wide(name: str) -> FleetWide | None:
    """The fleet-wide one of this name."""
    return next((wide for wide in FLEET_WIDE if wide.scenario.name == name), None)
