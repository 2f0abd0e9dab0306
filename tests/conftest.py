"""Fixtures that every test may use."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.broker import broker, mosquitto

__all__ = ["broker", "mosquitto", "no_loop_of_its_own"]


@pytest.fixture(scope="session", autouse=True)
def no_loop_of_its_own() -> None:
    """Say that there is no loop: pytest-asyncio asks for one, gets one made, and never closes it."""
    asyncio.set_event_loop(None)
