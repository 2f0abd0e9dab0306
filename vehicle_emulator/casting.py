"""Who of a fleet plays what: the same for the same seed, whoever asks. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from vehicle_emulator.dice import Dice

if TYPE_CHECKING:
    from vehicle_emulator.fleet import Plan
    from vehicle_emulator.scenario import Scenario


class Part(NamedTuple):
    """Which vehicle plays what, from when; ``leads``: it speaks for all that play the same."""

    played: Scenario
    vin: str
    start_s: float
    leads: bool = True
    parked: bool = True


def cast(seed: int, numbers: list[str], roles: int) -> list[str]:
    """Choose a different vehicle for each scenario."""
    dice, free = Dice(seed, "cast"), list(numbers)
    return [free.pop(dice.below(len(free))) for _ in range(roles)]


def parts(plan: Plan, numbers: list[str]) -> list[Part]:
    """Who plays what: single scenarios each on a vehicle of its own, then those of the fleet."""
    roles = cast(plan.seed, numbers, len(plan.scenarios))
    chosen = [
        Part(played, vin, start_s) for (played, start_s), vin in zip(plan.scenarios, roles, strict=True)
    ]
    for wide, start_s in plan.fleet_wide:
        taken = {part.vin for part in chosen if part.parked} if wide.parked else set[str]()
        free = [vin for vin in numbers if vin not in taken]
        count = min(len(free), max(1, round(wide.share * len(numbers))))
        dice = Dice(plan.seed, "cast", wide.scenario.name)
        some = free if count == len(free) else [free.pop(dice.below(len(free))) for _ in range(count)]
        chosen += [
            Part(wide.scenario, vin, start_s + dice.between(0.0, wide.within_s), index == 0, wide.parked)
            for index, vin in enumerate(some)
        ]
    return chosen
