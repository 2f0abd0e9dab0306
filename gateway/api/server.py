"""
Serves the application inside our own task group.

uvicorn must not take the signals: the gateway stops its parts in its own order.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
import uvicorn
from litestar import Litestar
from uvicorn.protocols.http.h11_impl import H11Protocol

from gateway.api.settings import split_listen
from gateway.errors import StartError

BACKLOG = 1024
FINISH_S = 1
"""How long requests may take to end by themselves at a stop; open streams end at once."""
STOP_WITHIN_S = 2.0
MAX_CONNECTIONS = 1000
CUT_OFF_S = 20.0
"""Whoever has taken less than the transport's low-water mark of what waits for so long is cut off."""

log = structlog.get_logger()


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the gateway."""
        yield


def bind(listen: str) -> socket.socket:
    """
    Take the address, so that a taken one stops the start.

    Errors: StartError with one sentence.
    """
    host, port = split_listen(listen)
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        taken = socket.socket(family, kind, proto)
    except OSError as error:
        raise StartError(
            f"[api] listen: {listen!r} can't be listened on: {error.strerror or error}."
        ) from error
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(address)
        taken.listen(BACKLOG)
    except OSError as error:
        taken.close()
        reason = error.strerror or str(error)
        raise StartError(f"[api] listen: {listen!r} can't be listened on: {reason}.") from error
    taken.setblocking(False)
    return taken


def cutting_off(after_s: float, on_cut_off: Callable[[], None]) -> type[H11Protocol]:
    """Connections that end by themselves when their peer takes nothing: it can come again."""

    class Connection(H11Protocol):
        _impatience: asyncio.TimerHandle | None = None

        def pause_writing(self) -> None:
            super().pause_writing()
            self._impatience = self.loop.call_later(after_s, self._cut_off)

        def resume_writing(self) -> None:
            self._be_patient()
            super().resume_writing()

        def connection_lost(self, exc: Exception | None) -> None:
            self._be_patient()
            super().connection_lost(exc)

        def _be_patient(self) -> None:
            if self._impatience is not None:
                self._impatience.cancel()

        def _cut_off(self) -> None:
            log.warning("api.slow_reader", after_s=after_s)
            on_cut_off()
            self.transport.abort()

    return Connection


def _unheard() -> None:
    """Tell nobody."""


async def serve(
    app: Litestar,
    listen: str,
    listening: Callable[[str], None] | None = None,
    *,
    certificate: tuple[str, str] | None = None,
    cut_off_s: float = CUT_OFF_S,
    on_cut_off: Callable[[], None] = _unheard,
) -> None:
    """
    Serve until cancelled, then stop within two seconds, streams included.

    ``listening`` is told the address, with the real port, once connections are taken.

    ``certificate`` names the PEM files of a chain and its key: HTTPS is served then. ``on_cut_off`` is told
    of each connection that took nothing for ``cut_off_s``.

    Errors: StartError if the address can't be had or the certificate can't be read.
    """
    taken = bind(listen)
    server = _Server(_config(app, certificate, cutting_off(cut_off_s, on_cut_off)))
    serving = asyncio.create_task(server.serve([taken]), name="http")
    try:
        if listening is not None:
            listening(_address(taken, "http" if certificate is None else "https"))
        await asyncio.shield(serving)
    finally:
        app.state.streams.closing.set()
        server.should_exit = True
        await _finish(serving)
        taken.close()


async def _finish(serving: asyncio.Task[None]) -> None:
    done, _ = await asyncio.wait({serving}, timeout=STOP_WITHIN_S)
    if not done:
        serving.cancel()
        await asyncio.wait({serving}, timeout=STOP_WITHIN_S)


def _config(
    app: Litestar, certificate: tuple[str, str] | None, connection: type[H11Protocol]
) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
        http=connection,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=BACKLOG,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_graceful_shutdown=FINISH_S,
        ssl_certfile=None if certificate is None else certificate[0],
        ssl_keyfile=None if certificate is None else certificate[1],
    )
    try:
        config.load()
    except OSError as error:
        raise StartError(f"[api] cert_file, key_file: can't be read: {error}.") from error
    return config


def _address(taken: socket.socket, scheme: str) -> str:
    host, port = taken.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
