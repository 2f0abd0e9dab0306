"""Bodies of requests and answers about special modes, and challenges, as the OpenAPI document shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

from gateway.domain.services.special_modes import MAX_RADIUS_M, MIN_RADIUS_M

LONGEST_S = 7 * 24 * 3600


class PlaceBody(Struct, frozen=True):
    """A circle: degrees, metres."""

    latitude: Annotated[float, Meta(ge=-90, le=90)]
    longitude: Annotated[float, Meta(ge=-180, le=180)]
    radius_m: Annotated[float, Meta(ge=MIN_RADIUS_M, le=MAX_RADIUS_M)] = 300


class ModeBody(Struct, frozen=True):
    """What a mode is set for. Without a place it is around the vehicle's position, if that is fresh."""

    duration_s: Annotated[float, Meta(ge=1, le=LONGEST_S)] | None = None
    reason: Annotated[str, Meta(max_length=500)] = ""
    place: PlaceBody | None = None
    challenge_response: Annotated[str, Meta(max_length=256)] | None = None


class PlaceView(Struct, frozen=True):
    """A circle: degrees, metres."""

    latitude: float
    longitude: float
    radius_m: float


class ModeView(Struct, frozen=True, kw_only=True):
    """
    One special mode. ``mode_id`` is null while it is only asked for.

    A place that was made from the vehicle's position is shown only to those who may see that position.
    """

    mode_id: str | None
    mode: str
    status: Literal["pending", "running", "ended"]
    starts_at: datetime | None
    ends_at: datetime | None
    place: PlaceView | None
    set_by: str
    reason: str
    requested_by: str | None
    ended_at: datetime | None
    ended_why: str | None


class ModePage(Struct, frozen=True):
    """Running modes and requests first, then past ones, newest first."""

    items: list[ModeView]
    next_after: int | None


class ChallengeBody(Struct, frozen=True):
    """What the security code is to be proven for."""

    purpose: Literal["unlock", "special_mode", "transfer"]


class ChallengeView(Struct, frozen=True):
    """Answer with hex HMAC-SHA-512 of ``challenge|user|VIN|purpose`` under the key that the code gives."""

    challenge: str
    salt: str
    rounds: int
    expires_at: datetime
