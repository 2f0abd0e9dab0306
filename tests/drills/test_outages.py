"""Broker away, a fleet that reconnects, one vehicle that floods: nothing of anybody's is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import flood, outage, storm
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
