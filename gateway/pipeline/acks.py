"""
Acknowledgements of one connection leave in the order of arrival, whatever order they are asked for in.

What is decided first need not be what came first: no vehicle waits behind another one's flood. MQTT demands
the order of arrival all the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

Ack = Callable[[], None]


class InOrder:
    """The line of one connection; it ends with it. As long as what the broker lets be unacknowledged."""

    def __init__(self) -> None:
        self._line: deque[_Place] = deque()

    def __len__(self) -> int:
        """How many have not left."""
        return len(self._line)

    def place(self, ack: Ack) -> Ack:
        """Take the next place in the line; ``ack`` is called when it was asked for, and for all before it."""
        place = _Place(ack, self._line)
        self._line.append(place)
        return place

    def now(self, ack: Ack) -> None:
        """Ask for one at once: it is called with the last of those that came before it."""
        if self._line:
            self.place(ack)()
        else:
            ack()


class _Place:
    __slots__ = ("_ack", "_is_due", "_line")

    def __init__(self, ack: Ack, line: deque[_Place]) -> None:
        self._ack = ack
        self._line = line
        self._is_due = False

    def __call__(self) -> None:
        """Ask for it; a second time changes nothing."""
        self._is_due = True
        line = self._line
        while line and line[0]._is_due:  # noqa: SLF001  # its own class
            line.popleft()._ack()  # noqa: SLF001
