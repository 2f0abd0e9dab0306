"""
Which service can be had where, in which model, with what built in.

What is not known refuses nothing: a vehicle without a stated country or equipment has every service that its
table entry does not rule out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from gateway.domain.signals import Registration

EXTERNAL_SIM = "external_sim_slot"

Unavailable = Literal["not_available_in_country", "not_available_for_model", "equipment_missing"]

Name = Annotated[str, Meta(min_length=1, max_length=64)]


class ServiceRule(Struct, frozen=True, forbid_unknown_fields=True):
    """Where one service can be had. An empty list rules nothing out."""

    countries: tuple[Name, ...] = ()
    """Only there (ISO 3166-1, two letters)."""
    except_countries: tuple[Name, ...] = ()
    models: tuple[Name, ...] = ()
    except_models: tuple[Name, ...] = ()
    needs: tuple[Name, ...] = ()
    """Equipment."""


class Model(Struct, frozen=True, forbid_unknown_fields=True):
    """One model."""

    equipment: tuple[Name, ...] = ()


class Availability(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole table."""

    services: Mapping[str, ServiceRule] = {}
    models: Mapping[str, Model] = {}


EVERYWHERE = Availability()
"""Rules nothing out."""


def unavailable(registration: Registration, service: str, table: Availability) -> Unavailable | None:
    """Why a vehicle can't have a service at all; None: it can."""
    rule = table.services.get(service)
    if rule is None:
        return None
    country, model = country_of(registration), registration.model
    if country is not None and (
        country in rule.except_countries or (rule.countries and country not in rule.countries)
    ):
        return "not_available_in_country"
    if model is not None and (model in rule.except_models or (rule.models and model not in rule.models)):
        return "not_available_for_model"
    equipment = equipment_of(registration, table)
    if equipment is not None and any(one not in equipment for one in rule.needs):
        return "equipment_missing"
    return None


def resolve(registration: Registration, table: Availability) -> Registration:
    """The entry with ``unavailable`` worked out anew, by the table as it is now."""
    causes = {service: unavailable(registration, service, table) for service in table.services}
    found: dict[str, str] = {service: cause for service, cause in causes.items() if cause is not None}
    return registration if found == registration.unavailable else replace(registration, unavailable=found)


def equipment_of(registration: Registration, table: Availability) -> tuple[str, ...] | None:
    """What is built in: as the registry states it, else as the model has it; None: not known."""
    if registration.equipment is not None:
        return registration.equipment
    model = table.models.get(registration.model or "")
    return None if model is None else model.equipment


def country_of(registration: Registration) -> str | None:
    """The country's two letters; a language behind them is left out."""
    country = (registration.country or "").replace("_", "-").partition("-")[0].strip().upper()
    return country or None
