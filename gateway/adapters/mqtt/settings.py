"""Section ``[mqtt]``: where the broker is and how it is reached."""

from __future__ import annotations

import ssl
from typing import Annotated
from urllib.parse import unquote, urlsplit

from msgspec import Meta, Struct

from gateway.errors import SettingsError, StartError


class MqttSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``mqtt://user:password@host:port`` or ``mqtts://…`` with certificate files."""

    url: str = "mqtt://127.0.0.1:1883"
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    keepalive_s: Annotated[int, Meta(ge=1, le=120)] = 10
    """A frozen broker is noticed after two of these."""
    receive_maximum: Annotated[int, Meta(ge=1, le=65535)] = 500
    """Unacknowledged messages per session: our back-pressure. Mosquitto 2.0.11 oversteps it a little."""
    fast_reader: bool = True
    """Read and write by our own loop; off: leave it to the MQTT library, at several times the work."""

    users_password_file: str | None = None
    """Mosquitto's password file of the people's listener: ``user add`` writes there."""
    broker_pid_file: str | None = None
    """Mosquitto's ``pid_file``: ``user add`` tells it to read its files again."""

    def __post_init__(self) -> None:
        """Refuse an URL that can't be used."""
        _ = self.address

    def __repr__(self) -> str:
        """Without the password."""
        return f"MqttSettings(url='{self.address.host}:{self.address.port}')"

    @property
    def address(self) -> Address:
        """
        The URL taken apart.

        Errors:  SettingsError.
        """
        parts = urlsplit(self.url)
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
            raise SettingsError("mqtt.url: expected mqtt://user:password@host:port or mqtts://…")
        try:
            port = parts.port or (8883 if parts.scheme == "mqtts" else 1883)
        except ValueError as error:
            hint = "special characters of a password are written as %XX"
            raise SettingsError(f"mqtt.url: the port is no number ({hint})") from error
        username = unquote(parts.username) if parts.username else None
        password = unquote(parts.password) if parts.password else None
        return Address(parts.hostname, port, username, password, parts.scheme == "mqtts")

    def tls(self) -> ssl.SSLContext | None:
        """
        The TLS context of an ``mqtts`` URL.

        Errors:  StartError for a file that can't be read.
        """
        if not self.address.tls:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.cert_file is not None:
                context.load_cert_chain(self.cert_file, self.key_file)
        except (OSError, ssl.SSLError) as error:
            raise StartError(f"mqtt: a certificate file can't be used: {error}") from error
        return context


class Address(Struct, frozen=True):
    """Host, port and credentials of a broker."""

    host: str
    port: int
    username: str | None
    password: str | None
    tls: bool

    def __repr__(self) -> str:
        """Without the password."""
        return f"Address({self.host}:{self.port})"
