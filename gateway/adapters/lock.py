"""One gateway per data folder: two would take each other's sessions and decide the same events."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.errors import StartError


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """
    Hold the folder until the end; the system lets go of it however the process ends.

    Errors:  StartError if another gateway holds it, or it can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "gateway.lock").open("w")
    except OSError as error:
        raise StartError(f"the data folder {folder} can't be written: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StartError(f"another gateway runs on the data folder {folder}") from error
        yield
