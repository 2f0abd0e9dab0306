"""A certificate for this machine."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def self_signed(path: Path, name: str = "127.0.0.1") -> Path:
    """Write it to ``path``, its key beside it as ``.key``; a test that asks is skipped without openssl."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    subject = ("-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1")
    kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    files = ("-out", str(path), "-keyout", str(path.with_suffix(".key")))
    subprocess.run((openssl, "req", "-x509", *kind, *subject, *files), check=True, capture_output=True)
    return path
