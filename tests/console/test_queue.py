"""The queue in a real browser."""

from __future__ import annotations

import asyncio
import time

import pytest
from playwright.async_api import Page, expect

from devtools.broker import HOST, free_ports
from tests.api.doubles import OTHER, VIN, Gateway
from tests.api.serving import quickest, served
from tests.console.conftest import enter, log_in, picture, violations
from tests.support.browser import NewPage, reload

CAUSES = ("tamper", "intrusion", "battery_low", "tilt", "jamming_gsm", "hold_up", "tamper", "intrusion")

LONGEST_FRAME_S = """async () => {
    const list = document.querySelector(".list");
    list.scrollTop = 0;
    let longest_ms = 0, last = performance.now();
    for (let n = 0; n < 60; n += 1) {
        list.scrollTop += 3000;
        await new Promise(requestAnimationFrame);
        const now = performance.now();
        longest_ms = Math.max(longest_ms, now - last);
        last = now;
    }
    return longest_ms / 1000;
}"""


def vin(number: int) -> str:
    return f"WVWZZZ1JZXW{number:06}"


async def fill(gateway: Gateway) -> None:
    """Eight alarms of eight cars, over four minutes."""
    for number, cause in enumerate(CAUSES):
        await gateway.trigger(cause, vin(number))
        gateway.clock.move(9 * number)


async def test_an_alarm_appears_live_is_taken_and_closed_by_keyboard_alone(
    gateway: Gateway, page: Page
) -> None:
    await gateway.trigger("intrusion", OTHER)
    async with served(gateway) as url:
        await enter(gateway, page, url)
        await expect(page.locator(".row:visible")).to_have_count(1)

        await gateway.trigger("tamper")
        row = page.locator(".row.critical")
        await expect(row.locator(".cause")).to_have_text("Security unit manipulated")
        await expect(row.locator(".vin")).to_have_text(VIN)
        await expect(page.locator("#spoken")).to_contain_text("Critical")
        await expect(page.locator(".totals .critical b")).to_have_text("1")
        # Critical stands first, whatever was chosen before.
        assert await page.locator(".row:visible").first.get_attribute("aria-posinset") in {"1", "2"}

        await page.keyboard.press("Home")
        await page.keyboard.press("a")
        await expect(row.locator(".whose")).to_have_text("kim")
        await page.keyboard.press("c")
        await page.locator("#dialog select").select_option("workshop")
        await page.locator("#dialog textarea").fill("Forgot to say so")
        await page.locator("#dialog .main").click()
        await expect(page.locator(".row:visible")).to_have_count(1)
        await page.keyboard.press("4")
        await expect(page.locator(".row:visible small").last).to_contain_text("Workshop")
    assert [message.type for message in gateway.store.feed][-2:] == ["alarm.acknowledged", "alarm.closed"]


async def test_what_a_vehicle_says_is_text_and_never_markup(gateway: Gateway, page: Page) -> None:
    said = "<b>bold</b>\u202egnp.exe"
    await gateway.trigger_as("<img src=x onerror=document.title='owned'>", "unknown", VIN, said)
    async with served(gateway) as url:
        await enter(gateway, page, url)
        await page.keyboard.press("2")
        await expect(page.locator(".row:visible .cause")).to_have_text("Cause not known here")
        assert await page.locator("#page img, #page small b").count() == 0
        await page.keyboard.press("Enter")
        # What would turn the letters after it is shown as what it is.
        await expect(page.locator(".timeline")).to_contain_text("<b>bold</b>\\u202egnp.exe")
        assert await page.locator(".alarm img, .timeline b").count() == 0
        assert "owned" not in await page.title()


async def test_a_restart_of_the_gateway_costs_no_alarm_and_shows_none_twice(
    gateway: Gateway, page: Page
) -> None:
    listen = f"{HOST}:{free_ports(1)[0]}"
    async with served(gateway, listen) as url:
        await enter(gateway, page, url)
    await expect(page.locator("#link")).to_have_attribute("data-state", "lost")
    for number, cause in enumerate(("tamper", "intrusion", "tilt")):
        await gateway.trigger(cause, vin(number))
    async with served(gateway, listen):
        await expect(page.locator(".row:visible")).to_have_count(3)
        await expect(page.locator("#link")).to_have_attribute("data-state", "live")
        await gateway.trigger("hold_up", vin(7))
        await expect(page.locator(".row:visible")).to_have_count(4)
        await expect(page.locator("#fault")).to_be_hidden()


async def test_a_network_that_is_away_is_told_at_once_and_nothing_is_missing_after(
    gateway: Gateway, page: Page
) -> None:
    async with served(gateway) as url:
        await enter(gateway, page, url)
        await page.context.set_offline(True)
        await expect(page.locator("#link")).to_have_attribute("data-state", "lost")
        for number in range(5):
            await gateway.trigger("tamper", vin(number))
        await page.context.set_offline(False)
        await expect(page.locator(".row:visible")).to_have_count(5)
        await expect(page.locator("#fault")).to_be_hidden()


async def test_a_reload_in_the_middle_loses_nothing(gateway: Gateway, page: Page) -> None:
    async with served(gateway) as url:
        await enter(gateway, page, url)
        for number in range(12):
            await gateway.trigger("tamper", vin(number))
            if number % 4 == 2:
                await reload(page)
        await expect(page.locator("#link")).to_have_attribute("data-state", "live")
        await expect(page.locator(".row:visible")).to_have_count(12)
        await expect(page.locator(".totals .critical b")).to_have_text("12")


async def test_a_gap_is_shown_as_an_error(gateway: Gateway, page: Page) -> None:
    listen = f"{HOST}:{free_ports(1)[0]}"
    async with served(gateway, listen) as url:
        await enter(gateway, page, url)
    for cause in ("tamper", "intrusion", "tilt"):
        await gateway.trigger(cause)
    gateway.store.oldest = 3
    async with served(gateway, listen):
        await expect(page.locator("#fault")).to_contain_text("oldest message that is still kept is 3")


async def test_a_theft_is_seen_within_a_second(gateway: Gateway, page: Page) -> None:
    async with served(gateway) as url:
        await enter(gateway, page, url)
        shown = 0

        async def once() -> float:
            nonlocal shown
            shown += 1
            began_s = time.monotonic()
            await gateway.trigger("tamper", vin(shown))
            await page.wait_for_function(
                "n => document.querySelectorAll('.row:not([hidden])').length === n", arg=shown, polling=10
            )
            return time.monotonic() - began_s

        assert await quickest(once, 1.0) < 1.0


async def test_ten_thousand_alarms_scroll_as_ten_do(gateway: Gateway, page: Page) -> None:
    async with served(gateway) as url:
        await enter(gateway, page, url)
        await gateway.trigger("tamper")
        await expect(page.locator(".row:visible")).to_have_count(1)
        put = """async (template) => {
            const { Alarms } = await import("/console/js/alarms.js");
            const put = Alarms.prototype.put;
            const found = await new Promise((done) => {
                Alarms.prototype.put = function (data) { done(this); return put.call(this, data); };
                window.kick = done;
            });
            Alarms.prototype.put = put;
            for (let n = 0; n < 10000; n += 1) {
                found.put({ ...template, alarm_id: `a${n}`, case_id: `c${n}`, sequence: 1000 + n });
            }
        }"""
        data = await page.evaluate("async () => (await (await fetch('/api/v1/alarms')).json()).items[0]")
        done = page.evaluate(put, data)
        task = asyncio.ensure_future(done)
        await page.wait_for_function("() => window.kick")
        await gateway.trigger("tilt", OTHER)
        await task
        await expect(page.locator(".totals .critical b")).to_have_text("10001")
        rows = await page.locator(".row").count()
        assert rows < 80  # only what is seen is in the page
        assert await quickest(lambda: page.evaluate(LONGEST_FRAME_S), 1.0) < 1.0
        await page.keyboard.press("End")
        await expect(page.locator('.row[aria-selected="true"]')).to_have_attribute("aria-setsize", "10002")


async def test_filters_keep_apart_what_is_asked_for(gateway: Gateway, page: Page) -> None:
    await fill(gateway)
    async with served(gateway) as url:
        await enter(gateway, page, url)
        rows = page.locator(".row:visible")
        await expect(rows).to_have_count(7)
        await page.keyboard.press("2")
        await expect(rows.locator(".cause")).to_have_text(["Battery weak"])
        await page.keyboard.press("1")
        await page.keyboard.press("Home")
        await page.keyboard.press("a")
        await expect(page.locator(".row.taken:visible")).to_have_count(1)
        await page.keyboard.press("n")
        await expect(rows).to_have_count(1)
        await page.keyboard.press("Escape")
        await page.keyboard.press("/")
        await page.keyboard.type("break-in")
        await expect(rows).to_have_count(2)
        await page.keyboard.type("x")
        await expect(page.locator(".empty")).to_have_text("Nothing fits the filters. Esc clears them.")
        await page.keyboard.press("Escape")
        await expect(rows).to_have_count(7)
        await page.locator(".filters select").first.select_option("hold_up")
        await expect(rows).to_have_count(1)


async def test_who_may_not_act_has_no_button_and_the_keys_do_nothing(gateway: Gateway, page: Page) -> None:
    await gateway.trigger("tamper")
    async with served(gateway) as url:
        await enter(gateway, page, url, "alex", "auditor")
        await expect(page.locator(".row:visible")).to_have_count(1)
        await page.keyboard.press("a")
        assert await page.locator(".press:visible").count() == 0
    assert [message.type for message in gateway.store.feed] == ["alarm.raised"]


async def test_the_sound_comes_for_a_new_critical_alarm_and_not_when_it_is_off(
    gateway: Gateway, page: Page
) -> None:
    async with served(gateway) as url:
        await enter(gateway, page, url)
        await page.keyboard.press("Home")
        await expect(page.locator("#mute")).to_have_text("Sound on")
        await gateway.trigger("tamper")
        await expect(page.locator("html")).to_have_attribute("data-sounded", "1")
        await page.keyboard.press("m")
        await expect(page.locator("#mute")).to_have_text("Sound off")
        await gateway.trigger("hold_up", OTHER)
        await expect(page.locator(".row:visible")).to_have_count(2)
        await expect(page.locator("html")).to_have_attribute("data-sounded", "1")


async def test_a_wrong_password_is_told_and_a_session_that_ends_is_loud(gateway: Gateway, page: Page) -> None:
    async with served(gateway) as url:
        await gateway.person("kim", "operator")
        await page.goto(url)
        await page.locator("#name").fill("kim")
        await page.locator("#password").fill("wrong")
        await expect(page.locator("#enter")).to_be_enabled()
        await page.keyboard.press("Enter")
        await expect(page.locator("#wrong")).to_have_text("The name or the password is not right.")
        await picture(page, "login")
        assert await violations(page) == []
        await enter(gateway, page, url)
        gateway.store.sqlite.execute("DELETE FROM console_sessions")
        gateway.clock.move(2)
        await expect(page.locator("#page h1")).to_have_text("Logged out: alarms are not shown")
        await page.locator("#page button").click()
        await expect(page.locator("#name")).to_be_visible()


@pytest.mark.parametrize("language", ["en", "nl"])
@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_everyone_can_read_and_reach_it(
    gateway: Gateway, new_page: NewPage, language: str, theme: str
) -> None:
    await fill(gateway)
    async with served(gateway) as url:
        page = await new_page(locale=language, color_scheme=theme)
        await enter(gateway, page, url)
        await page.keyboard.press("End")
        await page.keyboard.press("a")
        await expect(page.locator(".row.taken:visible")).to_have_count(1)
        gateway.clock.move(300)
        assert await violations(page) == []
        await picture(page, f"queue-{language}-{theme}")
        await page.keyboard.press("?")
        await expect(page.locator("#dialog")).to_be_visible()
        assert await violations(page) == []
        await page.keyboard.press("Escape")
        for width, height in ((1280, 720), (3840, 2160)):
            await page.set_viewport_size({"width": width, "height": height})
            wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0
        await picture(page, f"queue-4k-{language}-{theme}")


async def test_the_words_are_the_same_in_both_languages(gateway: Gateway, page: Page) -> None:
    async with served(gateway) as url:
        await log_in(gateway, page, url)
        await page.locator('[data-choose="language"] [value="nl"]').click()
        await expect(page.locator("#nav a").first).to_contain_text("Wachtrij")
        assert await page.evaluate("document.documentElement.lang") == "nl"
