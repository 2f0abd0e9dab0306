"""
Named places where a drill can make the process die, to prove that nothing is lost there.

``GATEWAY_CRASH_AT=<name>`` (and ``GATEWAY_CRASH_ON_HIT=<n>``) ends the process at the n-th hit of that place.
Without it a crash point costs one comparison.
"""

from __future__ import annotations

import os

CRASH_POINTS = (
    "after_receive",
    "before_commit",
    "after_commit",
    "before_receipt",
    "after_receipt",
    "before_ack",
    "mid_sink_call",
    "after_sink_ok",
)

_armed = os.environ.get("GATEWAY_CRASH_AT")
_hits_left = int(os.environ.get("GATEWAY_CRASH_ON_HIT", "1"))
if _armed is not None and _armed not in CRASH_POINTS:
    _message = f"GATEWAY_CRASH_AT={_armed}: no such crash point; there are {', '.join(CRASH_POINTS)}"
    raise ValueError(_message)


def crash_point(name: str) -> None:
    """Die here, like SIGKILL, if a drill asked for it."""
    global _hits_left  # noqa: PLW0603  # armed once per process
    if name != _armed:
        return
    _hits_left -= 1
    if _hits_left <= 0:
        os._exit(137)
