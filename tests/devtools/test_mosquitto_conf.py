"""The shipped broker profile keeps the promises that the gateway relies on."""

from __future__ import annotations

from pathlib import Path

import pytest

from devtools import ROOT
from devtools.broker import Party, render

PROFILE = (ROOT / "mosquitto.conf").read_text()
LINES = [line for line in PROFILE.splitlines() if line and not line.startswith("#")]
PORTS: dict[Party, int] = {"vehicles": 1, "users": 2, "gateways": 3}


@pytest.mark.parametrize(
    "line",
    [
        "per_listener_settings true",
        "max_packet_size 65536",
        "max_queued_messages 200000",
        "check_retain_source true",
        "persistence true",
        "set_tcp_nodelay true",
    ],
)
def test_a_line_that_must_not_get_lost(line: str) -> None:
    """Each of these is a promise of the interface or the cure of a measured fault."""
    assert line in LINES


def test_no_listener_lets_anyone_in() -> None:
    """Every listener asks for a password and has access rules of its own."""
    starts = [number for number, line in enumerate(LINES) if line.startswith("listener ")]
    sections = [LINES[start : start + 4] for start in starts]
    assert len(sections) == 3
    for section in sections:
        assert section[1] == "allow_anonymous false"
        assert [line.split()[0] for line in section[2:]] == ["password_file", "acl_file"]


def test_only_vehicles_are_named_by_their_user_name() -> None:
    """A gateway holds several sessions under one user name."""
    assert sum(line == "use_username_as_clientid true" for line in LINES) == 1
    assert LINES.index("use_username_as_clientid true") < LINES.index("listener 8884 127.0.0.1")


def test_rendering_changes_places_only(tmp_path: Path) -> None:
    """What the tests run is the shipped profile: only ports and paths differ."""
    rendered = render(PROFILE, tmp_path, PORTS, persistence=True, max_packet_size=True).splitlines()
    changed = set(rendered) - set(LINES) - {"user root"}
    assert {line.split()[0] for line in changed} == {
        "listener",
        "password_file",
        "acl_file",
        "persistence_location",
    }


def test_options_of_a_drill(tmp_path: Path) -> None:
    """Persistence and the packet limit can be switched off."""
    rendered = render(PROFILE, tmp_path, PORTS, persistence=False, max_packet_size=False).splitlines()
    assert "persistence false" in rendered
    assert not [line for line in rendered if line.startswith("max_packet_size")]
