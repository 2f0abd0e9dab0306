"""The application on a real socket, as the gateway serves it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from gateway.api.app import build_app
from gateway.api.server import serve
from tests.api.doubles import Gateway


@asynccontextmanager
async def served(gateway: Gateway, listen: str = "127.0.0.1:0", **deps: Any) -> AsyncIterator[str]:
    """Serve while the block runs; gives the address. Stopping too slowly is an error."""
    address: asyncio.Queue[str] = asyncio.Queue()
    task = asyncio.create_task(serve(build_app(gateway.deps(**deps)), listen, address.put_nowait))
    try:
        yield await asyncio.wait_for(address.get(), timeout=5)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.wait_for(task, timeout=2.5)
