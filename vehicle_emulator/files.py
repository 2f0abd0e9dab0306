"""
Files that a command line reads and writes: mistakes are sentences, and a full disk costs no run.

What is written along the way (``Outputs.open``) goes on without a file that finds no room, which is told at
the end. A file that can't be opened at all is a mistake before anything begins.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Protocol, Self, TypeVar

import msgspec
import typer

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

_T = TypeVar("_T")


class Writes(Protocol):
    """A file, or what counts as one; a write without success is false or raises OSError."""

    def write(self, data: bytes, /) -> object:
        """Take lines."""

    def flush(self) -> None:
        """Hand over what was taken."""


class Output:
    """A binary file under writing that never fails; after the first failure nothing more is written."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        """Take an open file over."""
        self._path, self._file = path, file
        self._why = ""

    @property
    def complaint(self) -> str:
        """Why it is not complete, or nothing."""
        return f"{self._path} is not complete: {self._why}" if self._why else ""

    def write(self, data: bytes, /) -> bool:
        """Write lines; False from the first on that found no room."""
        if not self._why:
            self._try(data)
        return not self._why

    def flush(self) -> None:
        """Hand over to the system what was written."""
        if not self._why:
            self._try(b"")

    def close(self) -> None:
        """Write what is left."""
        self.flush()
        try:
            self._file.close()
        except OSError as error:
            self._why = self._why or _reason(error)

    def _try(self, data: bytes) -> None:
        try:
            if data:
                self._file.write(data)
            else:
                self._file.flush()
        except OSError as error:
            self._why = _reason(error)


class Outputs:
    """All files that are written along the way. A context: they are closed at its end."""

    def __init__(self) -> None:
        """None yet."""
        self._open: list[Output] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for one in self._open:
            one.close()

    def open(self, path: Path | None) -> Output | None:
        """
        Begin a file, where one is wanted.

        Errors:  typer.BadParameter.
        """
        if path is None:
            return None
        try:
            output = Output(path, path.open("wb"))
        except OSError as error:
            raise typer.BadParameter(f"{path}: {_reason(error)}") from error
        self._open.append(output)
        return output

    @property
    def complaints(self) -> tuple[str, ...]:
        """Of each file that lacks something."""
        return tuple(one.complaint for one in self._open if one.complaint)


def check(*paths: Path | None) -> None:
    """
    Find out before a long run whether these can be written at its end; what stands there stays.

    Errors:  typer.BadParameter.
    """
    for path in paths:
        try:
            if path is not None:
                path.open("ab").close()
        except OSError as error:
            raise typer.BadParameter(f"{path}: {_reason(error)}") from error


def write(path: Path, data: bytes) -> None:
    """
    Write a whole file.

    Errors:  typer.Exit, its sentence told.
    """
    try:
        path.write_bytes(data)
    except OSError as error:
        typer.echo(f"{path}: {_reason(error)}", err=True)
        raise typer.Exit(1) from error


def write_json(path: Path, value: object) -> None:
    """
    Write a value as JSON for people and programs.

    Errors:  typer.Exit, its sentence told.
    """
    write(path, msgspec.json.format(msgspec.json.encode(value)) + b"\n")


def read_json(path: Path, shape: type[_T], option: str) -> _T:
    """
    Read a JSON file of a known shape; ``option`` is the one that named it.

    Errors:  typer.BadParameter.
    """
    return _read(path, _bytes(path, option), shape, option)


def read_json_lines(path: Path, shape: type[_T], option: str) -> list[_T]:
    """
    Read a file of JSON lines.

    Errors:  typer.BadParameter.
    """
    lines = _bytes(path, option).splitlines()
    return [_read(f"{path}, line {number}", line, shape, option) for number, line in enumerate(lines, 1)]


def _bytes(path: Path, option: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{path}: {_reason(error)}", param_hint=option) from error


def _read(where: object, data: bytes, shape: type[_T], option: str) -> _T:
    try:
        return msgspec.json.decode(data, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise typer.BadParameter(f"{where}: {error}", param_hint=option) from error


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
