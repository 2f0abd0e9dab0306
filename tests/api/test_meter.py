"""The desk meter counts what really went by."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.api.meter import share_s
from tests.api.conftest import Client
from tests.api.doubles import OTHER, VIN, Gateway


@given(st.lists(st.floats(min_value=0, max_value=1e6), min_size=1), st.sampled_from([80.0, 98.5]))
def test_so_many_of_a_hundred_were_answered_within_it(waited_s: list[float], percent: float) -> None:
    limit_s = share_s(waited_s, percent)
    assert limit_s in waited_s
    assert limit_s is not None
    assert sum(one <= limit_s for one in waited_s) >= len(waited_s) * percent / 100 - 1e-9
    assert sum(one < limit_s for one in waited_s) < len(waited_s) * percent / 100


async def test_load_answers_nuisance_and_false_share(gateway: Gateway, client: Client) -> None:
    bearer, alarm = gateway.bearer("operator"), ""
    for cause, vin in (("tamper", VIN), ("intrusion", VIN), ("tilt", VIN), ("tamper", OTHER)):
        alarm = await gateway.trigger(cause, vin)
        gateway.clock.move(20)
        await client.post(f"/api/v1/alarms/{alarm}/acknowledge", headers=bearer)
    await client.post(f"/api/v1/alarms/{alarm}/close", headers=bearer, json={"disposition": "workshop"})
    found = (await client.get("/api/v1/desk-meter?hours=1", headers=bearer)).json()
    assert sum(one["raised"] for one in found["periods"]) == 4
    answered = [one for one in found["periods"] if one["acknowledged"]]
    assert sum(one["acknowledged"] for one in answered) == sum(one["count"] for one in found["answered"])
    assert all(one["p98_5_s"] >= one["p80_s"] > 0 for one in answered)
    assert not any(one["flood"] for one in found["periods"])
    assert sum(one["critical"] for one in found["periods"]) == 2
    assert found["answered"] == [
        {"severity": "critical", "count": 2, "p80_s": 20.0, "p98_5_s": 20.0},
        {"severity": "other", "count": 2, "p80_s": 20.0, "p98_5_s": 20.0},
    ]
    assert found["nuisance"] == [{"vin": VIN, "alarms": 3}]
    assert found["false_share"] == [{"cause": "tamper", "closed": 1, "false": 1}]
    assert (found["floods"], found["stale"], found["whole"]) == (0, 0, True)


async def test_a_flood_and_what_stays_open_are_told(gateway: Gateway, client: Client) -> None:
    for number in range(11):
        await gateway.trigger("tamper", f"WVWZZZ1JZXW{number:06}")
    bearer = gateway.bearer("operator")
    assert (await client.get("/api/v1/desk-meter", headers=bearer)).json()["floods"] == 1
    gateway.clock.move(25 * 3600)
    bearer = gateway.bearer("operator")
    found = (await client.get("/api/v1/desk-meter", headers=bearer)).json()
    assert (found["stale"], found["floods"]) == (11, 0)


async def test_only_what_is_young_enough_is_read(gateway: Gateway, client: Client) -> None:
    """The first message of the time is found by halving; none before it and all from it are counted."""
    for hours in range(9):
        for number in range(hours):
            await gateway.trigger("tamper", f"WVWZZZ1JZXW{hours:03}{number:03}")
        gateway.clock.move(3600)
    bearer = gateway.bearer("operator")
    for hours in (1, 2, 5, 8, 9):
        found = (await client.get(f"/api/v1/desk-meter?hours={hours}", headers=bearer)).json()
        assert (found["whole"], sum(one["raised"] for one in found["periods"])) == (
            True,
            sum(range(9 - hours, 9)),
        )
