"""
Acts of people on the registry and on who may use a vehicle.

Whether the caller is who it says it is was checked before. A code never stands in a fact: what was stored of
it does, and which stored one an answer fits.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from gateway.domain.signals import RegistryAct


class PersonAct(RegistryAct, frozen=True, kw_only=True):
    """Who acts: ``by`` for the audit trail, ``user`` where the person is one."""

    by: str
    role: str
    user: str | None = None


class ProvenAct(PersonAct, frozen=True, kw_only=True):
    """An act that the main user proves with the security code (purpose ``transfer``)."""

    answered: bool = False
    """A challenge response came with it."""
    challenge: str | None = None
    """The challenge that the response fits; None: it fits none."""


class Consent(PersonAct, frozen=True, kw_only=True):
    """The main user gives a consent or takes it back."""

    consent: str
    given: bool


class Changes(Struct, frozen=True, omit_defaults=True):
    """Fields of the registry that change; what is left out stays."""

    driver_cards: tuple[str, ...] | UnsetType = UNSET
    contacts: tuple[dict[str, Any], ...] | UnsetType = UNSET
    country: str | UnsetType | None = UNSET
    model: str | UnsetType | None = UNSET
    equipment: tuple[str, ...] | UnsetType | None = UNSET
    language: str | UnsetType | None = UNSET
    services: dict[str, dict[str, Any]] | UnsetType = UNSET
    soc: str | UnsetType = UNSET
    main_user: str | UnsetType | None = UNSET
    secondary_users: tuple[str, ...] | UnsetType = UNSET

    @property
    def stated(self) -> dict[str, Any]:
        """Name and new value of each field that changes."""
        found = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: value for name, value in found.items() if value is not UNSET}


class ChangeEntry(ProvenAct, frozen=True, kw_only=True):
    """A person changes fields of the registry."""

    changes: Changes


class ChangeCode(ProvenAct, frozen=True, kw_only=True):
    """The main user sets another security code, or an admin resets it (``key`` None: there is none then)."""

    key: dict[str, Any] | None = None


class Hashed(Struct, frozen=True, array_like=True):
    """What is kept of a code: it can't be guessed from this in its life. The salt is its identity as well."""

    salt: str
    hashed: str


class MakePairingCode(PersonAct, frozen=True, kw_only=True):
    """An admin or a workshop makes the code that binds a vehicle to its main user."""

    code: Hashed


class Pair(PersonAct, frozen=True, kw_only=True):
    """A person states a pairing code; ``fits`` names the one that it is."""

    fits: str | None = None


class Invite(PersonAct, frozen=True, kw_only=True):
    """The main user invites a secondary user."""

    invited: str
    code: Hashed


class Join(PersonAct, frozen=True, kw_only=True):
    """An invited person states the code of the invitation."""

    fits: str | None = None


class RemoveUser(PersonAct, frozen=True, kw_only=True):
    """The main user, an admin or the person ends a secondary user's rights, or an invitation."""

    removed: str


class StartTransfer(ProvenAct, frozen=True, kw_only=True):
    """The main user hands the vehicle over to another person."""

    to_user: str
    code: Hashed


class AcceptTransfer(PersonAct, frozen=True, kw_only=True):
    """The next main user states the code of the hand-over."""

    fits: str | None = None


class CancelTransfer(PersonAct, frozen=True, kw_only=True):
    """The hand-over is called off."""


class EraseUser(PersonAct, frozen=True, kw_only=True):
    """A person's account is deleted: nothing of the person stays with the vehicle."""

    erased: str


class Certify(PersonAct, frozen=True, kw_only=True):
    """A workshop or an admin has checked the installation, or seen a test alarm arrive."""

    method: Literal["installation_check", "test_alarm"]
    note: str = ""
