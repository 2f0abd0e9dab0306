"""Tools around the code: environment, broker, demo. Standard library only: they run before anything else."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache"


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Let a second process wait for the first instead of working in the same folder."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
