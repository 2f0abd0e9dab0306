"""A browser, a page of it, and the gateway in memory behind it."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from argon2 import PasswordHasher
from playwright.async_api import Browser, Page, async_playwright, expect

from gateway.api import passwords
from gateway.ports import Role
from tests.api.doubles import Gateway

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
REQUIRED = "browser" in os.environ.get("GATEWAY_REQUIRE", "")
PICTURES = os.environ.get("GATEWAY_PICTURES")
AXE = Path(__file__).parent.parent / "data" / "vendor" / "axe.min.js"
HERE = {"127.0.0.1", "localhost", ""}
expect.set_options(timeout=30_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test of this folder that asks for a browser says so, and is skipped where there is none."""
    skip = pytest.mark.skip(reason="no chromium on PATH; GATEWAY_REQUIRE=browser makes this a failure")
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)
            if CHROMIUM is None and not REQUIRED:
                item.add_marker(skip)


@pytest.fixture(autouse=True)
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long a password takes is argon2's matter; tests log in often."""
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    assert CHROMIUM is not None, "GATEWAY_REQUIRE asks for a browser and there is no chromium on PATH"
    async with async_playwright() as playwright:
        # Chromium's sandbox does not start as root, as in many containers.
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        await browser.close()


NewPage = Callable[..., Awaitable[Page]]


@pytest.fixture
async def new_page(browser: Browser) -> AsyncIterator[NewPage]:
    """Pages that share nothing; an error in one, or a request that leaves this machine, fails the test."""
    wrong: list[str] = []

    async def make(**options: Any) -> Page:
        page = await browser.new_page(
            **{"viewport": {"width": 1280, "height": 800}, "locale": "en-GB", **options}
        )
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if "Content Security" in said.text else None)
        page.on("request", lambda asked: wrong.append(asked.url) if _leaves(asked.url) else None)
        return page

    yield make
    assert wrong == []


@pytest.fixture
async def page(new_page: NewPage) -> Page:
    return await new_page()


def _leaves(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme not in {"data", "blob"} and parts.hostname not in HERE


async def log_in(gateway: Gateway, page: Page, url: str, name: str = "kim", role: Role = "operator") -> None:
    """Log in by the page, as a person does."""
    password = await gateway.person(name, role)
    await page.goto(url)
    await page.locator("#name").fill(name)
    await page.locator("#password").fill(password)
    await page.keyboard.press("Enter")
    await expect(page.locator("#nav a").first).to_be_visible()


async def enter(gateway: Gateway, page: Page, url: str, name: str = "kim", role: Role = "operator") -> None:
    """Log in and wait for the live feed."""
    await log_in(gateway, page, url, name, role)
    await expect(page.locator("#link")).to_have_attribute("data-state", "live")


async def violations(page: Page) -> list[str]:
    """What axe finds of WCAG 2.2 A and AA that is serious or worse."""
    await page.evaluate(AXE.read_text())
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
    found = await page.evaluate("tags => axe.run({ runOnly: tags })", tags)
    return [
        f"{one['id']}: {node['html'][:160]} {node['failureSummary']}"
        for one in found["violations"]
        if one["impact"] in {"serious", "critical"}
        for node in one["nodes"]
    ]


async def picture(page: Page, name: str) -> None:
    """Keep a picture where GATEWAY_PICTURES says, for whoever works on the page."""
    if PICTURES:
        await page.screenshot(path=str(Path(PICTURES) / f"{name}.png"))


async def until(what: Callable[[], Awaitable[Any]], within_s: float = 30.0) -> Any:
    """Ask until the answer is true."""
    end_s = time.monotonic() + within_s
    while time.monotonic() < end_s:
        if answer := await what():
            return answer
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen")
