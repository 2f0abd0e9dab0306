"""A gateway on a store that is there already, with a broker of its own, and a person who asks it by HTTP."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.stage import StageError
from devtools import CACHE
from devtools.broker import Broker
from tests.support.gateway import GatewayProcess

READY_WITHIN_S = 120.0


class Site:
    """A context manager; ``start`` may be called again after ``stop``."""

    def __init__(self, database: Path) -> None:
        self.database = database
        self._stack = ExitStack()
        self._folder = Path(tempfile.mkdtemp(dir=CACHE / "bench", prefix="site-"))
        broker = self._stack.enter_context(Broker(persistence=False))
        self.gateway = GatewayProcess(
            self._folder, broker.url(), settings=f'[store]\nurl = "sqlite:///{database.resolve()}"\n'
        )
        self._desk: HTTPConnection | None = None
        self._token = ""

    def __enter__(self) -> Self:
        """Nothing runs yet but the broker."""
        self._stack.push(self.gateway)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop all of it; the store stays."""
        self._stack.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> float:
        """Start the gateway; seconds until it is ready. Errors: AssertionError with its log."""
        began_s = time.perf_counter()
        self.gateway.start()
        self.gateway.wait_ready(READY_WITHIN_S)
        return time.perf_counter() - began_s

    def stop(self) -> None:
        """End it in good order."""
        self.gateway.stop()

    def ask(self, method: str, path: str, body: Any = None) -> tuple[float, Any]:
        """Ask as a supervisor, over one connection; milliseconds and the answer. Errors: StageError."""
        if self._desk is None:
            self._token = self.gateway.token("supervisor", "Kim")
            self._desk = HTTPConnection(self.gateway.url.removeprefix("http://"), timeout=60)
            self._stack.callback(self._desk.close)
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        began_s = time.perf_counter()
        sent = None if body is None else json.dumps(body)
        self._desk.request(method, f"/api/v1{path}", body=sent, headers=headers)
        answer = self._desk.getresponse()
        text = answer.read()
        took_ms = (time.perf_counter() - began_s) * 1_000
        if answer.status != 200:
            raise StageError(f"{method} {path}: {answer.status} {text[:300]!r}")
        return took_ms, json.loads(text)
