"""The real broker, once per test session."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from devtools.broker import Broker
from devtools.mosquitto import Mosquitto, MosquittoMissingError, find_or_fetch


def required(what: str) -> bool:
    """Whether GATEWAY_REQUIRE names it ("broker", "browser", "references"): then its lack fails a test."""
    return what in os.environ.get("GATEWAY_REQUIRE", "").replace(",", " ").split()


@pytest.fixture(scope="session")
def mosquitto() -> Mosquitto:
    """The broker program, for tests that start, kill and restart a ``Broker`` of their own."""
    try:
        return find_or_fetch()
    except MosquittoMissingError as missing:
        if required("broker"):
            pytest.fail(str(missing), pytrace=False)
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def broker(mosquitto: Mosquitto) -> Iterator[Broker]:
    """A broker shared by all tests: add your own users and topics, never stop or kill it."""
    with Broker(mosquitto=mosquitto, persistence=False) as shared:
        yield shared
