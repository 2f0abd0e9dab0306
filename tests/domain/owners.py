"""A car with an owner in a test: everything that remote access asks for is there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway.domain.effects import Audited, Effect
from gateway.domain.remote_access.effects import CommandChanged, RequestAnswered
from gateway.domain.remote_access.facts import CommandRequested, Stated
from gateway.domain.remote_access.state import Command
from gateway.domain.signals import (
    Challenged,
    CommandResult,
    Connection,
    Mode,
    Movement,
    Registered,
    Registration,
)
from tests.domain.cars import VIN, Car, at, ignition, times

UNTIL = "2030-01-01T00:00:00Z"
ENTRY = Registration(
    vin=VIN,
    main_user="anna",
    secondary_users=("bert",),
    security_code_key={"salt": "5a17", "rounds": 10, "key": "00" * 32},
    services={"remote_access": {"until": UNTIL}},
)
PARKED = Stated(moving=False, moving_at=at(0), ignition_on=False, ignition_at=at(0), door_open=False)


def request(
    seconds: float, action: str = "lock", request_id: str | None = "r-1", **more: Any
) -> CommandRequested:
    """Anna asks, and her parked car is known to be parked; ``issued_s`` is when she says that she does."""
    issued_s = more.pop("issued_s", seconds)
    given: dict[str, Any] = {"by": "anna", "user": "anna", "stated": PARKED, **more}
    return CommandRequested(
        received_at=at(seconds),
        issued_at=None if issued_s is None else at(issued_s),
        request_id=request_id,
        action=action,
        **given,
    )


def soc_request(
    seconds: float, person: str, action: str = "block_engine_start", **more: Any
) -> CommandRequested:
    """Let an operator ask; the request id is the person's own."""
    more = {"request_id": f"r-{person}", "approval_key": "the same call", **more}
    return request(seconds, action, by=person, user=f"soc:{person}", role="operator", **more)


def result(
    seconds: float, command_id: str, status: Any = "performed", event_id: str = "e-1", **more: Any
) -> CommandResult:
    return CommandResult(event_id=event_id, command_id=command_id, status=status, **times(seconds), **more)


def online(seconds: float) -> Connection:
    return Connection(online=True, **times(seconds))


def offline(seconds: float) -> Connection:
    return Connection(online=False, received_at=at(seconds))


class OwnedCar(Car):
    """Registered, enabled, parked and online, unless told otherwise."""

    def __init__(
        self, entry: Registration | None = ENTRY, *, enabled: bool = True, is_online: bool = True
    ) -> None:
        super().__init__()
        if entry is not None:
            self.take(Registered(received_at=at(0), registration=entry))
        self.take(ignition(on=False, occurred_s=0))
        self.take(Movement(moving=False, **times(0)))
        if enabled:
            self.take(Mode(event_id="m-0", remote_access_enabled=True, **times(0)))
        self.take(online(0) if is_online else offline(0))
        self.effects.clear()

    def asked(
        self, seconds: float, challenge: str = "c-1", user: str = "anna", purpose: str = "unlock"
    ) -> str:
        """Give somebody a challenge."""
        self.take(Challenged(received_at=at(seconds), challenge=challenge, user=user, purpose=purpose))
        return challenge

    def ask(self, fact: CommandRequested) -> list[tuple[str, str | None]]:
        """Statuses and reasons that this request was answered."""
        return answers(self.take(fact))

    @property
    def commands(self) -> list[Command]:
        """Every command that was published."""
        return [one.command for one in self.effects if isinstance(one, CommandChanged) and one.send]

    @property
    def statuses(self) -> list[str]:
        """Every status in the order in which it was told."""
        return [status for status, _ in answers(self.effects)]

    @property
    def audited(self) -> list[Audited]:
        return [one for one in self.effects if isinstance(one, Audited)]


def answers(effects: Iterable[Effect]) -> list[tuple[str, str | None]]:
    """What a person was told."""
    told: list[tuple[str, str | None]] = []
    for one in effects:
        if isinstance(one, CommandChanged):
            told.append((one.command.status, one.command.reason))
        elif isinstance(one, RequestAnswered):
            told.append((one.status, one.reason))
    return told
