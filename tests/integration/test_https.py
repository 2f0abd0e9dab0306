"""The console over HTTPS, from the real process: what a browser is told, and what it may keep."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from devtools.broker import Broker
from tests.integration.conftest import FAST, until
from tests.support.certificates import self_signed
from tests.support.gateway import GatewayProcess

pytestmark = pytest.mark.drill  # a gateway of its own

PASSWORD = "a long one for the night shift"


@pytest.fixture(scope="module")
def client(path_broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder: Path = tmp_path_factory.mktemp("https")
    certificate = self_signed(folder / "soc.pem")
    gateway = GatewayProcess(
        folder, path_broker.url(), settings=f'cert_file = "soc.pem"\nkey_file = "soc.key"\n{FAST}'
    )
    (folder / "password").write_text(PASSWORD)
    added = gateway.command(
        "user", "add", "kim", "--role", "operator", "--password-file", str(folder / "password")
    )
    assert added.returncode == 0, added.stderr
    trust = ssl.create_default_context(cafile=str(certificate))
    url = gateway.url.replace("http://", "https://")
    gateway.start()
    with httpx.Client(base_url=url, verify=trust, timeout=30) as own:
        try:
            until(lambda: _is_ready(own), complaint=gateway.log_tail())
            yield own
        finally:
            gateway.kill()


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/health/ready").status_code == 200
    except httpx.TransportError:
        return False


def test_a_login_over_https_gets_a_cookie_that_stays_on_this_host(client: httpx.Client) -> None:
    page = client.get("/")
    assert page.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert client.get("/api/v1/alarms").status_code == 401
    own = {"Origin": str(client.base_url).rstrip("/"), "X-Gateway-Console": "person"}
    body = {"name": "kim", "password": PASSWORD}
    foreign = client.post("/console/session", json=body, headers=own | {"Origin": "https://evil.example"})
    assert foreign.status_code == 403
    answer = client.post("/console/session", json=body, headers=own)
    assert answer.status_code == 200
    name, *attributes = answer.headers["Set-Cookie"].split("; ")
    assert name.startswith("__Host-gateway-session=")
    assert sorted(attributes) == ["HttpOnly", "Path=/", "SameSite=Strict", "Secure"]
    assert client.get("/api/v1/alarms").status_code == 200
    assert client.get("/console/session").json()["person"] == "kim"
    assert client.delete("/console/session", headers=own).status_code == 200
    assert client.get("/api/v1/alarms").status_code == 401


def test_plain_http_gets_nothing_there(client: httpx.Client) -> None:
    with pytest.raises(httpx.TransportError):
        httpx.get(str(client.base_url).replace("https://", "http://"), timeout=30)
