"""The real browser, once per test session; every test has pages of its own."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Error, Page, async_playwright, expect

from tests.support.broker import required

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HERE = {"127.0.0.1", "localhost", ""}
PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)

NewPage = Callable[..., Awaitable[Page]]


def mark_browser_tests(items: list[pytest.Item]) -> None:
    """
    Mark every test that asks for the browser, and skip it where there is none.

    Its loop is the session's: the browser speaks with nobody else.
    """
    skip = pytest.mark.skip(reason="no chromium on PATH; GATEWAY_REQUIRE=browser makes this a failure")
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
            if CHROMIUM is None and not required("browser"):
                item.add_marker(skip)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A browser shared by all tests: ask for pages with ``new_page``."""
    assert CHROMIUM is not None, "GATEWAY_REQUIRE asks for a browser and there is no chromium on PATH"
    async with async_playwright() as playwright:
        # Chromium's sandbox does not start as root, as in many containers.
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def new_page(browser: Browser) -> AsyncIterator[NewPage]:
    """Pages that share nothing; an error in one, or a request that leaves this machine, fails the test."""
    wrong: list[str] = []
    opened: list[BrowserContext] = []

    async def make(**options: Any) -> Page:
        context = await browser.new_context(
            **{"viewport": {"width": 1280, "height": 800}, "locale": "en-GB", **options}
        )
        context.set_default_timeout(PATIENCE_MS)
        opened.append(context)
        page = await context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if "Content Security" in said.text else None)
        page.on("request", lambda asked: wrong.append(asked.url) if _leaves(asked.url) else None)
        return page

    yield make
    for context in opened:
        await context.close()
    assert not wrong, wrong  # a support module gets no comparison shown


@pytest_asyncio.fixture(loop_scope="session")
async def page(new_page: NewPage) -> Page:
    """One page."""
    return await new_page()


async def reload(page: Page) -> None:
    """
    Load the page again, as F5 does, until its document is there.

    Chromium refuses a reload asked for while it still swaps the frame of the last one ("Not attached to an
    active page"); a person would press again.
    """
    for _ in range(20):
        try:
            await page.reload(wait_until="domcontentloaded")
        except Error as error:
            if "Not attached to an active page" not in error.message:
                raise
            await asyncio.sleep(0.1)
        else:
            return
    raise AssertionError("the browser does not load the page again")


def _leaves(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme not in {"data", "blob"} and parts.hostname not in HERE
