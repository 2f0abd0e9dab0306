"""
What a vehicle's remote-access unit does with commands (contract 4.2, 4.3). Pure: memory in, memory out.

1. A command id is carried out at most once. What is known of it is remembered before anything is touched, and
   the memory outlives a restart; the same id again gets the same answer and does nothing.
2. A counter that is not above the last one is a replay, whatever id it comes with. So the memory of ids may
   be short: what it has forgotten lies below the counter.
3. Nothing is begun or takes effect after ``expires_at``: asked when the command is heard, when its turn comes
   and again at the moment of effect, each time by the vehicle's own clock, right or wrong. A clock that is
   plainly slow (the command comes from its future) carries nothing out: it can't know what has expired.
4. ``waiting`` → ``acting`` → answered. A restart leaves what waits and fails what was acting: its effect had
   not come yet, and it is not tried again.
5. What the vehicle reads itself decides last: a door that is open is not locked, a car that moves is not
   unlocked. A block of the engine start waits until the car stands, as long as it lives.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec

if TYPE_CHECKING:
    from vehicle_emulator.messages import Command

Status = Literal["performed", "failed", "refused", "expired"]

MAX_HELD: Final = 16
MAX_ANSWERS: Final = 64
# As far ahead as the gateway lets a person's clock be: further, and this one is slow.
CLOCK_BEHIND_MS: Final = 30_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


class Rule(NamedTuple):
    """What must be so for an action; with ``waits`` it is waited for, otherwise the action is refused."""

    standing: bool = False
    doors_shut: bool = False
    electric: bool = False
    plugged: bool = False
    waits: bool = False


RULES: Final[dict[str, Rule]] = {
    "lock": Rule(doors_shut=True),
    "unlock": Rule(standing=True),
    "locate": Rule(),
    "honk_flash": Rule(),
    "climate_start": Rule(),
    "climate_stop": Rule(),
    "charge_start": Rule(standing=True, electric=True, plugged=True),
    "charge_stop": Rule(electric=True),
    "block_engine_start": Rule(standing=True, waits=True),
    "release_engine_start": Rule(),
}


class Situation(NamedTuple):
    """What the vehicle reads of itself at the moment."""

    moving: bool = False
    door_open: bool = False
    electric: bool = True
    plugged: bool = True


class Held(msgspec.Struct, frozen=True):
    """A command whose turn has not come, or that is being carried out."""

    command: Command
    acting: bool = False


class Answer(msgspec.Struct, frozen=True):
    """What became of a command."""

    command_id: str
    status: Status
    reason: str | None = None


class Memory(msgspec.Struct, frozen=True):
    """What outlives a restart; of the answers the newest last."""

    counter: int = -1
    held: tuple[Held, ...] = ()
    answers: tuple[Answer, ...] = ()

    def find(self, command_id: str) -> Held | None:
        """A command that is not answered yet."""
        return next((one for one in self.held if one.command.command_id == command_id), None)

    def answer(self, command_id: str) -> Answer | None:
        """What became of a command, if it is still remembered."""
        return next((one for one in self.answers if one.command_id == command_id), None)


class Turn(NamedTuple):
    """
    The memory after a step, what to state, and what is next for the command.

    ``begin`` it when its turn comes (again), ``finish`` it when the actuators have had their time, or let it
    take ``effect`` now.
    """

    memory: Memory
    answer: Answer | None = None
    command: Command | None = None
    then: Literal["begin", "finish", "effect"] | None = None


def hear(memory: Memory, command: Command, now_ms: int) -> Turn:
    """Take a command in: remember it before anything else happens, or say at once what became of it."""
    if memory.find(command.command_id) is not None:
        return Turn(memory)
    known = memory.answer(command.command_id)
    if known is not None:
        return Turn(memory, known)
    if command.counter <= memory.counter:
        # Not remembered: who replays must not push out what the vehicle knows.
        return Turn(memory, Answer(command.command_id, "refused", "replay"))
    memory = msgspec.structs.replace(memory, counter=command.counter)
    why_not = _why_not_at_all(memory, command, now_ms)
    if why_not is not None:
        return _answered(memory, why_not)
    return Turn(_hold(memory, Held(command)), command=command, then="begin")


def begin(memory: Memory, command_id: str, now_ms: int, situation: Situation) -> Turn:
    """Begin what has its turn, wait on, or say why not; ``now_ms`` is the vehicle's own clock."""
    held = memory.find(command_id)
    if held is None or held.acting:
        return Turn(memory)
    stopped = _stopped(memory, held.command, now_ms, situation)
    return stopped or Turn(_hold(memory, Held(held.command, acting=True)), None, held.command, "finish")


def finish(memory: Memory, command_id: str, now_ms: int, situation: Situation) -> Turn:
    """The moment of effect: it takes place now, once, or never."""
    held = memory.find(command_id)
    if held is None or not held.acting:
        return Turn(memory)
    stopped = _stopped(memory, held.command, now_ms, situation)
    if stopped is not None:
        return stopped
    return _answered(memory, Answer(command_id, "performed"))._replace(command=held.command, then="effect")


def restart(memory: Memory) -> tuple[Memory, tuple[Answer, ...], tuple[Command, ...]]:
    """Boot: the memory, answers to what was being carried out, and commands that still wait."""
    broken = tuple(
        Answer(one.command.command_id, "failed", "interrupted") for one in memory.held if one.acting
    )
    for answer in broken:
        memory = _answered(memory, answer).memory
    return memory, broken, tuple(one.command for one in memory.held)


def epoch_ms(at: datetime) -> int:
    """A time with its offset as whole milliseconds since the epoch, rounded down."""
    return (at - _EPOCH) // _MILLISECOND


def _why_not_at_all(memory: Memory, command: Command, now_ms: int) -> Answer | None:
    """What no waiting can mend."""
    untimely = _untimely(command, now_ms)
    if untimely is not None:
        return untimely
    if command.action not in RULES:
        return Answer(command.command_id, "refused", "not_supported")
    if len(memory.held) >= MAX_HELD:
        return Answer(command.command_id, "refused", "busy")
    return None


def _stopped(memory: Memory, command: Command, now_ms: int, situation: Situation) -> Turn | None:
    """Why it can't be done at this moment, if so: for good, or it waits."""
    untimely = _untimely(command, now_ms)
    if untimely is not None:
        return _answered(memory, untimely)
    rule = RULES[command.action]
    reason = _hindrance(rule, situation)
    if reason is None:
        return None
    if rule.waits:
        return Turn(_hold(memory, Held(command)), None, command, "begin")
    return _answered(memory, Answer(command.command_id, "refused", reason))


def _untimely(command: Command, now_ms: int) -> Answer | None:
    """Rule 3."""
    if now_ms > epoch_ms(command.expires_at):
        return Answer(command.command_id, "expired")
    if command.issued_at is not None and now_ms < epoch_ms(command.issued_at) - CLOCK_BEHIND_MS:
        return Answer(command.command_id, "refused", "clock")
    return None


def _hindrance(rule: Rule, situation: Situation) -> str | None:
    if rule.electric and not situation.electric:
        return "not_supported"
    if rule.standing and situation.moving:
        return "vehicle_moving"
    if rule.doors_shut and situation.door_open:
        return "door_open"
    if rule.plugged and not situation.plugged:
        return "not_plugged"
    return None


def _hold(memory: Memory, held: Held) -> Memory:
    others = tuple(one for one in memory.held if one.command.command_id != held.command.command_id)
    return msgspec.structs.replace(memory, held=(*others, held))


def _answered(memory: Memory, answer: Answer) -> Turn:
    held = tuple(one for one in memory.held if one.command.command_id != answer.command_id)
    answers = (*memory.answers, answer)[-MAX_ANSWERS:]
    return Turn(msgspec.structs.replace(memory, held=held, answers=answers), answer)
