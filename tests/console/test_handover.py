"""A shift ends and the next one begins, in a real browser."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.api.doubles import OTHER, Gateway
from tests.api.serving import served
from tests.console.conftest import enter, picture, violations
from tests.support.browser import NewPage

TEXT = "The owner of the first car is abroad: call the second contact.\n<b>Gate 4</b> is open until six."


@pytest.mark.parametrize(("language", "theme"), [("en", "dark"), ("nl", "light")])
async def test_a_note_is_left_stands_above_every_page_and_is_acknowledged_by_keyboard(
    gateway: Gateway, new_page: NewPage, language: str, theme: str
) -> None:
    await gateway.trigger("tamper")
    await gateway.trigger("tilt", OTHER)
    async with served(gateway) as url:
        kim = await new_page(locale=language, color_scheme=theme)
        await enter(gateway, kim, url)
        await kim.keyboard.press("g")
        await kim.keyboard.press("h")
        await kim.locator(".ties input").first.check()
        await kim.locator("#handover-text").fill(TEXT)
        assert await violations(kim) == []
        await kim.locator("form .main").click()
        await expect(kim.locator(".note")).to_have_count(1)
        await expect(kim.locator("#handover")).to_be_hidden()
        await picture(kim, f"handover-{language}-{theme}")

        sam = await new_page(locale=language, color_scheme=theme)
        await enter(gateway, sam, url, "sam")
        await expect(sam.locator("#handover")).to_contain_text("kim")
        await picture(sam, f"handover-queue-{language}-{theme}")
        await sam.locator("#handover").click()
        await expect(sam.locator(".note.waits .said")).to_have_text(TEXT)
        await expect(sam.locator(".note li")).to_have_count(2)
        assert await violations(sam) == []
        await sam.set_viewport_size({"width": 3840, "height": 2160})
        await picture(sam, f"handover-4k-{language}-{theme}")
        await sam.keyboard.press("a")
        await expect(sam.locator(".note.waits")).to_have_count(0)
        await expect(sam.locator(".note")).to_contain_text("sam")
        await expect(sam.locator("#handover")).to_be_hidden()
