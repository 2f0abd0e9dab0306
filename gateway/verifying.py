"""What ``vehicle-gateway verify`` walks: a store, and an evidence export."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gateway.adapters.storage.sqlite import chain
from gateway.adapters.storage.sqlite.verify import holes
from gateway.api.evidence.check import Checked, check
from gateway.domain.audit_trail import Head
from gateway.errors import StartError


def check_export(file: Path, written_down: Sequence[Head], store: Path | None) -> Checked:
    """
    What does not fit in an export, by itself and against a store if one is given.

    Errors:  StartError if the file or the store can't be read.
    """
    try:
        data = file.read_bytes()
        if store is None:
            return check(data, written_down)
        with _opened(store) as connection:
            return check(data, written_down, lambda n: chain.hash_of(connection, n))
    except (OSError, ValueError) as error:
        raise StartError(f"{file} can't be checked: {error}") from error


def check_store(path: Path, written_down: Sequence[Head], progress: Callable[[int, int], None]) -> Checked:
    """
    Each hole in a store, or the head of its audit trail.

    Errors:  StartError if there is no store, or it can't be read.
    """
    with _opened(path) as connection:
        found = list(holes(connection, written_down, progress))
        end = chain.head(connection)
    if found:
        return Checked(found, [])
    told = [] if end is None else [f"Head of the audit trail, to be written down elsewhere: {end}"]
    return Checked([], ["The store is whole.", *told])


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
