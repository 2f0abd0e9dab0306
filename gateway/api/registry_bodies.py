"""Bodies of requests and answers about the registry and the people of a vehicle."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from gateway.domain.people.shapes import (
    Cards,
    Contacts,
    Equipment,
    SecondaryUsers,
    SecurityCode,
    SocName,
    UserId,
    Word,
)

Proof = Annotated[
    str, Meta(max_length=256, description="Answer to a challenge with purpose `transfer`, in hex.")
]
StatedCode = Annotated[str, Meta(pattern=r"^[0-9]{8}\Z", description="Eight digits.")]
AnyVin = Annotated[str, Meta(max_length=64)]


class EntryBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Fields of the registry to change; what is left out stays. Each field has its roles."""

    driver_cards: Cards | UnsetType = UNSET
    contacts: Contacts | UnsetType = UNSET
    country: Word | UnsetType | None = UNSET
    model: Word | UnsetType | None = UNSET
    equipment: Equipment | UnsetType | None = UNSET
    language: Annotated[str, Meta(max_length=35)] | UnsetType | None = UNSET
    services: Annotated[dict[str, dict[str, Any]], Meta(max_length=16)] | UnsetType = UNSET
    soc: SocName | UnsetType = UNSET
    main_user: UserId | UnsetType | None = UNSET
    secondary_users: SecondaryUsers | UnsetType = UNSET
    challenge_response: Proof | None = None


class PastContactsView(Struct, frozen=True):
    """Contacts before a change, kept for 7 days."""

    contacts: list[dict[str, Any]]
    until: datetime


class ConsentView(Struct, frozen=True):
    """A consent, and when it was given or taken back last."""

    given: bool
    at: datetime | None


class EntryView(Struct, frozen=True):
    """The registry on a vehicle. A workshop sees no people, and services only with `dealer_data`."""

    vin: str
    country: str | None
    model: str | None
    equipment: list[str] | None
    language: str | None
    soc: str
    services: dict[str, dict[str, Any]]
    driver_cards: list[str]
    has_security_code: bool
    main_user: str | None
    secondary_users: list[str] | None
    contacts: list[dict[str, Any]] | None
    past_contacts: list[PastContactsView] | None
    consents: dict[str, ConsentView] | None


class ConsentBody(Struct, frozen=True):
    """Whether the consent is given."""

    given: bool


class KeyBody(Struct, frozen=True):
    """What a security code gives by PBKDF2-HMAC-SHA-512: 32 bytes in hex."""

    salt: Annotated[str, Meta(min_length=1, max_length=128)]
    rounds: Annotated[int, Meta(ge=1, le=10_000_000)]
    key: Annotated[str, Meta(pattern=r"^[0-9A-Fa-f]{64}\Z")]


class CodeBody(Struct, frozen=True):
    """Another security code: its key, or (less well) the code itself. An admin's empty body takes it away."""

    security_code_key: KeyBody | None = None
    security_code: SecurityCode | None = None
    challenge_response: Proof | None = None


class MadeCode(Struct, frozen=True):
    """A code of eight digits. It is shown only once and serves once."""

    code: str
    expires_at: datetime


class StatedBody(Struct, frozen=True):
    """A code, and the vehicle that it is for."""

    vin: AnyVin
    code: StatedCode


class RoleView(Struct, frozen=True):
    """What the caller is to the vehicle now."""

    vin: str
    role: Literal["main_user", "secondary_user"]


class InviteBody(Struct, frozen=True):
    """Whom to invite as a secondary user."""

    user: UserId


class InvitationView(Struct, frozen=True):
    """An invitation that was not accepted yet."""

    user: str
    expires_at: datetime


class TransferView(Struct, frozen=True):
    """A hand-over: who has given a word to it. It lapses at ``ends_at``."""

    vin: str
    status: Literal["started", "accepted", "completed", "cancelled"]
    to_user: str
    ends_at: datetime
    confirmed_by_car: bool
    code: str | None = None
    """For the next main user; shown only once."""


class UsersView(Struct, frozen=True):
    """Who may use a vehicle, and who is about to."""

    vin: str
    main_user: str | None
    secondary_users: list[str]
    invitations: list[InvitationView]
    transfer: TransferView | None


class TransferBody(Struct, frozen=True):
    """To whom the vehicle is handed over, with the proof of the security code."""

    to_user: UserId
    challenge_response: Proof | None = None


class ErasedView(Struct, frozen=True):
    """What was erased: vehicles that the person is no user of any more, and entries of the journal."""

    vehicles: list[str]
    journal_entries: int


class ExportView(Struct, frozen=True):
    """Everything that is held about a person. Secrets and what they derive from are left out."""

    user: str
    exported_at: datetime
    account: dict[str, Any] | None
    vehicles: list[dict[str, Any]]
    tokens: list[dict[str, Any]]
    notifications: list[dict[str, Any]]
    commands: list[dict[str, Any]]
    wrong_codes: list[dict[str, Any]]
    journal: list[dict[str, Any]]
    audit: list[dict[str, Any]]
