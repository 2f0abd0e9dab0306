"""The check that every text file must pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from devtools.tidy import complaints

KEY = "-----BEGIN EC " + "PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        pytest.param("a.md", "text\n", [], id="good text"),
        pytest.param("a.md", "", [], id="empty file"),
        pytest.param("a.md", "text", ["does not end with a newline"], id="no newline"),
        pytest.param("a.md", "text\n\n", ["ends with empty lines"], id="empty lines"),
        pytest.param("a.pem", KEY, ["holds a private key"], id="private key"),
        pytest.param("a.toml", "[a]\nb = 1\n", [], id="good TOML"),
        pytest.param("a.json", "{}\n", [], id="good JSON"),
    ],
)
def test_complaints(name: str, text: str, expected: list[str]) -> None:
    """Each fault is named, and a good file has none."""
    assert complaints(Path(name), text) == expected


@pytest.mark.parametrize(("name", "text"), [("a.toml", "a =\n"), ("a.json", "{\n"), ("a.yaml", "a: [\n")])
def test_unreadable_files_are_named(name: str, text: str) -> None:
    """A file that its own parser refuses is a complaint."""
    (complaint,) = complaints(Path(name), text)
    assert complaint.startswith("can't be read: ")
