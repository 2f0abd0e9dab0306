"""Topic ``v1/gateway/{instance}/self-test``: what a gateway sends to itself at its start (contract 2)."""

from __future__ import annotations

from msgspec import Struct

KIND = "self-test"


class Payload(Struct, frozen=True):
    """The message as documented."""

    marker: str
    """Of this start: what an earlier one has left behind is passed over."""
