"""
What is wrong with an audit trail that does not hold: which row, and in what way.

What is named is what the hashes prove. Where two explanations fit, both are named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

from msgspec import Struct

from gateway.domain.audit_trail import GENESIS, Head, Row, link

MAX_BREAKS = 200
"""So many are told one by one."""


class _Break(Struct):
    """A row that does not follow, or whose content is not what was hashed."""

    earlier: Any
    """Hash of the row before the one before."""
    before: Row | None
    row: Row
    open: bool = True
    """Nothing has explained yet why it does not follow."""

    @property
    def previous(self) -> Any:
        return GENESIS if self.before is None else self.before.hash

    @property
    def place_before(self) -> int:
        return 0 if self.before is None else self.before.n

    @property
    def gap(self) -> bool:
        return self.row.n != self.place_before + 1

    @property
    def is_linked(self) -> bool:
        return self.row.hash in {link(self.previous, self.row.basis), link(self.previous, self.row.computed)}


def faults(rows: Iterable[Row], head: Head | None, written_down: Sequence[Head] = ()) -> list[str]:
    """
    Everything that is wrong, a sentence each, in the order of the rows; nothing if the chain holds.

    Reads the rows once and keeps none but those that do not follow (200 at most). ``head`` is what stands
    beside the chain, ``written_down`` what somebody has kept elsewhere.
    """
    walk = _Walk({one.n: one.hash for one in written_down if one.n is not None}, head)
    for row in rows:
        walk.take(row)
    return walk.told()


class _Walk:
    """One pass over a chain, and what it found."""

    def __init__(self, written_down: Mapping[int, bytes], head: Head | None) -> None:
        self._written_down = dict(written_down)
        self._head = head
        self._earlier: Any = None
        self._last: Row | None = None
        self._breaks: list[_Break] = []
        self._more = 0
        self._behind: list[Row] = []
        self._said: list[tuple[int, str]] = []

    def take(self, row: Row) -> None:
        """Look at the next row."""
        if self._head is not None and self._head.n is not None and row.n > self._head.n:
            self._behind = [*self._behind[:1], row]
            return
        found = _Break(self._earlier, self._last, row)
        if found.gap or row.basis != row.computed or row.hash != link(found.previous, row.basis):
            if len(self._breaks) < MAX_BREAKS:
                self._breaks.append(found)
            else:
                self._more += 1
        kept = self._written_down.pop(row.n, None)
        if kept is not None and kept != row.hash:
            self._say(
                row.n,
                f"{row.name}: it has not the hash that was written down: it or one before was changed.",
            )
        self._earlier, self._last = found.previous, row

    def told(self) -> list[str]:
        """The findings, in the order of the rows."""
        self._contents()
        self._swapped()
        self._inserted()
        self._hashes()
        self._missing()
        self._elsewhere()
        self._rest()
        self._end()
        sentences = [sentence for _, sentence in sorted(self._said, key=lambda one: one[0])]
        return [*sentences, *([f"{self._more} more rows do not follow."] if self._more else [])]

    def _say(self, n: int, sentence: str) -> None:
        self._said.append((n, sentence))

    def _open(self) -> list[_Break]:
        return [one for one in self._breaks if one.open and not one.is_linked]

    def _close(self, *rows: Row | None) -> None:
        """These rows, and those that stand behind them, are explained."""
        for one in self._breaks:
            if any(row is not None and row in (one.row, one.before) for row in rows):
                one.open = False

    def _contents(self) -> None:
        for one in self._breaks:
            if one.row.basis == one.row.computed:
                continue
            one.open = False
            if one.row.hash == link(one.previous, one.row.computed):
                self._say(
                    one.row.n, f"{one.row.name}: its stored digest was changed; its content fits its hash."
                )
            else:
                self._say(one.row.n, f"{one.row.name}: its content does not match its hash.")

    def _swapped(self) -> None:
        for one, other in combinations(self._open(), 2):
            behind = other.row.hash if other.before == one.row else other.previous
            if (
                one.open
                and other.open
                and other.row.hash == link(one.previous, other.row.basis)
                and one.row.hash == link(behind, one.row.basis)
            ):
                self._close(one.row, other.row)
                self._say(
                    one.row.n, f"{one.row.name} and {_lower(other.row.name)} stand in each other's place."
                )

    def _inserted(self) -> None:
        for one in self._open():
            if one.open and one.before is not None and one.row.hash == link(one.earlier, one.row.basis):
                home = self._home(one.before)
                self._close(one.before, one.row)
                where = "" if home is None else f" It belongs behind row {home}."
                self._say(
                    one.before.n,
                    f"{one.before.name} was put between rows that follow one another without it.{where}",
                )

    def _hashes(self) -> None:
        for one in self._open():
            ought = link(one.previous, one.row.basis)
            next_ = next((other for other in self._breaks if other.before == one.row), None)
            follows = next_ is not None and next_.row.hash == link(ought, next_.row.basis)
            is_head = one.row is self._last and self._head is not None and self._head.hash == ought
            if one.open and (follows or is_head):
                self._close(one.row)
                self._say(
                    one.row.n, f"{one.row.name}: its stored hash was changed; its content fits what follows."
                )

    def _missing(self) -> None:
        for one in self._breaks:
            if not one.gap:
                continue
            one.open = False
            first, last = one.place_before + 1, one.row.n - 1
            lost = _numbers(first, last)
            moved = self._moved(one)
            if moved is not None:
                self._close(moved)
                self._say(first, f"Audit row {first} is missing: it stands as row {moved.n}.")
            elif one.row.hash == link(one.previous, one.row.basis):
                why = (
                    "begins the trail: it was written as row 1."
                    if one.before is None
                    else f"follows row {one.place_before}: one had another number, or the head was gone."
                )
                self._say(first, f"{one.row.name} {why}")
            else:
                between = (
                    f"between {one.place_before} and {one.row.n}" if one.before else f"before {one.row.n}"
                )
                self._say(first, f"Audit rows are missing {between}: {lost}.")

    def _moved(self, gap: _Break) -> Row | None:
        """The row that was taken out here, if it stands elsewhere."""
        places = [*(one.row for one in self._breaks if one is not gap), *self._behind]
        return next((row for row in places if row.hash == link(gap.previous, row.basis)), None)

    def _elsewhere(self) -> None:
        for one in self._open():
            home = self._home(one.row)
            if one.open and home is not None:
                self._close(one.row)
                self._say(
                    one.row.n, f"{one.row.name} stands in the wrong place: it belongs behind row {home}."
                )

    def _home(self, row: Row) -> int | None:
        """Number of the row that this one follows, of those around the breaks."""
        if row.hash == link(GENESIS, row.basis):
            return 0
        around = [found for one in self._breaks for found in (one.before, one.row) if found is not None]
        return next((one.n for one in around if one != row and row.hash == link(one.hash, row.basis)), None)

    def _rest(self) -> None:
        taken_out = self._taken_out()
        for one in self._open():
            if taken_out:
                text = (
                    f"{one.row.name} does not follow row {one.place_before}: rows between them were taken out"
                    f" ({taken_out}), and those behind have other numbers now."
                )
            elif one.before is None:
                text = f"{one.row.name} does not begin the trail: it was written anew."
            else:
                text = (
                    f"{one.before.name} was written anew with its hash, or row {one.row.n} was:"
                    f" {one.row.n} does not follow {one.before.n}."
                )
            self._say(one.place_before, text)

    def _taken_out(self) -> int:
        head, last = self._head, self._last
        if head is None or head.n is None or last is None or last.hash != head.hash:
            return 0
        return head.n - last.n

    def _end(self) -> None:
        last = 0 if self._last is None else self._last.n
        for n in self._written_down:
            self._say(
                n,
                f"Audit row {n}, whose hash was written down, is missing: the trail ends at row {last}."
                if n > last
                else f"Audit row {n}, whose hash was written down, is missing.",
            )
        if self._behind:
            first, newest = self._behind[0], self._behind[-1]
            many = f" to {newest.n}" if newest.n != first.n else ""
            self._say(
                first.n,
                f"{first.name}{many} stands behind the head of the trail: the gateway did not write it.",
            )
        if self._head is None:
            if last:
                self._say(last, "The store does not hold the head of its audit trail.")
            return
        self._against(self._head, last)

    def _against(self, head: Head, last: int) -> None:
        """The end as it is, against the end as the gateway noted it."""
        if self._last is not None and self._last.hash == head.hash:
            return
        if head.n is None or last < head.n:
            lost = f"behind row {last}" if head.n is None else _numbers(last + 1, head.n)
            self._say(last + 1, f"Audit rows are missing at the end: {lost}.")
        elif self._last is not None and not any(one.row is self._last for one in self._breaks):
            self._say(
                last,
                f"{self._last.name} was written anew with its hash, or the head beside it was changed.",
            )


def _lower(name: str) -> str:
    return name[:1].lower() + name[1:]


def _numbers(first: int, last: int) -> str:
    return str(first) if first == last else f"{first} to {last}"
