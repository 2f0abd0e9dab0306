"""``?after=&limit=`` and ``next_after``, the same for every list."""

from __future__ import annotations

from typing import Annotated, Protocol, TypeVar

from litestar.params import QueryParameter

MAX_LIMIT = 1000
MAX_SEQUENCE = 2**63 - 1

Limit = Annotated[int, QueryParameter(ge=1, le=MAX_LIMIT, description="At most so many items.")]
After = Annotated[
    int, QueryParameter(ge=0, le=MAX_SEQUENCE, description="Only what comes after this number.")
]

MAX_SOCS = 16
"""First sequences are unique within one SOC's feed only: so many alarms may share one."""

T = TypeVar("T")


class Numbered(Protocol):
    """An item that a page may end with."""

    @property
    def first_sequence(self) -> int:
        """Place in its feed."""
        ...


N = TypeVar("N", bound=Numbered)


def cut(items: list[T], limit: int) -> tuple[list[T], T | None]:
    """A page of ``limit`` out of one item more, and the item to go on after, if any is left."""
    page = items[:limit]
    return page, page[-1] if len(items) > limit else None


def cut_whole(items: list[N], limit: int) -> tuple[list[N], int | None]:
    """Do as ``cut``, but never part alarms of one first sequence: the next page would miss the rest."""
    end = limit
    while 0 < end < len(items) and items[end].first_sequence == items[end - 1].first_sequence:
        end += 1
    return items[:end], items[end - 1].first_sequence if end < len(items) else None
