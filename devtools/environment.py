"""
The project's Python environment in ``.venv``: made once, from the hash-locked list, and then found at once.

It needs nothing but Python 3.11 and the network. Where the system's Python lacks ``venv`` (a package of its
own in Debian) a tool fetched into the cache folder makes the environment. The system is never changed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from devtools import CACHE, ROOT, one_at_a_time

VENV = ROOT / ".venv"
BIN = VENV / "bin"
PYTHON = BIN / "python"
LOCK = ROOT / "requirements.lock"
STAMP = VENV / "made-from"
LOWEST = (3, 11)

Say = Callable[[str], None]


class SetupError(RuntimeError):
    """The environment could not be made; the text says why and what to do."""


def ensure(say: Say = print) -> Path:
    """Return the environment's Python, made or renewed first if what it is made from changed."""
    if sys.version_info < LOWEST:
        raise SetupError(
            f"Python {LOWEST[0]}.{LOWEST[1]} or later is needed; this is {sys.version.split()[0]}."
        )
    if _is_current():
        return PYTHON
    with one_at_a_time():
        if not _is_current():
            _make(say)
    return PYTHON


def fetch_uv() -> Path:
    """Return the uv program, fetched into the cache folder; the system's Python stays as it is."""
    folder = CACHE / "uv"
    program = folder / "bin" / "uv"
    if not program.exists():
        # --target is allowed even where the system's Python refuses other installations (PEP 668).
        _run(sys.executable, "-m", "pip", "install", "--quiet", "--target", folder, "uv")
    return program


def _make(say: Say) -> None:
    began = time.monotonic()
    say(f"preparing the environment in {VENV.name} (once; about half a minute)")
    STAMP.unlink(missing_ok=True)
    # Another interpreter or another place: start anew. A changed list is installed over the old one.
    if _interpreter(PYTHON) != f"{sys.version} {sys.base_prefix}\n":
        shutil.rmtree(VENV, ignore_errors=True)
        _make_venv(say)
    count = sum("==" in line for line in LOCK.read_text().splitlines())
    say(f"installing {count} packages, each checked against its hash")
    # The list is complete, so pip need not resolve anything.
    _run(PYTHON, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "-r", LOCK)
    say("installing the project itself")
    # Its build tool is in the list: no network, no surprise.
    _run(
        PYTHON,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "-e",
        ROOT,
    )
    STAMP.write_text(_recipe())
    say(f"ready after {time.monotonic() - began:.0f} s")


def _make_venv(say: Say) -> None:
    try:
        _run(sys.executable, "-m", "venv", VENV)
    except SetupError:
        shutil.rmtree(VENV, ignore_errors=True)
    else:
        return
    # Debian's Python can't put pip into an environment unless python3-venv is installed; its own pip can.
    say("this Python puts no pip into environments: taking the system's")
    try:
        _run(sys.executable, "-m", "venv", "--without-pip", VENV)
        _run(sys.executable, "-m", "pip", "--python", PYTHON, "install", "--quiet", "pip")
    except SetupError as error:
        raise SetupError(
            f"{error}\nInstall Python's venv (Debian, Ubuntu: sudo apt install python3-venv)."
        ) from error


def _is_current() -> bool:
    return PYTHON.exists() and STAMP.exists() and STAMP.read_text() == _recipe()


def _recipe() -> str:
    """Everything the environment is made from, as one hash: a change of any of it makes a new one."""
    parts = (
        LOCK.read_bytes(),
        (ROOT / "pyproject.toml").read_bytes(),
        sys.version.encode(),
        str(ROOT).encode(),
    )
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _interpreter(python: Path) -> str:
    """Tell an interpreter's version and place; nothing if it does not run (a moved checkout) or lacks pip."""
    question = "import pip, sys; print(sys.version, sys.base_prefix)"
    try:
        answer = subprocess.run([python, "-c", question], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return answer.stdout


def _run(*command: str | Path) -> None:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        last = "\n  ".join(done.stdout.strip().splitlines()[-12:])
        raise SetupError(f"{' '.join(map(str, command[:4]))} … failed:\n  {last}")
