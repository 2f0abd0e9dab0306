"""What others made is unchanged, listed, and goes into the package."""

from __future__ import annotations

import tomllib
from hashlib import sha256
from pathlib import Path

from gateway.api.console import load

ROOT = Path(__file__).parent.parent.parent
VENDOR = ROOT / "gateway" / "console" / "vendor"
LISTED = tomllib.loads((VENDOR / "vendor.toml").read_text())["package"]


def test_every_vendored_file_is_listed_with_its_hash_version_and_licence() -> None:
    stated = {file: kept for one in LISTED for file, kept in one["sha256"].items()}
    assert {file: sha256((ROOT / file).read_bytes()).hexdigest() for file in stated} == stated
    assert all(one["version"] and one["licence"] for one in LISTED)
    there = {
        str(one.relative_to(ROOT))
        for folder in (VENDOR, ROOT / "tests" / "data" / "vendor")
        for one in folder.iterdir()
        if one.name not in {"vendor.toml", "LICENCES.txt"}
    }
    assert there == set(stated)


def test_the_package_serves_them() -> None:
    served = load()
    for one in VENDOR.iterdir():
        if one.suffix in {".mjs", ".js", ".css", ".json"}:
            assert served[f"vendor/{one.name}"].body == one.read_bytes()
