"""A gateway whose every word is remembered: answers, errors, output of commands, logs, metrics, files."""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import pbkdf2_hmac
from pathlib import Path
from typing import Any

from devtools.broker import Broker
from gateway.adapters.storage.sqlite.store import SqliteStore
from gateway.api.auth import make_token
from gateway.ports import Role, Token
from tests.support.gateway import GatewayProcess
from tests.support.marks import Marks

PATIENCE_S = 60.0


class Person:
    """A caller over HTTP; what is answered with an error is remembered."""

    def __init__(self, run: Run, role: Role, user: str | None = None) -> None:
        now = datetime.now(UTC)
        made, kept = make_token(
            role, f"P-{role}", user=user, vin=None, days=1, now=now, rng=secrets.token_bytes
        )
        asyncio.run(_add(run.gateway.database, kept))
        self._run, self.user, self.id = run, user or role, kept.id
        self.token = run.marks.keep(run.marks.hard, f"token of {role}", made)

    def call(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {token or self.token}", "Content-Type": "application/json"}
        url = f"{self._run.gateway.url}/api/v1{path}"
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                text = answer.read().decode()
                self._run.answers.append((f"{method} {path}", text))
                return answer.status, json.loads(text) if "json" in answer.headers["content-type"] else text
        except urllib.error.HTTPError as error:
            text = error.read().decode()
            self._run.errors.append((f"{method} {path}: {error.code}", text))
            return error.code, json.loads(text)

    def good(self, method: str, path: str, body: Any = None) -> Any:
        """Call and be let."""
        status, answer = self.call(method, path, body)
        assert status < 300, (method, path, status, answer)
        return answer

    def proof(self, vin: str, purpose: str, code: str) -> str:
        """The answer to a challenge; it is as good as the code itself."""
        asked = self.good("POST", f"/vehicles/{vin}/challenge", {"purpose": purpose})
        key = pbkdf2_hmac("sha512", code.encode(), asked["salt"].encode(), asked["rounds"], 32)
        text = "|".join((asked["challenge"], self.user, vin, purpose))
        answer = hmac.new(key, text.encode(), "sha512").hexdigest()
        return self._run.marks.keep(self._run.marks.hard, "challenge response", answer)


class Run:
    """The parts, and everything that they said."""

    def __init__(self, gateway: GatewayProcess, broker: Broker) -> None:
        self.gateway, self.broker = gateway, broker
        self.marks = Marks()
        self.errors: list[tuple[str, str]] = []
        self.answers: list[tuple[str, str]] = []
        self.printed: list[tuple[str, str]] = []

    def command(self, *words: str) -> str:
        """Run a command and remember what it printed."""
        done = self.gateway.command(*words)
        self.printed.append((" ".join(words), done.stdout + done.stderr))
        return done.stdout + done.stderr

    def said(self) -> Iterator[tuple[str, str]]:
        """Every place where no mark may be, with what stands there."""
        yield from self.errors
        yield from self.printed
        yield "log", self.gateway.log_path.read_text()
        for path in ("/metrics", "/health/ready"):
            with urllib.request.urlopen(f"{self.gateway.url}{path}", timeout=PATIENCE_S) as answer:
                yield path, answer.read().decode()
        yield "audit", json.dumps(self.gateway.rows("SELECT actor, action, subject, details FROM audit"))
        yield "quarantine", json.dumps(self.gateway.rows("SELECT topic, reason, vin FROM quarantine"))
        yield "deliveries", json.dumps(self.gateway.rows("SELECT sink, last_error FROM deliveries"))

    def files(self) -> Iterator[tuple[str, bytes]]:
        """Every file that the gateway keeps."""
        for path in sorted((self.gateway.folder / "var").rglob("*")):
            if path.is_file():
                yield path.name, path.read_bytes()


async def _add(database: Path, token: Token) -> None:
    """As ``token create`` does, without a process for each."""
    store = SqliteStore(database, "CANARY00000000001")
    try:
        await store.add_token(token)
    finally:
        store.close()
