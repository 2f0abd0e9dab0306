"""The gateway in memory behind the browser's pages, and what a person does there."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from playwright.async_api import Page, expect

from gateway.api import passwords
from gateway.ports import Role
from tests.api.doubles import Gateway
from tests.api.serving import PATIENCE_S

PICTURES = os.environ.get("GATEWAY_PICTURES")
AXE = Path(__file__).parent.parent / "data" / "vendor" / "axe.min.js"


@pytest.fixture(autouse=True)
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long a password takes is argon2's matter; tests log in often."""
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


async def log_in(gateway: Gateway, page: Page, url: str, name: str = "kim", role: Role = "operator") -> None:
    """Log in by the page, as a person does."""
    password = await gateway.person(name, role)
    await page.goto(url)
    await page.locator("#name").fill(name)
    await page.locator("#password").fill(password)
    await expect(page.locator("#enter")).to_be_enabled()
    await page.keyboard.press("Enter")
    await expect(page.locator("#nav a").first).to_be_visible()


async def enter(gateway: Gateway, page: Page, url: str, name: str = "kim", role: Role = "operator") -> None:
    """Log in and wait for the queue and its live feed: before that, its keys do nothing."""
    await log_in(gateway, page, url, name, role)
    await expect(page.locator("#page .queue")).to_be_attached()
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


async def until(what: Callable[[], Awaitable[Any]], within_s: float = PATIENCE_S) -> Any:
    """Ask until the answer is true."""
    end_s = time.monotonic() + within_s
    while time.monotonic() < end_s:
        if answer := await what():
            return answer
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen")
