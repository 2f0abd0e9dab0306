"""What ``vehicle-gateway verify`` walks: a store, and an evidence export."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gateway.adapters.storage.sqlite import chain
from gateway.adapters.storage.sqlite.verify import holes
from gateway.domain.audit_trail import Head
from gateway.errors import StartError


def check_store(
    path: Path, written_down: Sequence[Head], progress: Callable[[int, int], None]
) -> tuple[list[str], Head | None]:
    """
    A sentence for each hole in a store, and the head of its audit trail.

    Errors:  StartError if there is no store, or it can't be read.
    """
    with _opened(path) as connection:
        return list(holes(connection, written_down, progress)), chain.head(connection)


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    if not path.exists():
        raise StartError(f"there is no store at {path}")
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        yield connection
    except sqlite3.Error as error:
        raise StartError(f"the store {path} can't be read: {error}") from error
    finally:
        connection.close()
