"""``NAME@START_S``: which scenarios a run plays, read from the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import typer

from vehicle_emulator import scenarios

if TYPE_CHECKING:
    from vehicle_emulator.scenario import FleetWide, Scenario

LONGEST_S: Final = 3_660 * 86_400.0
FASTEST: Final = 1_000.0


def singles(texts: list[str], duration_s: float, vehicles: int) -> tuple[tuple[Scenario, float], ...]:
    """Read ``NAME@START_S`` of single scenarios; one that the run would cut short is a mistake."""
    chosen = tuple(
        (found, start_s) for name, start_s in map(_named, texts) if (found := scenarios.find(name))
    )
    if len(chosen) > vehicles:
        raise typer.BadParameter(f"{len(chosen)} scenarios need as many vehicles", param_hint="--scenario")
    for scenario, start_s in chosen:
        _fits(scenario.name, start_s + scenario.length_s, duration_s)
    return chosen


def wide(texts: list[str], duration_s: float, pace: float = 1.0) -> tuple[tuple[FleetWide, float], ...]:
    """The same of those that the whole fleet plays, so many times faster than in life."""
    chosen = tuple(
        (found.hurried(pace), start_s)
        for name, start_s in map(_named, texts)
        if (found := scenarios.find_fleet_wide(name))
    )
    for one, start_s in chosen:
        _fits(one.scenario.name, start_s + one.length_s, duration_s)
    return chosen


def _fits(name: str, until_s: float, duration_s: float) -> None:
    if 0.0 < duration_s < until_s:
        sentence = f"{name} plays until {until_s:g} s: use a longer --duration"
        raise typer.BadParameter(sentence, param_hint="--scenario")


def _named(text: str) -> tuple[str, float]:
    name, _, start = text.partition("@")
    known = [one.name for one in scenarios.SCENARIOS] + [one.scenario.name for one in scenarios.FLEET_WIDE]
    try:
        start_s = float(start or 0.0)
    except ValueError:
        start_s = -1.0
    if name not in known or not 0.0 <= start_s <= LONGEST_S:
        sentence = f"{text}: write NAME@START_S; names: {', '.join(known)}"
        raise typer.BadParameter(sentence, param_hint="--scenario")
    return name, start_s
