"""
Files of a recording: JSON lines in a folder of their own, closed to others, rotated, and bounded.

They are written without waiting for the disk; a file is forced to the disk when it is finished. A kill costs
at most the last line, which a reader leaves out; a power cut costs what the system had not written yet.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from datetime import datetime, timedelta
from errno import ENOSPC
from pathlib import Path
from typing import IO, Any

import msgspec

from gateway.pipeline.recording import Mark, RecordingSettings

FILES = 20
"""So many files hold what is allowed: the oldest of them goes at once."""
NEW_FILE_AFTER = timedelta(hours=1)
LEAVE_FREE_BYTES = 256 << 20
"""A recording must never fill the disk that the store may need."""

_encoder = msgspec.json.Encoder()


class RecordingFiles:
    """See ``gateway.pipeline.recording.Files``."""

    def __init__(self, folder: Path, settings: RecordingSettings) -> None:
        self._folder = folder
        self._file_bytes = settings.max_bytes // FILES
        self._max_bytes = settings.max_bytes
        self._max_age = timedelta(days=settings.max_days)
        self._file: IO[bytes] | None = None
        self._began: datetime | None = None

    def append(self, lines: Sequence[Any], now: datetime) -> bool:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if shutil.disk_usage(self._folder).free < LEAVE_FREE_BYTES:
            raise OSError(ENOSPC, "the disk is nearly full, and the store comes first")
        file, begins = self._open(now)
        file.write(_encoder.encode_lines(lines))
        file.flush()
        if file.tell() >= self._file_bytes:
            self.close()
        return begins

    def close(self) -> None:
        if self._file is None:
            return
        file, self._file = self._file, None
        with file:
            os.fsync(file.fileno())

    def _open(self, now: datetime) -> tuple[IO[bytes], bool]:
        if self._file is not None and self._began is not None and now - self._began >= NEW_FILE_AFTER:
            self.close()
        if self._file is not None:
            return self._file, False
        self._make_room(now)
        path = self._folder / _name(now)
        file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")
        file.write(_encoder.encode_lines([Mark(now)]))
        self._file, self._began = file, now
        return file, True

    def _make_room(self, now: datetime) -> None:
        """Delete what is too old, then the oldest until a new file fits."""
        files = [(path, path.stat().st_size) for path in recorded(self._folder)]
        left = sum(size for _path, size in files)
        oldest = _name(now - self._max_age)
        for path, size in files:
            if path.name < oldest or left > self._max_bytes - self._file_bytes:
                path.unlink(missing_ok=True)
                left -= size


def _name(at: datetime) -> str:
    return f"{at:%Y%m%dT%H%M%S.%f}.jsonl"


def recorded(folder: Path) -> list[Path]:
    """The files of a recording, oldest first: their names are their times."""
    return sorted(folder.glob("*.jsonl"))
