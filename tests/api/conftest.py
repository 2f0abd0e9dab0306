from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from gateway.api.app import build_app
from tests.api.doubles import Gateway

Client = httpx.AsyncClient


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[Client]:
    transport = httpx.ASGITransport(build_app(gateway.deps()))  # type: ignore[arg-type]  # two spellings of ASGI
    async with Client(transport=transport, base_url="http://gateway") as client:
        yield client
