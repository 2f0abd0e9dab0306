"""The scenarios, written down by hand: a new one is one file and one line here."""

from __future__ import annotations

from typing import Final

from vehicle_emulator.scenario import Scenario
from vehicle_emulator.scenarios.battery_cut import BATTERY_CUT
from vehicle_emulator.scenarios.bundle_runs_out import BUNDLE_RUNS_OUT
from vehicle_emulator.scenarios.card_missing import CARD_MISSING
from vehicle_emulator.scenarios.glass_break import GLASS_BREAK
from vehicle_emulator.scenarios.siren_nudge import SIREN_NUDGE

SCENARIOS: Final[tuple[Scenario, ...]] = (
    BATTERY_CUT,
    BUNDLE_RUNS_OUT,
    CARD_MISSING,
    GLASS_BREAK,
    SIREN_NUDGE,
)


def find(name: str) -> Scenario | None:
    """The scenario of this name."""
    return next((scenario for scenario in SCENARIOS if scenario.name == name), None)
