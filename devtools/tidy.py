"""
What every text file of the project must be: ended by one newline, readable by its parser, no private key.

Runs from ``.venv``, for it needs a YAML parser.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import yaml  # type: ignore[import-untyped]

from devtools import ROOT

PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")


def complaints(path: Path, text: str) -> list[str]:
    """Return what is wrong with one file, a sentence each."""
    found = []
    if text and not text.endswith("\n"):
        found.append("does not end with a newline")
    if text.endswith("\n\n"):
        found.append("ends with empty lines")
    if PRIVATE_KEY.search(text):
        found.append("holds a private key")
    if parse := PARSERS.get(path.suffix):
        try:
            parse(text)
        except ValueError as error:
            found.append(f"can't be read: {error}")
    return found


def main(names: list[str]) -> int:
    """Check the named files, or all that git knows; print one line for each complaint."""
    found = [f"{path} {what}" for path in map(Path, names or _tracked()) for what in _complaints_of(path)]
    for line in found:
        print(line)
    return 1 if found else 0


def _complaints_of(path: Path) -> list[str]:
    if "vendor" in path.parts or not path.is_file():
        return []
    try:
        return complaints(path, path.read_text())
    except UnicodeDecodeError:
        return []  # a picture or a font


def _tracked() -> list[str]:
    # A CI machine may have cloned as another user, which git would refuse to look at.
    command = ["git", "-c", "safe.directory=*", "ls-files"]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()


def _read_yaml(text: str) -> None:
    try:
        yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


PARSERS: dict[str, Callable[[str], object]] = {
    ".json": json.loads,
    ".toml": tomllib.loads,
    ".yaml": _read_yaml,
    ".yml": _read_yaml,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
