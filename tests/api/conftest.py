from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from argon2 import PasswordHasher

from gateway.api import passwords
from gateway.api.app import build_app
from tests.api.doubles import Gateway

Client = httpx.AsyncClient


@pytest.fixture(autouse=True)
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long a password takes is argon2's matter; tests log in often."""
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[Client]:
    transport = httpx.ASGITransport(build_app(gateway.deps()))  # type: ignore[arg-type]  # two spellings of ASGI
    async with Client(transport=transport, base_url="http://gateway") as client:
        yield client
