"""Which part of a run one process has. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

_T = TypeVar("_T")


class Share(msgspec.Struct, frozen=True):
    """Each ``of``-th vehicle, address and moment of load, beginning with number ``index``."""

    index: int = 0
    of: int = 1

    @property
    def words(self) -> tuple[object, ...]:
        """What sets its dice apart from those of the other shares; nothing where it has all."""
        return () if self.of == 1 else (self.index, self.of)

    def take(self, some: Sequence[_T]) -> Sequence[_T]:
        """What of these it has."""
        return some[self.index :: self.of]

    def count(self, first: int, count: int) -> int:
        """How many it has of so many numbers that begin with ``first``."""
        return len(range(first + (self.index - first) % self.of, first + count, self.of))


ALL = Share()
