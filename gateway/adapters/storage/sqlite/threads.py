"""
One writer thread with group commit, and reader threads.

Rules of this file:

1. Only the writer thread writes; a transaction is made of every job that waits when it begins.
2. A job that fails undoes only itself; a commit that fails fails every job in it. A job may be done twice.
3. A future is resolved after the commit is on the disk, never before.
4. No sqlite3 call happens on the event loop: a locked file would block it.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from gateway.errors import StoreError

T = TypeVar("T")

MAX_GROUP = 256
BUSY_TIMEOUT_S = 1.0
IDLE_S = 0.5
CACHED_STATEMENTS = 512
"""Each statement for many rows is one for each power of two (see ``many``)."""
WORTH_A_CHECKPOINT = 100
"""So many transactions are in the log. After each checkpoint the next commit waits for the disk twice."""
CHECKPOINT_BACKSTOP_PAGES = 20_000
"""The writer checkpoints when it is idle; this bounds the log under a load that never pauses."""


def connect(path: Path) -> sqlite3.Connection:
    """
    Open the database with the pragmas that durability rests on.

    Errors:  sqlite3.Error.
    """
    connection = sqlite3.connect(
        path,
        isolation_level=None,
        check_same_thread=False,
        timeout=BUSY_TIMEOUT_S,
        cached_statements=CACHED_STATEMENTS,
    )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_BACKSTOP_PAGES}")
    connection.execute("PRAGMA cache_size = -16000")
    return connection


class _Job:
    """One piece of work for the writer, and who waits for it."""

    def __init__(self, work: Callable[[sqlite3.Connection], Any], loop: asyncio.AbstractEventLoop) -> None:
        self.work = work
        self.loop = loop
        self.future: asyncio.Future[Any] = loop.create_future()
        self.result: Any = None
        self.error: Exception | None = None

    def resolve(self) -> None:
        """Hand the outcome to the event loop, wherever it is by now."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self.loop.call_soon_threadsafe(self._set)

    def _set(self) -> None:
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


class Writer:
    """The only thread that writes."""

    def __init__(self, path: Path) -> None:
        self._connection = connect(path)
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """
        Do ``work`` in the next transaction and return after its commit.

        Errors:  StoreError; nothing of this job is kept then.
        """
        job = _Job(work, asyncio.get_running_loop())
        self._jobs.put(job)
        result: T = await job.future
        return result

    def close(self) -> None:
        """Finish what waits, then close."""
        self._jobs.put(None)
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        unchecked = 0
        while True:
            try:
                job = self._jobs.get(timeout=IDLE_S)
            except queue.Empty:
                if unchecked >= WORTH_A_CHECKPOINT:
                    self._checkpoint()
                    unchecked = 0
                continue
            if job is None:
                return
            group, closing = self._gather(job)
            self._transact(group)
            for one in group:
                one.resolve()
            unchecked += 1
            if closing:
                return

    def _gather(self, first: _Job) -> tuple[list[_Job], bool]:
        group = [first]
        while len(group) < MAX_GROUP:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                return group, True
            group.append(job)
        return group, False

    def _transact(self, group: list[_Job]) -> None:
        """
        All in one transaction; if one of them fails, each in its own.

        Not with a savepoint for each job: SQLite then copies every page that is about to change.
        """
        error = self._attempt(group)
        if error is None:
            return
        # Disk full, read-only, input/output: not the fault of one of them.
        if len(group) > 1 and not isinstance(error, sqlite3.OperationalError):
            for job in group:
                self._transact([job])
            return
        for job in group:
            job.error = (
                error if isinstance(error, StoreError) else StoreError(f"{type(error).__name__}: {error}")
            )

    def _attempt(self, group: list[_Job]) -> Exception | None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for job in group:
                job.result = job.work(self._connection)
            self._connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001  # whatever a job does, it must not end the thread
            self._roll_back()
            return error
        return None

    def _roll_back(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            pass  # SQLite has rolled back by itself

    def _checkpoint(self) -> None:
        with contextlib.suppress(sqlite3.Error):  # a reader holds it; the next idle moment does it
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)")


class Reader:
    """A connection with a thread of its own, so that a slow query of one kind never delays another."""

    def __init__(self, path: Path, name: str) -> None:
        self._connection = connect(path)
        self._connection.execute("PRAGMA query_only = ON")
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"store-{name}", daemon=True)
        self._thread.start()

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """
        Do ``work`` on this reader's thread.

        Errors:  StoreError.
        """
        job = _Job(work, asyncio.get_running_loop())
        self._jobs.put(job)
        try:
            result: T = await job.future
        except sqlite3.Error as error:
            raise StoreError(f"{type(error).__name__}: {error}") from error
        return result

    def close(self) -> None:
        """Finish what waits, then close."""
        self._jobs.put(None)
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        # Not an executor: its locks and its chain of two futures cost an alarm as much as the query.
        while (job := self._jobs.get()) is not None:
            try:
                job.result = job.work(self._connection)
            except Exception as error:  # noqa: BLE001  # the caller's, and it must not end the thread
                job.error = error
            job.resolve()
