"""How a vehicle says that it is connected, and what of it can't be: a note for people, nothing more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from gateway.domain.signals import Connection

Note = Literal[
    "sim_with_wifi", "phone_without_wifi", "no_external_sim_slot", "unknown_bearer", "unknown_source"
]

WIFI = "wifi"
BEARERS = ("LTE", "3G", "E", WIFI)
"""Without a letter there is no data."""
INTEGRATED_SIM, EXTERNAL_SIM, PHONE = SOURCES = ("integrated_sim", "external_sim", "phone_hotspot")


def notes(stated: Connection, *, external_sim: bool | None) -> tuple[Note, ...]:
    """What can't be; ``external_sim``: whether the model has a slot for one (None: not known)."""
    return tuple(_notes(stated, external_sim=external_sim))


def _notes(stated: Connection, *, external_sim: bool | None) -> Iterator[Note]:
    bearer, source = stated.bearer, stated.source
    if bearer is not None and bearer not in BEARERS:
        yield "unknown_bearer"
    if source is not None and source not in SOURCES:
        yield "unknown_source"
    if bearer == WIFI and source in (INTEGRATED_SIM, EXTERNAL_SIM):
        yield "sim_with_wifi"
    if source == PHONE and bearer in BEARERS and bearer != WIFI:
        yield "phone_without_wifi"
    if source == EXTERNAL_SIM and external_sim is False:
        yield "no_external_sim_slot"
