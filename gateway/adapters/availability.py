"""Reads the availability table: the one that is shipped, or a site's own."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path

import msgspec

from gateway.domain.services.availability import Availability
from gateway.domain.services.entitlements import SERVICES
from gateway.errors import SettingsError

MAX_BYTES = 1_000_000


def load_availability(path: Path | None = None) -> Availability:
    """
    Read the table.

    Errors:  SettingsError with file, key and reason.
    """
    name = str(path or "the shipped availability.toml")
    try:
        body = path.read_bytes() if path else (files("gateway.adapters") / "availability.toml").read_bytes()
    except OSError as error:
        raise SettingsError(f"{name}: can't be read: {error.strerror}") from error
    if len(body) > MAX_BYTES:
        raise SettingsError(f"{name}: has {len(body)} bytes, at most {MAX_BYTES} are read")
    try:
        table = msgspec.convert(tomllib.loads(body.decode()), Availability)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name}: is no TOML: {error}") from error
    except msgspec.ValidationError as error:
        raise SettingsError(f"{name}: {error}") from error
    for service in table.services:
        if service not in SERVICES:
            raise SettingsError(f"{name}: services.{service}: there is no such service")
    return table
