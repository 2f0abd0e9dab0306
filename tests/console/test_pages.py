"""The pages behind the queue, in a real browser."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

from gateway.domain.signals import Connection, DataBundle, DriverCard, Registration
from gateway.ports import AuditEntry, DeliveryRow, Park, SignalValue
from tests.api.doubles import OTHER, VIN, Gateway
from tests.api.serving import served
from tests.console.conftest import enter, picture, violations
from tests.support.browser import NewPage

SCRIPT = "<script>document.title = 'owned'</script><img src=x>"


async def theft(gateway: Gateway) -> None:
    """A theft with two alarms, and a vehicle whose signals are known."""
    await gateway.trigger("tamper", detail=SCRIPT)
    gateway.clock.move(9)
    await gateway.trigger("intrusion")
    gateway.clock.move(40)
    at = gateway.clock.now()
    here = "Vehicle.CurrentLocation."
    values = {"Vehicle.Speed": 43.2, f"{here}Latitude": 52.1, f"{here}Longitude": 4.3}
    for vin in (VIN, OTHER):
        gateway.signal_values[vin] = {name: SignalValue(value, at) for name, value in values.items()}


# In one turn, as where a frame takes long: that the first was closed is told after the second opens.
TWO_QUESTIONS = """async () => {
  const { ask, field, h } = await import("/console/js/dom.js");
  const put = (value) => ask(value, [field("said", "Said", h("input", { value }))],
    { confirm: "Yes", cancel: "No" });
  const dialog = document.getElementById("dialog");
  const press = (which) => dialog.querySelector(which).click();
  const first = put("one");
  press("[type=submit]");
  const second = put("two");
  for (let frame = 0; frame < 3; frame++) await new Promise((done) => { requestAnimationFrame(done); });
  press("[type=submit]");
  const third = put("three");
  press("[type=button]");
  return [await first, await second, await third];
}"""


async def test_a_question_right_after_another_is_answered_too(gateway: Gateway, page: Page) -> None:
    async with served(gateway) as url:
        await enter(gateway, page, url)
        assert await page.evaluate(TWO_QUESTIONS) == [{"said": "one"}, {"said": "two"}, None]


async def test_of_two_pages_asked_for_in_a_row_the_last_is_shown(gateway: Gateway, page: Page) -> None:
    go_on = asyncio.Event()

    async def hold(route: Route) -> None:
        await go_on.wait()
        await route.continue_()

    async with served(gateway) as url:
        await enter(gateway, page, url, "alex", "auditor")
        await page.route("**/js/vehicles.js", hold)
        await page.evaluate("() => { location.hash = 'vehicles'; }")
        await expect(page.locator("#page > *")).to_have_count(0)
        await page.evaluate("() => { location.hash = 'audit'; }")
        await expect(page.locator("#page h1")).to_have_text("Audit")
        go_on.set()
        await page.evaluate("async () => { await import('/console/js/vehicles.js'); }")
        assert await page.locator("#page h1").all_text_contents() == ["Audit"]


@pytest.mark.parametrize(("language", "theme"), [("en", "light"), ("nl", "dark")])
async def test_an_alarm_shows_what_happened_what_to_ask_and_where(
    gateway: Gateway, new_page: NewPage, language: str, theme: str
) -> None:
    await theft(gateway)
    async with served(gateway) as url:
        page = await new_page(locale=language, color_scheme=theme)
        await enter(gateway, page, url)
        await page.keyboard.press("Home")
        await page.keyboard.press("Enter")
        # What vehicles stated; what became of it stands in the case's own entries, and this case has none.
        await expect(page.locator(".timeline li")).to_have_count(2)
        await expect(page.locator(".timeline")).to_contain_text("<script>")
        states = "The car states 'intrusion' (door)." if language == "en" else "Inbraak\u2019 (deur)."
        await expect(page.locator(".timeline")).to_contain_text(states)
        assert await page.locator(".timeline img, .timeline script").count() == 0
        await expect(page.locator(".questions li")).to_have_count(5)
        await expect(page.locator(".where b")).to_have_text("52.10000, 4.30000")
        await expect(page.locator(".map canvas")).to_be_visible()
        await expect(page.locator(".clock")).to_have_class("clock overdue")
        assert await violations(page) == []
        await picture(page, f"alarm-{language}-{theme}")
        await page.keyboard.press("a")
        await expect(page.locator(".alarm .head")).to_contain_text("kim")
        wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0
        await page.keyboard.press("Escape")
        await expect(page.locator(".row .whose")).to_have_text("kim")


async def test_two_operators_see_at_once_who_has_it(gateway: Gateway, new_page: NewPage) -> None:
    await gateway.trigger("tamper")
    async with served(gateway) as url:
        kim, sam = await new_page(), await new_page()
        await enter(gateway, kim, url)
        await enter(gateway, sam, url, "sam")
        await kim.keyboard.press("a")
        await expect(sam.locator(".row .whose")).to_have_text("kim")
        await expect(sam.locator(".press:visible")).to_have_count(0)


async def test_a_new_critical_alarm_is_told_on_every_page(gateway: Gateway, new_page: NewPage) -> None:
    async with served(gateway) as url:
        page = await new_page()
        await enter(gateway, page, url)
        await page.keyboard.press("g")
        await page.keyboard.press("v")
        await expect(page.locator("#page h1")).to_have_text("Vehicles")
        await gateway.trigger("hold_up", OTHER)
        await page.locator("#newest").click()
        await expect(page.locator(".alarm h1")).to_have_text("Hold-up button")
        await expect(page.locator(".warning")).to_contain_text("Police first")


async def test_a_position_is_sealed_until_a_reason_is_given_and_audited(
    gateway: Gateway, new_page: NewPage
) -> None:
    await theft(gateway)
    async with served(gateway) as url:
        page = await new_page()
        await enter(gateway, page, url)
        await page.goto(f"{url}/#vehicle/{OTHER}")
        await expect(page.locator(".vehicle")).to_contain_text("The position is sealed")
        await expect(page.locator(".vehicle")).not_to_contain_text("52.1")
        await page.get_by_text("Break the seal").click()
        await page.locator("#dialog input").fill("Police asks, reference 4711")
        await page.locator("#dialog button.danger").click()
        await expect(page.locator(".vehicle")).to_contain_text("52.10000, 4.30000")
        assert await violations(page) == []
        await picture(page, "vehicle")
    reads = [entry.details for entry in gateway.store.trail if entry.action == "vehicle.read"]
    assert [one["position"] for one in reads if one.get("reason")] == ["break_glass"]


@pytest.mark.parametrize(("language", "theme"), [("en", "dark"), ("nl", "light")])
async def test_a_vehicles_test_alarm_shows_both_halves_of_its_way(
    gateway: Gateway, new_page: NewPage, language: str, theme: str
) -> None:
    await theft(gateway)
    async with served(gateway) as url:
        page = await new_page(locale=language, color_scheme=theme)
        await enter(gateway, page, url)
        await page.goto(f"{url}/#vehicle/{VIN}")
        await expect(page.locator(".vehicle h1")).to_have_text(VIN)
        await page.keyboard.press("t")
        await expect(page.locator(".tested td .badge.good")).to_be_visible()
        await expect(page.locator(".tested")).to_contain_text("42 ms")
        assert await violations(page) == []
        await picture(page, f"test-alarm-{language}-{theme}")
        gateway.answer = Park("HTTP 422")
        await page.keyboard.press("t")
        await expect(page.locator(".tested")).to_contain_text("HTTP 422")
    assert len(gateway.store.feed) == 2


async def test_who_watches_the_gateway_sees_deliveries_audit_and_quarantine(
    gateway: Gateway, new_page: NewPage
) -> None:
    gateway.store.parked = [
        DeliveryRow(1, "soc", "default", 7, VIN, True, "parked", 3, "HTTP 422", gateway.clock.now())
    ]
    gateway.store.bad = [
        {"n": 1, "topic": "v1/x", "sha256": "ab", "reason": "no JSON", "payload": SCRIPT, "count": 3}
    ]
    async with served(gateway) as url:
        page = await new_page()
        await enter(gateway, page, url, "alex", "auditor")
        await page.goto(f"{url}/#vehicles")
        await expect(page.locator("#page h1")).to_have_text("Vehicles")
        for name, text in (("deliveries", "HTTP 422"), ("audit", "alex"), ("quarantine", "<script>")):
            await page.goto(f"{url}/#{name}")
            await expect(page.locator("#page table")).to_contain_text(text)
            assert await violations(page) == []
            await picture(page, name)
        assert await page.locator("pre img, pre script").count() == 0
        await page.goto(f"{url}/#deliveries")
        async with page.expect_response("**/resend"):
            await page.get_by_text("Send again").click()
        await page.get_by_text("Test alarm to soc").click()
        await expect(page.locator("p[role=status]").first).to_contain_text("soc: delivered")
    assert gateway.poked == [("soc", VIN)]


async def test_the_audit_trail_begins_with_the_newest_goes_both_ways_and_is_filtered(
    gateway: Gateway, new_page: NewPage
) -> None:
    async with served(gateway) as url:
        page = await new_page()
        await enter(gateway, page, url, "alex", "auditor")
        who = ("Ada", "Bo")
        now = gateway.clock.now()
        await gateway.store.audit([AuditEntry(now, who[n % 2], "act", f"c{n}") for n in range(250)])
        await page.keyboard.press("g")
        await page.keyboard.press("l")
        first = page.locator("#page tbody tr").first
        await expect(first).to_contain_text("c249")
        await expect(page.locator("#page tbody tr")).to_have_count(100)
        await page.keyboard.press("ArrowRight")
        await expect(first).to_contain_text("c149")
        await page.keyboard.press("ArrowLeft")
        await expect(first).to_contain_text("c249")
        await first.get_by_role("button", name="c249").click()
        await expect(page.locator("#page tbody tr")).to_have_count(1)
        await page.keyboard.press("Escape")
        await expect(page.locator("#page tbody tr")).to_have_count(100)
        await page.locator("#field-actor").fill("Ada")
        await page.keyboard.press("Enter")
        await expect(first).to_contain_text("c248")
        assert await violations(page) == []
        await picture(page, "audit-filtered")


async def test_the_desk_meter_can_be_read(gateway: Gateway, new_page: NewPage) -> None:
    await theft(gateway)
    async with served(gateway) as url:
        page = await new_page(locale="nl", color_scheme="dark")
        await enter(gateway, page, url)
        await page.keyboard.press("a")
        await page.goto(f"{url}/#meter")
        await expect(page.locator(".tile b").first).to_have_text("2")
        await expect(page.locator(".plot canvas")).to_have_count(2)
        assert await violations(page) == []
        await picture(page, "meter")


def known(gateway: Gateway) -> Registration:
    """A vehicle with two Driver Cards, one of them its own, and a service that has ended."""
    ends = "2027-01-01T00:00:00Z"
    services: dict[str, dict[str, Any]] = {
        "car_security": {"until": ends, "certified": True},
        "remote_access": {"until": "2026-01-01T00:00:00Z"},
    }
    entry = Registration(vin=VIN, country="NL", model="Estate", driver_cards=("DC-1",), services=services)
    gateway.store.registry[VIN] = entry
    return entry


async def test_a_vehicles_page_and_the_unprotected_say_all_in_the_readers_language(
    gateway: Gateway, new_page: NewPage
) -> None:
    await gateway.register(known(gateway))
    await gateway.trigger("battery_low")
    now: dict[str, Any] = {"received_at": gateway.clock.now(), "occurred_at": gateway.clock.now()}
    for number, card in enumerate(("DC-1", "DC-9")):
        await gateway.act(
            VIN, DriverCard(**now, event_id=f"c{number}", present=True, card_id=card, battery="low")
        )
    await gateway.act(VIN, DataBundle(**now, event_id="b", bundle_id="B1", used_mb=820, total_mb=1000))
    await gateway.trigger("jamming_gsm")
    gateway.clock.move(60)
    await gateway.act(VIN, Connection(received_at=gateway.clock.now(), online=False))
    async with served(gateway) as url:
        page = await new_page(locale="nl")
        await enter(gateway, page, url)
        await page.keyboard.press("End")
        await page.keyboard.press("c")
        await page.locator("#dialog select").select_option("battery")
        await page.locator("#dialog button.danger, #dialog button.main").first.click()
        await expect(page.locator(".row:visible")).to_have_count(0)
        await page.goto(f"{url}/#vehicle/{VIN}")
        for text in (
            "kort daarvoor meldde het \u2018",
            "Autobeveiliging",
            "verlopen",
            "820 van 1.000 MB gebruikt",
            "batterij zwak, hoort niet bij dit voertuig",
            "Gesloten",
        ):
            await expect(page.locator(".vehicle")).to_contain_text(text)
        assert await violations(page) == []
        await picture(page, "vehicle-nl")
        await page.goto(f"{url}/#unprotected")
        await expect(page.locator("#page td ul").first).to_contain_text("Stilgevallen tijdens storing")
        await expect(page.locator("#page")).not_to_contain_text("heard")
