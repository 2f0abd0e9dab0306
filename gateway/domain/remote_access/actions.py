"""What can be asked of a vehicle: one row an action (contract 4.1)."""

from __future__ import annotations

from datetime import timedelta

from msgspec import Struct

OWNERS = frozenset({"main_user", "secondary_user"})
SOC = frozenset({"operator", "supervisor"})
MINUTE = timedelta(seconds=60)


class Action(Struct, frozen=True, kw_only=True):
    """One action; what it leaves out does not stop it."""

    name: str
    life: timedelta
    """From the moment it is asked for; afterwards it is never executed."""
    roles: frozenset[str] = OWNERS
    needs_code: bool = False
    second_person: bool = False
    standing_only: bool = False
    doors_closed: bool = False

    @property
    def is_soc(self) -> bool:
        """Whether it serves the SOC: no service term and nothing set in the car stops it."""
        return self.roles == SOC


CHALLENGE = "challenge"
"""Asks for a question to answer with the security code; it never reaches the vehicle."""

_ALL = (
    Action(name="lock", life=MINUTE, doors_closed=True),
    Action(name="unlock", life=MINUTE, needs_code=True, standing_only=True),
    Action(name="locate", life=MINUTE),
    Action(name="honk_flash", life=MINUTE / 2),
    Action(name="climate_start", life=10 * MINUTE),
    Action(name="climate_stop", life=10 * MINUTE),
    Action(name="charge_start", life=10 * MINUTE, standing_only=True),
    Action(name="charge_stop", life=10 * MINUTE),
    Action(name="block_engine_start", life=5 * MINUTE, roles=SOC, second_person=True),
    Action(name="release_engine_start", life=5 * MINUTE, roles=SOC),
)
ACTIONS: dict[str, Action] = {action.name: action for action in _ALL}
LONGEST_LIFE = max(action.life for action in _ALL)


def life_of(name: str) -> timedelta:
    """How long a request for this action lives; what nobody knows is refused for that, not for its age."""
    if name == CHALLENGE:
        return MINUTE
    action = ACTIONS.get(name)
    return LONGEST_LIFE if action is None else action.life
