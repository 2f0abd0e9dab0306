"""Section ``[api]`` of the configuration."""

from __future__ import annotations

from msgspec import Struct

MAX_PORT = 65535


class ApiSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Where HTTP is served. Only this machine by default: put a TLS proxy in front for others."""

    listen: str = "127.0.0.1:8080"

    def __post_init__(self) -> None:
        split_listen(self.listen)


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
