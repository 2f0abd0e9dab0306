"""Fixtures that every test may use."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, settings

from tests.support.broker import broker, mosquitto
from tests.support.browser import browser, mark_browser_tests, new_page, page

__all__ = ["broker", "browser", "mosquitto", "new_page", "no_loop_of_its_own", "page"]

# How long an example takes tells of the machine, how many are thrown away of luck: neither tells of the code.
# A failure says how to see it again on another machine.
settings.register_profile(
    "patient",
    settings.default,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
settings.load_profile("patient")


@pytest.fixture(scope="session", autouse=True)
def no_loop_of_its_own() -> None:
    """Say that there is no loop: pytest-asyncio asks for one, gets one made, and never closes it."""
    asyncio.set_event_loop(None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a browser."""
    mark_browser_tests(items)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many cases a matrix has tried: one that tries nothing passes as well."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "matrix cases":
                terminalreporter.write_line(f"{report.nodeid}: {value} cases")
