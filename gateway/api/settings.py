"""Sections ``[api]`` and ``[console]`` of the configuration."""

from __future__ import annotations

from urllib.parse import urlsplit

from msgspec import Struct

MAX_PORT = 65535


class ApiSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """
    Where HTTP is served. Only this machine by default.

    With ``cert_file`` and ``key_file`` (PEM) it is HTTPS. ``origin`` is the address that browsers see where a
    proxy stands in front, as "https://soc.example".
    """

    listen: str = "127.0.0.1:8080"
    cert_file: str | None = None
    key_file: str | None = None
    origin: str | None = None

    def __post_init__(self) -> None:
        split_listen(self.listen)
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together: give both or neither.")
        if self.origin is not None and origin_of(self.origin) != self.origin:
            raise ValueError(f"origin: write {origin_of(self.origin)!r}, with nothing behind it.")

    @property
    def certificate(self) -> tuple[str, str] | None:
        """The two files, if HTTPS is served here."""
        return None if self.cert_file is None or self.key_file is None else (self.cert_file, self.key_file)

    @property
    def https(self) -> bool:
        """Whether browsers reach this over HTTPS, from here or from a proxy."""
        return self.cert_file is not None or (self.origin or "").startswith("https:")

    @property
    def address(self) -> str:
        """Where browsers reach the console."""
        return self.origin or f"{'https' if self.https else 'http'}://{self.listen}"


class ConsoleSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Section ``[console]``."""

    map_file: str | None = None
    """The site's own map, a ``.pmtiles`` file of vector tiles; without it a map of the world is shown."""


def split_listen(listen: str) -> tuple[str, int]:
    """
    Host and port of ``host:port`` or ``[IPv6]:port``; port 0 takes any free one.

    Errors: ValueError with a full sentence.
    """
    host, colon, port = listen.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not host or (":" in host and not bracketed):
        raise ValueError(f'{listen!r} is no address to listen on: write "host:port", as in "127.0.0.1:8080".')
    if not (port.isascii() and port.isdigit()) or int(port) > MAX_PORT:
        raise ValueError(f"{port!r} in {listen!r} is no port: write a number from 0 to {MAX_PORT}.")
    return host.strip("[]") if bracketed else host, int(port)


def origin_of(url: str) -> str:
    """
    The origin of an address, as browsers send it.

    Errors: ValueError with a full sentence.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path not in {"", "/"}:
        raise ValueError(f'{url!r} is no origin: write "https://soc.example" or "https://soc.example:8443".')
    return f"{parts.scheme}://{parts.netloc}"
