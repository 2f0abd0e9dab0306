"""Acts of people on the registry. Whether the caller is who it says it is was checked before."""

from __future__ import annotations

from gateway.domain.signals import RegistryAct


class PersonAct(RegistryAct, frozen=True, kw_only=True):
    """Who acts: ``by`` for the audit trail, ``user`` where the person is one."""

    by: str
    role: str
    user: str | None = None


class Consent(PersonAct, frozen=True, kw_only=True):
    """The main user gives a consent or takes it back."""

    consent: str
    given: bool
