"""The evidence of a case is saved from its page, with a key."""

from __future__ import annotations

import json
from pathlib import Path

from playwright.async_api import Page, expect

from tests.api.doubles import Gateway
from tests.api.serving import served
from tests.console.conftest import enter


async def test_its_holder_saves_the_evidence_with_a_key(gateway: Gateway, page: Page, tmp_path: Path) -> None:
    await gateway.trigger("tamper")
    async with served(gateway) as url:
        await enter(gateway, page, url)
        await page.keyboard.press("Home")
        await page.keyboard.press("Enter")
        await expect(page.locator("[aria-keyshortcuts=a]")).to_be_visible()
        assert await page.locator("[aria-keyshortcuts=e]").count() == 0, "first it is claimed"
        await page.keyboard.press("a")
        files = {}
        for key, form in (("e", "html"), ("j", "json")):
            await expect(page.locator(f"[aria-keyshortcuts={key}]")).to_be_visible()
            async with page.expect_download() as download:
                await page.keyboard.press(key)
            saved = await download.value
            files[form] = tmp_path / saved.suggested_filename
            await saved.save_as(files[form])
        content = json.loads(files["json"].read_text())["content"]
        assert files["json"].name == f"case-{content['case']['case_id']}.json"
        assert f"Evidence of case {content['case']['case_id']}" in files["html"].read_text()
