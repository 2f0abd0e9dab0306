#!/usr/bin/env python3
"""
The one command of a checkout. It needs Python 3.11 and nothing else; the rest is prepared at the first call.

    python3 dev.py demo              a fleet, a broker, a gateway and its console, on this machine
    python3 dev.py test [ARGS …]     all tests, on several cores (-n0: on one); ARGS go to pytest
    python3 dev.py check [--fix]     format, lint, types, import rules, generated pages
    python3 dev.py bench [NAME …]    measure; no name: all, and the goals (--rounds 1: sooner); compare: two
    python3 dev.py drill [NAME …]    kill, flood and starve a running gateway, and count what is lost
    python3 dev.py setup             only prepare: environment in .venv, a broker found or fetched
    python3 dev.py lock              renew requirements.lock from pyproject.toml
    python3 dev.py clean             remove all that these commands made

`demo --help` shows the options of the demo. With GATEWAY_REQUIRE=broker,browser,references a test that
lacks one of them fails instead of being skipped. GATEWAY_MQTT_URL names a broker of your own for the demo.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

# An older interpreter reads this file too: say what is wrong before something fails without a reason.
if sys.version_info < (3, 11):  # noqa: UP036 - this line is for those who start it with an older one
    sys.exit(f"Python 3.11 or later is needed; this is {sys.version.split()[0]}. Try: python3.11 dev.py")

from devtools import ROOT, environment, mosquitto

MADE_HERE = (
    ".cache",
    ".demo",
    ".hypothesis",
    ".import_linter_cache",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".venv",
)

# Tests of a file stay together as long as there are others: what they share is made once.
IN_PARALLEL = ("--numprocesses=auto", "--maxprocesses=4", "--dist=worksteal", "--durations=20")


def say(line: str) -> None:
    """Print a line of progress, apart from a command's own output."""
    print(f"· {line}", file=sys.stderr, flush=True)


def setup(_arguments: list[str]) -> int:
    """Prepare the environment and a broker."""
    environment.ensure(say)
    if os.environ.get("GATEWAY_MQTT_URL"):
        say("broker: the one of GATEWAY_MQTT_URL")
        return 0
    try:
        found = mosquitto.find_or_fetch(say)
    except mosquitto.MosquittoMissingError as missing:
        say(str(missing))
    else:
        say(f"broker: {found.program} {found.version()}")
    return 0


def demo(arguments: list[str]) -> int:
    """Run the demo."""
    become(environment.ensure(say), "-m", "devtools.demo", *arguments)


def test(arguments: list[str]) -> int:
    """Run the tests; where some are named, in this process, which starts sooner."""
    named = any(Path(one.partition("::")[0]).exists() for one in arguments)
    become(environment.ensure(say), "-m", "pytest", *([] if named else IN_PARALLEL), *arguments)


def bench(arguments: list[str]) -> int:
    """Run measurements."""
    become(environment.ensure(say), "-m", "bench", *arguments)


def drill(arguments: list[str]) -> int:
    """Run drills."""
    become(environment.ensure(say), "-m", "bench", "drill", *arguments)


def check(arguments: list[str]) -> int:
    """Run every static check, all of them even if one fails, and name those that did."""
    fix = "--fix" in arguments
    python, bin_folder = environment.ensure(say), environment.BIN
    steps: dict[str, list[str | Path]] = {
        "format": [bin_folder / "ruff", "format", "--quiet", *([] if fix else ["--diff"])],
        "lint": [bin_folder / "ruff", "check", "--quiet", *(["--fix"] if fix else [])],
        "types": [bin_folder / "mypy", "--no-error-summary"],
        "imports": [bin_folder / "lint-imports"],
        "files": [python, "-m", "devtools.tidy"],
        "pages": [python, "docs/generate.py", *([] if fix else ["--check"])],
    }
    if not (ROOT / "docs" / "generate.py").exists():
        del steps["pages"]
    failed = [name for name, command in steps.items() if not passes(name, command)]
    say(f"failed: {', '.join(failed)}" if failed else "all good")
    return 1 if failed else 0


def passes(name: str, command: list[str | Path]) -> bool:
    """Run one check; its output is shown only if it fails."""
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    say(f"{name}: {'good' if done.returncode == 0 else 'FAILED'}")
    if done.returncode:
        print(done.stdout, flush=True)
    return done.returncode == 0


def lock(_arguments: list[str]) -> int:
    """Renew the hash-locked list of packages, for all platforms and without any index address in it."""
    text = subprocess.run(
        [environment.fetch_uv(), "pip", "compile", "pyproject.toml", "--universal", "--generate-hashes",
         "--group", "build", "--group", "test", "--group", "dev", "--python-version", "3.11", "--upgrade",
         "--no-emit-index-url", "--no-emit-find-links", "--no-header", "--no-annotate", "--quiet"],
        cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, "UV_SYSTEM_CERTS": "1"},
    ).stdout  # fmt: skip
    if "://" in text:
        say("the list would hold an address: not written")
        return 1
    heading = environment.LOCK.read_text().splitlines()[0]
    environment.LOCK.write_text(f"{heading}\n{text}")
    return 0


def clean(_arguments: list[str]) -> int:
    """Remove what the other commands made."""
    for name in MADE_HERE:
        shutil.rmtree(ROOT / name, ignore_errors=True)
    for folder in [*ROOT.glob("*/**/__pycache__"), ROOT / "__pycache__"]:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def become(program: Path, *arguments: str) -> NoReturn:
    """Go on as another program, so that signals and exit code are its own."""
    os.chdir(ROOT)
    os.execv(program, [str(program), *arguments])


COMMANDS = {command.__name__: command for command in (demo, test, check, bench, drill, setup, lock, clean)}


def main(arguments: list[str]) -> int:
    """Run one command."""
    name = arguments[0] if arguments else "--help"
    if name in {"-h", "--help", "help"}:
        print((__doc__ or "").strip())
        return 0
    if name not in COMMANDS:
        print(
            f"No command {name!r}. Known: {', '.join(COMMANDS)}. More: python3 dev.py --help", file=sys.stderr
        )
        return 2
    try:
        return COMMANDS[name](arguments[1:])
    except environment.SetupError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
