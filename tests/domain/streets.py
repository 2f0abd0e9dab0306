"""A vehicle whose people change: who owns it, who uses it, with which code."""

from __future__ import annotations

from typing import Any

from gateway.domain.effects import Audited, Notify, Refused, Register
from gateway.domain.people.facts import (
    AcceptTransfer,
    ChangeEntry,
    Changes,
    Hashed,
    Invite,
    StartTransfer,
)
from gateway.domain.security_code import key_of
from gateway.domain.signals import Challenged, Close, Mode, Registered, Registration
from tests.domain.cars import START, VIN, Car, at, sensor, times

CODE = {"salt": "aa", "rounds": 2, "key": key_of("1234", "aa", 2).hex()}
DAY = 86_400.0
SERVICES = {"car_security": {"until": "2027-01-01T00:00:00Z", "certified": True}}
CONTACTS = ({"name": "Anna", "phone": "+31201234567"},)


class Street:
    """A car with its people; each act a second after the one before."""

    def __init__(self, **entry: Any) -> None:
        self.car, self.second = Car(), 0.0
        fields: dict[str, Any] = {
            "main_user": "anna",
            "security_code_key": CODE,
            "services": SERVICES,
            **entry,
        }
        self.car.take(Registered(received_at=START, registration=Registration(vin=VIN, **fields)))

    @property
    def entry(self) -> Registration:
        assert self.car.vehicle.registration is not None
        return self.car.vehicle.registration

    def later(self, seconds: float) -> None:
        self.second += seconds
        self.car.wait(at(self.second))

    def act(self, kind: Any, user: str | None, role: str = "main_user", **fields: Any) -> list[str]:
        """Act; returns the codes of refusals."""
        self.second += 1
        by = user or role
        fact = kind(received_at=at(self.second), by=by, role=role, user=user, **fields)
        effects = self.car.take(fact)
        registers = [one.registration for one in effects if isinstance(one, Register)]
        assert not registers or registers[-1] == self.car.vehicle.registration
        assert any(isinstance(one, Audited) for one in effects)
        return [one.code for one in effects if isinstance(one, Refused)]

    def prove(self, user: str = "anna") -> dict[str, Any]:
        self.second += 1
        challenge = f"c{self.second}"
        self.car.take(
            Challenged(received_at=at(self.second), challenge=challenge, user=user, purpose="transfer")
        )
        return {"answered": True, "challenge": challenge}

    def change(self, role: str, user: str | None = None, *, proof: Any = None, **changes: Any) -> list[str]:
        return self.act(ChangeEntry, user, role, changes=Changes(**changes), **(proof or {}))

    def states(self, enabled: bool, occurred_s: float | None = None) -> None:
        """Let the car state that remote access was switched."""
        self.second += 1
        occurred = self.second if occurred_s is None else occurred_s
        clocks = times(occurred, self.second)
        self.car.take(Mode(event_id=f"m{self.second}", remote_access_enabled=enabled, **clocks))

    def alarm(self) -> str:
        self.second += 1
        self.car.take(sensor(f"e{self.second}", self.second))
        return self.car.vehicle.alarms["intrusion"].alarm_id

    def close(self, alarm_id: str) -> None:
        self.second += 1
        self.car.take(Close(received_at=at(self.second), alarm_id=alarm_id, by="kim", disposition="test"))

    def hand_over(self, to: str = "carl") -> list[str]:
        """Both persons' words; the car's is still to come."""
        refused = self.act(StartTransfer, "anna", to_user=to, code=Hashed("t1", "h"), **self.prove())
        return refused or self.act(AcceptTransfer, to, fits="t1")

    def told(self) -> list[tuple[str, str]]:
        return [(one.user, one.code) for one in self.car.effects if isinstance(one, Notify)]

    def audit(self) -> list[str]:
        return [one.action for one in self.car.effects if isinstance(one, Audited)]


def invite(street: Street, user: str, salt: str) -> list[str]:
    return street.act(Invite, "anna", invited=user, code=Hashed(salt, "h"))
