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
    """Serve while the block runs; gives the address."""
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    app = build_app(gateway.deps(**deps))
    task = asyncio.create_task(serve(app, listen, address.set_result))
    try:
        await asyncio.wait({task, address}, return_when=asyncio.FIRST_COMPLETED)
        yield address.result() if address.done() else await task  # type: ignore[misc]  # raises why it can't serve
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
