"""Country, model and equipment rule a service out, each with its cause."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.adapters.availability import load_availability
from gateway.domain.services.availability import (
    EXTERNAL_SIM,
    Availability,
    Model,
    ServiceRule,
    equipment_of,
    resolve,
)
from gateway.domain.services.entitlements import SERVICES, why_not
from gateway.domain.signals import Registration
from gateway.errors import SettingsError
from gateway.settings import load
from tests.domain.cars import VIN, at

TERMS = {service: {"until": "2999-01-01T00:00:00Z"} for service in SERVICES}
TABLE = Availability(
    services={
        "charging": ServiceRule(countries=("NL", "DE")),
        "navigation": ServiceRule(except_countries=("FI",), except_models=("Classic",)),
        "functions_on_demand": ServiceRule(models=("Touring",)),
        "car_security": ServiceRule(needs=("tracking_unit",)),
    },
    models={"Touring": Model(("tracking_unit", EXTERNAL_SIM)), "Classic": Model()},
)


@pytest.mark.parametrize(
    ("country", "model", "equipment", "refused"),
    [
        pytest.param(None, None, None, {}, id="nothing known"),
        pytest.param("NL", "Touring", None, {}, id="everything fits"),
        pytest.param(
            "FI",
            "Touring",
            None,
            {"charging": "not_available_in_country", "navigation": "not_available_in_country"},
            id="country",
        ),
        pytest.param("nl-be", "Touring", None, {}, id="a country with a language"),
        pytest.param(
            "DE",
            "Classic",
            None,
            {
                "navigation": "not_available_for_model",
                "functions_on_demand": "not_available_for_model",
                "car_security": "equipment_missing",
            },
            id="model and what it has not",
        ),
        pytest.param("DE", "Touring", (), {"car_security": "equipment_missing"}, id="its own equipment"),
    ],
)
def test_what_rules_a_service_out(
    country: str | None, model: str | None, equipment: tuple[str, ...] | None, refused: dict[str, str]
) -> None:
    entry = Registration(vin=VIN, country=country, model=model, equipment=equipment, services=TERMS)
    resolved = resolve(entry, TABLE)
    assert resolved.unavailable == refused
    assert {service: why_not(resolved, service, at(0)) for service in refused} == refused
    assert all(why_not(resolved, service, at(0)) is None for service in SERVICES if service not in refused)
    assert resolve(resolved, Availability()).unavailable == {}


def test_the_shipped_table_rules_out_nothing_that_is_not_known() -> None:
    table = load_availability()
    assert set(table.services) <= set(SERVICES)
    assert resolve(Registration(vin=VIN, services=TERMS), table).unavailable == {}
    assert resolve(Registration(vin=VIN, country="NL", model="X"), table).unavailable == {}
    assert equipment_of(Registration(vin=VIN, model="X"), table) is None


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("[services.parking]", "services.parking: there is no such service"),
        ("[services.charging]\ncountry = ['NL']", "unknown field `country`"),
        ("[services", "is no TOML"),
        ("services = 3", "Expected `object`"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, body: str, sentence: str) -> None:
    path = tmp_path / "availability.toml"
    path.write_text(body)
    with pytest.raises(SettingsError, match=sentence):
        load_availability(path)
    with pytest.raises(SettingsError, match="can't be read"):
        load_availability(tmp_path / "missing.toml")


def test_a_site_names_its_own_table(tmp_path: Path) -> None:
    """The path is relative to the configuration; a mistake in the table stops the start."""
    config, own = tmp_path / "gateway.toml", tmp_path / "own.toml"
    config.write_text('[services]\navailability = "own.toml"\n')
    own.write_text('[services.charging]\ncountries = ["XX"]\n')
    assert load(config, {}).availability.services["charging"].countries == ("XX",)
    assert load(None, {}).availability == load_availability()
    own.write_text("[services.parking]\n")
    with pytest.raises(SettingsError, match=r"own.toml: services.parking: there is no such service"):
        load(config, {})
    config.write_text("[availability]\n")
    with pytest.raises(SettingsError, match=r"availability: unknown key; write \[services\] availability"):
        load(config, {})
