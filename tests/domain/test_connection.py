"""What a statement of the connection can't be, and that roaming holds nothing back."""

from __future__ import annotations

import pytest

from gateway.domain.services.connection import notes
from gateway.domain.signals import Connection
from tests.domain.cars import Car, at, sensor


@pytest.mark.parametrize(
    ("bearer", "source", "slot", "found"),
    [
        ("LTE", "integrated_sim", None, ()),
        ("E", "external_sim", True, ()),
        ("wifi", "phone_hotspot", False, ()),
        (None, "integrated_sim", None, ()),
        (None, None, None, ()),
        ("wifi", "integrated_sim", None, ("sim_with_wifi",)),
        ("wifi", "external_sim", False, ("sim_with_wifi", "no_external_sim_slot")),
        ("LTE", "external_sim", None, ()),
        ("LTE", "phone_hotspot", None, ("phone_without_wifi",)),
        ("5G", "satellite", None, ("unknown_bearer", "unknown_source")),
    ],
)
def test_what_can_not_be_is_noted(
    bearer: str | None, source: str | None, slot: bool | None, found: tuple[str, ...]
) -> None:
    stated = Connection(received_at=at(0), online=True, bearer=bearer, source=source)
    assert notes(stated, external_sim=slot) == found


@pytest.mark.parametrize("roaming", [True, False, None])
@pytest.mark.parametrize("bearer", ["E", None, "5G"])
def test_an_alarm_passes_whatever_the_connection_says(roaming: bool | None, bearer: str | None) -> None:
    stated = Connection(received_at=at(0), online=True, bearer=bearer, source="external_sim", roaming=roaming)
    car = Car().live([stated, sensor("a", 1)], until_s=3)
    assert car.raised == ["intrusion"]
    assert car.vehicle.stated["connection"] == stated
