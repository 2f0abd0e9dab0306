"""Broker away, a fleet that reconnects, one vehicle that floods, too many alarms: nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import flood, outage, overload, storm
from devtools.mosquitto import Mosquitto

pytestmark = pytest.mark.drill


@pytest.mark.parametrize("plan", [outage.Plan(), storm.USUAL], ids=["outage", "storm"])
def test_nothing_is_lost_while_the_broker_is_away(
    plan: outage.Plan, tmp_path: Path, mosquitto: Mosquitto
) -> None:
    outcome = outage.run(plan, tmp_path)
    assert outcome.complaints() == [], outcome.evidence


def test_one_vehicle_s_flood_costs_no_other_s_alarm(tmp_path: Path, mosquitto: Mosquitto) -> None:
    outcome = flood.run(flood.Plan(), tmp_path)
    assert outcome.complaints() == [], outcome.evidence


def test_more_alarms_than_can_be_served_are_receipted_later(tmp_path: Path, mosquitto: Mosquitto) -> None:
    outcome = overload.run(overload.Plan(), tmp_path)
    assert outcome.complaints() == [], outcome.evidence
