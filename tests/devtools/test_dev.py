"""The one command of a checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import dev
from devtools import ROOT, environment


def _dev(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "dev.py", *arguments], capture_output=True, text=True, check=False, cwd="/"
    )


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",), ("help",)], ids=str)
def test_help_names_every_command(arguments: tuple[str, ...]) -> None:
    """The help is the whole list, from any folder."""
    answer = _dev(*arguments)
    assert answer.returncode == 0
    assert all(f"dev.py {name}" in answer.stdout for name in dev.COMMANDS)


def test_an_unknown_command_is_refused() -> None:
    """A slip of the pen is answered with the names that exist."""
    answer = _dev("tset")
    assert (answer.returncode, "Known: demo, test, check" in answer.stderr) == (2, True)


def test_it_starts_without_anything_installed() -> None:
    """The commands themselves need the standard library only."""
    code = "import dev, devtools.environment, devtools.mosquitto, devtools.broker, devtools.processes"
    bare = {"PATH": os.defpath, "PYTHONPATH": str(ROOT)}
    # -S leaves the environment's packages out.
    subprocess.run([sys.executable, "-S", "-c", code], env=bare, check=True)


@pytest.mark.parametrize("changed", ["requirements.lock", "pyproject.toml"])
def test_environment_is_renewed_when_what_it_is_made_from_changes(
    changed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Equal files give the equal stamp; another list or another project file gives another."""
    for name in ("requirements.lock", "pyproject.toml"):
        (tmp_path / name).write_text("same")
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.setattr(environment, "LOCK", tmp_path / "requirements.lock")
    before, again = environment._recipe(), environment._recipe()
    (tmp_path / changed).write_text("other")
    assert (before == again, environment._recipe() == before) == (True, False)


def test_lock_holds_hashes_and_no_address() -> None:
    """The list works with any index: it names packages, versions and hashes only."""
    lines = environment.LOCK.read_text().splitlines()
    packages = [line for line in lines if "==" in line]
    assert not [line for line in lines if "://" in line or line.startswith("-")]
    assert len(packages) > 50
    assert sum("--hash=sha256:" in line for line in lines) >= len(packages)
