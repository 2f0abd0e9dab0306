"""The scenarios, written down by hand: a new one is one file and one line here."""

from __future__ import annotations

from typing import Final

from vehicle_emulator.scenario import Scenario
from vehicle_emulator.scenarios.battery_cut import BATTERY_CUT
from vehicle_emulator.scenarios.bundle_runs_out import BUNDLE_RUNS_OUT
from vehicle_emulator.scenarios.card_missing import CARD_MISSING
from vehicle_emulator.scenarios.glass_break import GLASS_BREAK
from vehicle_emulator.scenarios.leaves_yard import LEAVES_YARD
from vehicle_emulator.scenarios.siren_nudge import SIREN_NUDGE
from vehicle_emulator.scenarios.towed_away import TOWED_AWAY
from vehicle_emulator.scenarios.workshop_service import WORKSHOP_SERVICE

SCENARIOS: Final[tuple[Scenario, ...]] = (
    BATTERY_CUT,
    BUNDLE_RUNS_OUT,
    CARD_MISSING,
    GLASS_BREAK,
    LEAVES_YARD,
    SIREN_NUDGE,
    TOWED_AWAY,
    WORKSHOP_SERVICE,
)


def find(name: str) -> Scenario | None:
    """The scenario of this name."""
    return next((scenario for scenario in SCENARIOS if scenario.name == name), None)
