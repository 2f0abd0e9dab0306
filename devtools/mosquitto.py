"""
Find a Mosquitto broker, or fetch Debian's without root.

Nothing is installed and no service is started: the fetched packages are unpacked into the checkout's cache
folder, and apt checks their signatures as always. ``python3 dev.py clean`` removes them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from devtools import CACHE, one_at_a_time

# Debian keeps daemons out of a user's PATH; Homebrew has its own two places.
SBIN = ("/usr/sbin", "/usr/local/sbin", "/sbin", "/opt/homebrew/sbin", "/usr/local/opt/mosquitto/sbin")
FETCHED = CACHE / "mosquitto"
WANTED = ("mosquitto", "mosquitto-clients")
HOW_TO_INSTALL = (
    "No Mosquitto broker found. Install it (Debian, Ubuntu: sudo apt install mosquitto mosquitto-clients; "
    "Fedora: sudo dnf install mosquitto; macOS: brew install mosquitto) "
    "or name your own broker in GATEWAY_MQTT_URL."
)


class MosquittoMissingError(RuntimeError):
    """There is no broker, and none could be fetched; the text says what to do."""


@dataclass(frozen=True, kw_only=True)
class Mosquitto:
    """A broker program with what it needs to start."""

    program: Path
    library_path: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """The environment to start it, or one of its clients, with."""
        if not self.library_path:
            return dict(os.environ)
        return {**os.environ, "LD_LIBRARY_PATH": self.library_path}

    def client(self, name: str) -> Path | None:
        """The path of ``mosquitto_pub`` or ``mosquitto_sub``, which stand in bin beside the broker's sbin."""
        beside = self.program.parent.parent / "bin" / name
        found = shutil.which(name)
        return beside if beside.exists() else Path(found) if found else None

    def version(self) -> str:
        """The broker's own word on its version, such as ``2.0.11``; empty if it does not run."""
        # -h answers with exit code 3 by design.
        try:
            answer = subprocess.run(
                [self.program, "-h"],
                env=self.environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=10,
            )
        except (OSError, subprocess.TimeoutExpired):
            return ""
        found = re.search(r"version (\d+\.\d+\.\d+)", answer.stdout + answer.stderr)
        return found[1] if found else ""


def find() -> Mosquitto | None:
    """The broker of this machine or the one fetched earlier; None if there is neither. Never fetches."""
    installed = shutil.which("mosquitto", path=os.pathsep.join([os.environ.get("PATH", ""), *SBIN]))
    if installed:
        return Mosquitto(program=Path(installed))
    return _fetched(FETCHED)


def find_or_fetch(say: Callable[[str], None] = print, *, fetch_always: bool = False) -> Mosquitto:
    """Find a broker, or fetch Debian's packages; MosquittoMissingError says what else to do."""
    found = _fetched(FETCHED) if fetch_always else find()
    if found:
        return found
    if not all(map(shutil.which, ("apt-get", "apt-cache", "dpkg-deb"))):
        raise MosquittoMissingError(HOW_TO_INSTALL)
    try:
        with one_at_a_time():
            if _fetched(FETCHED) is None:
                say("fetching the Mosquitto broker (unpacked into .cache, nothing is installed)")
                fetch(FETCHED)
    except (subprocess.CalledProcessError, OSError) as error:
        reason = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        raise MosquittoMissingError(
            f"{HOW_TO_INSTALL} (Fetching failed: {reason[-1] if reason else error})"
        ) from error
    found = _fetched(FETCHED)
    if found is None:
        raise MosquittoMissingError(f"{HOW_TO_INSTALL} (The fetched broker does not start.)")
    return found


def fetch(target: Path) -> None:
    """Unpack Debian's or Ubuntu's packages, and the libraries missing here, into ``target`` without root."""
    target.parent.mkdir(parents=True, exist_ok=True)
    # A half-fetched folder must never look like a broker: work beside it and rename at the end.
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="fetch-") as work:
        folder = Path(work)
        tree = folder / "tree"
        apt = _private_apt(folder)
        _run(["apt-get", *apt, "-q", "update"], folder)
        packages = _with_missing_libraries(apt, folder)
        _run(["apt-get", *apt, "-q", "download", *packages], folder)
        for package in sorted(folder.glob("*.deb")):
            _run(["dpkg-deb", "-x", str(package), str(tree)], folder)
        shutil.rmtree(target, ignore_errors=True)
        tree.rename(target)


def _private_apt(folder: Path) -> list[str]:
    """Let apt work for any user: with its own lists and cache, the system's sources and keys."""
    for part in ("lists/partial", "cache/archives/partial"):
        (folder / part).mkdir(parents=True)
    return [
        "-o", f"Dir::State::lists={folder / 'lists'}",
        "-o", f"Dir::Cache={folder / 'cache'}",
        "-o", "Debug::NoLocking=1",
        "-o", "APT::Sandbox::User=",  # as root, apt would drop to a user that can't write here
        "-o", "APT::Get::List-Cleanup=0",
    ]  # fmt: skip


def _with_missing_libraries(apt: list[str], folder: Path) -> list[str]:
    """
    Name the wanted packages and the libraries below them that are not installed here.

    Their names differ from release to release (libcjson1, libwebsockets17, …): ask apt what it would do.
    """
    plan = _run(["apt-get", *apt, "--simulate", "--no-install-recommends", "install", *WANTED], folder)
    planned = re.findall(r"^Inst (lib\S+)", plan, re.MULTILINE)
    # A C library other than the running one would break the program instead of helping it.
    return [*WANTED, *sorted(set(planned) - {"libc6", *WANTED})]


def _fetched(target: Path) -> Mosquitto | None:
    programs = sorted(target.glob("**/sbin/mosquitto"))
    if not programs:
        return None
    folders = sorted({str(library.parent) for library in target.glob("**/*.so.*")})
    found = Mosquitto(program=programs[0], library_path=os.pathsep.join(folders))
    return found if found.version() else None


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(
        command, cwd=folder, check=True, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}
    )
    return done.stdout


if __name__ == "__main__":
    try:
        print(find_or_fetch().program)
    except MosquittoMissingError as missing:
        sys.exit(str(missing))
