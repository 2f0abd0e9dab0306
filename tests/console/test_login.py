"""Logging in by a link that is good once, in a real browser."""

from __future__ import annotations

from datetime import timedelta

from playwright.async_api import expect

from gateway.api.passwords import hash_password
from gateway.ports import AuditEntry, Person
from tests.api.doubles import Gateway
from tests.api.serving import served
from tests.console.conftest import picture, violations
from tests.support.browser import NewPage, reload

ONCE = "good-for-one-time-only"
OWN = "my-own-long-password"


async def test_a_link_leads_to_a_password_of_ones_own_and_is_good_once(
    gateway: Gateway, new_page: NewPage
) -> None:
    now = gateway.clock.now()
    kim = Person("kim", "operator", hash_password(ONCE), now, one_time_until=now + timedelta(hours=1))
    await gateway.store.put_person(kim, AuditEntry(now, "cli:test", "person.added", "kim"))
    async with served(gateway) as url:
        page = await new_page(locale="nl", color_scheme="dark")
        sent: list[str] = []
        page.on("request", lambda asked: sent.append(asked.url))
        await page.goto(f"{url}/#login/kim/{ONCE}")
        await expect(page.locator("#new")).to_be_focused()
        assert ONCE not in page.url
        assert await violations(page) == []
        await picture(page, "login-once")
        for again in ("something-else", OWN):
            await page.locator("#new").fill(OWN)
            await page.locator("#again").fill(again)
            await page.keyboard.press("Enter")
        await expect(page.locator("#link")).to_have_attribute("data-state", "live")
        assert not any(ONCE in one.partition("#")[0] for one in sent)

        other = await new_page()
        await other.goto(f"{url}/#login/kim/{ONCE}")
        await other.locator("#new").fill("another-one-of-mine")
        await other.locator("#again").fill("another-one-of-mine")
        await other.keyboard.press("Enter")
        await expect(other.locator("#wrong")).to_contain_text("was used already")
        await reload(other)
        # Typed by hand, as from a note.
        await other.locator("#name").fill("kim")
        await other.locator("#password").fill(OWN)
        await expect(other.locator("#enter")).to_be_enabled()
        await other.keyboard.press("Enter")
        await expect(other.locator("#link")).to_have_attribute("data-state", "live")


async def test_a_broken_link_sends_no_password_by_the_address(gateway: Gateway, new_page: NewPage) -> None:
    password = await gateway.person("kim", "operator")
    async with served(gateway) as url:
        page = await new_page()
        asked: list[str] = []
        page.on("request", lambda one: asked.append(one.url))
        await page.goto(f"{url}/#login/%/x")
        await page.locator("#name").fill("kim")
        await page.locator("#password").fill(password)
        await expect(page.locator("#enter")).to_be_enabled()
        await page.keyboard.press("Enter")
        await expect(page.locator("#link")).to_have_attribute("data-state", "live")
        assert not any(password in one for one in asked)
