"""Fixtures of the emulator's tests."""

from __future__ import annotations

import asyncio

import pytest


@pytest.fixture(scope="session", autouse=True)
def no_loop_of_its_own() -> None:
    """Say that there is no loop: pytest-asyncio asks for one, gets one made, and never closes it."""
    asyncio.set_event_loop(None)
