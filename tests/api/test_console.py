"""The operators' page in a real browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright, expect

from devtools.broker import HOST, free_ports
from tests.api.doubles import OTHER, VIN, Gateway
from tests.api.serving import served

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
REQUIRED = "browser" in os.environ.get("GATEWAY_REQUIRE", "")
expect.set_options(timeout=30_000)
PICTURES = os.environ.get("GATEWAY_PICTURES")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None and not REQUIRED,
        reason="no chromium on PATH; GATEWAY_REQUIRE=browser makes this a failure",
    ),
]


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    assert CHROMIUM is not None, "GATEWAY_REQUIRE asks for a browser and there is no chromium on PATH"
    async with async_playwright() as playwright:
        # Chromium's sandbox does not start as root, as in many containers.
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await browser.new_page(viewport={"width": 1280, "height": 800})
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield page
        await browser.close()
        assert errors == []


async def picture(page: Page, name: str) -> None:
    """Keep a picture where GATEWAY_PICTURES says, for whoever works on the page."""
    if PICTURES:
        await page.screenshot(path=str(Path(PICTURES) / f"{name}.png"))


async def test_an_alarm_arrives_live_and_is_acknowledged_and_closed(gateway: Gateway, page: Page) -> None:
    await gateway.trigger("battery_low", OTHER)
    async with served(gateway) as url:
        await page.goto(f"{url}/#token={gateway.token('operator')}")
        await expect(page.locator("#link-text")).to_have_text("Live")
        assert "token" not in page.url
        await expect(page.locator(".alarm")).to_have_count(1)

        await gateway.trigger("tamper")
        row = page.locator(".alarm.critical")
        await expect(row.locator(".cause")).to_have_text("Security unit manipulated")
        await expect(row.locator(".vin")).to_have_text(VIN)
        await expect(page.locator("#spoken")).to_contain_text("Critical")
        await expect(page.locator("#total-critical")).to_have_text("1")

        await row.locator(".head").focus()
        await page.keyboard.press("Enter")
        await expect(row.locator(".evidence li")).to_contain_text(["The car states 'tamper'"])
        await page.keyboard.press("a")
        await expect(row.locator(".state")).to_have_text("Acknowledged by operator")
        await picture(page, "acknowledged")

        await row.locator(".finish").click()
        await row.locator("select").select_option("workshop")
        await row.locator("input[name=note]").fill("Forgot to say so")
        await row.locator(".closing .main").click()
        await expect(row.locator(".state")).to_contain_text("Closed")
    assert [message.type for message in gateway.store.feed][-2:] == ["alarm.acknowledged", "alarm.closed"]


async def test_what_a_vehicle_says_is_text_and_never_markup(gateway: Gateway, page: Page) -> None:
    await gateway.trigger("tamper", detail="<img src=x onerror=document.title='owned'>")
    async with served(gateway) as url:
        await page.goto(f"{url}/#token={gateway.token('operator')}")
        await page.locator(".alarm .head").click()
        await expect(page.locator(".evidence")).to_contain_text("<img src=x")
        assert await page.locator(".evidence img").count() == 0
        assert await page.title() == "(1) Alarms"


async def test_a_restart_of_the_gateway_costs_no_alarm_and_shows_none_twice(
    gateway: Gateway, page: Page
) -> None:
    listen = f"{HOST}:{free_ports(1)[0]}"
    async with served(gateway, listen) as url:
        await page.goto(f"{url}/#token={gateway.token('operator')}")
        await expect(page.locator("#link-text")).to_have_text("Live")
    await expect(page.locator("#link")).to_have_attribute("data-state", "lost")
    for cause in ("tamper", "intrusion", "tilt"):
        await gateway.trigger(cause)
    async with served(gateway, listen):
        await expect(page.locator(".alarm")).to_have_count(3)
        await expect(page.locator("#link-text")).to_have_text("Live")
        await gateway.trigger("hold_up")
        await expect(page.locator(".alarm")).to_have_count(4)
        await expect(page.locator("#fault")).to_be_hidden()


async def test_a_gap_is_shown_as_an_error(gateway: Gateway, page: Page) -> None:
    listen = f"{HOST}:{free_ports(1)[0]}"
    async with served(gateway, listen) as url:
        await page.goto(f"{url}/#token={gateway.token('operator')}")
        await expect(page.locator("#link-text")).to_have_text("Live")
    for cause in ("tamper", "intrusion", "tilt"):
        await gateway.trigger(cause)
    gateway.store.oldest = 3
    async with served(gateway, listen):
        await expect(page.locator("#fault")).to_contain_text("oldest message that is still kept is 3")


async def test_who_may_not_is_told_why(gateway: Gateway, page: Page) -> None:
    await gateway.trigger("tamper")
    async with served(gateway) as url:
        await page.goto(url)
        await page.locator("#token").fill("guessed")
        await picture(page, "sign-in")
        await page.keyboard.press("Enter")
        await expect(page.locator("#fault")).to_contain_text("not known, has expired or was revoked")
        await page.locator("#token").fill(gateway.token("auditor"))
        await page.keyboard.press("Enter")
        await page.locator(".acknowledge").click()
        await expect(page.locator(".wrong")).to_have_text("The role auditor may not do this.")


async def test_a_full_board_is_readable(gateway: Gateway, page: Page) -> None:
    causes = (
        "tamper",
        "intrusion",
        "battery_low",
        "tilt",
        "jamming_gsm",
        "hold_up",
        "car_alarm",
        "strange_thing",
    )
    for number, cause in enumerate(causes):
        alarm = "unknown" if cause == "strange_thing" else cause
        if cause != "car_alarm":
            await gateway.trigger_as(cause, alarm, f"WVWZZZ1JZXW0000{number:02}")
        gateway.clock.move(37 * number)
    async with served(gateway) as url:
        await page.goto(f"{url}/#token={gateway.token('operator')}")
        await expect(page.locator(".alarm")).to_have_count(7)
        await page.locator(".alarm .head").first.click()
        await picture(page, "board")
        await page.emulate_media(color_scheme="dark")
        await page.locator(".finish").nth(1).click()
        await picture(page, "board-dark")
        wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0
