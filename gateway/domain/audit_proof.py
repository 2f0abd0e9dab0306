"""
A part of the audit trail that a third party can check offline: some rows in full, the others as digests.

Rules of this file:

1. A segment begins behind a row whose number and hash are given. Each link in it is a row, or a row's digest.
2. Where rows can't stand as digests (there are too many, or they are of before there were digests) a new
   segment begins. Each segment holds by itself; only the store proves what is between two.
3. The end of the last segment is the head of the trail at that time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from gateway.domain.audit_trail import Head, Row, link, parse_head


class AuditedRow(Struct, frozen=True):
    """One row as it is hashed: ``details`` is JSON as text; salt, digest and hash are hexadecimal."""

    n: int
    at: str
    actor: str
    action: str
    subject: str
    details: str
    salt: str | None
    digest: str | None
    hash: str

    def row(self) -> Row:
        """
        As the trail has it.

        Errors:  ValueError.
        """
        content = (self.at, self.actor, self.action, self.subject, self.details)
        return Row(self.n, content, _bytes(self.salt), _bytes(self.digest), bytes.fromhex(self.hash))


class Segment(Struct, frozen=True):
    """Rows that follow one another, behind ``after`` (SEQ:HASH)."""

    after: str
    links: list[AuditedRow | str]


class Proof(Struct, frozen=True):
    """``head`` is where the trail stood when this was made (SEQ:HASH)."""

    head: str
    segments: list[Segment]

    def rows(self) -> Iterator[AuditedRow]:
        """The rows that stand in it in full."""
        return (one for segment in self.segments for one in segment.links if isinstance(one, AuditedRow))


def proven(proof: Proof, written_down: Sequence[Head] = ()) -> tuple[list[str], list[Head]]:
    """
    What does not hold, a sentence each; and number and hash of everything that the proof states.

    Errors:  ValueError for what is no proof.
    """
    sentences: list[str] = []
    stated: list[Head] = []
    for segment in proof.segments:
        _walk(segment, sentences, stated)
    head = parse_head(proof.head)
    if not stated or (stated[-1].n, stated[-1].hash) != (head.n, head.hash):
        sentences.append(f"The links do not lead to the head {proof.head}.")
    hashes = {one.n: one.hash for one in stated}
    sentences += [
        f"Audit row {kept.n} has not the hash that was written down."
        for kept in written_down
        if kept.n in hashes and hashes[kept.n] != kept.hash
    ]
    return sentences, stated


def _walk(segment: Segment, sentences: list[str], stated: list[Head]) -> None:
    after = parse_head(segment.after)
    n, previous, last_good = after.n or 0, after.hash, after.n or 0
    stated.append(after)
    for one in segment.links:
        n += 1
        if isinstance(one, str):
            previous = link(previous, bytes.fromhex(one))
        else:
            row = one.row()
            if row.basis != row.computed:
                sentences.append(f"{row.name}: its content does not match its digest.")
            if row.n != n:
                sentences.append(f"{row.name} stands where row {n} ought to.")
            if row.hash != link(previous, row.basis):
                sentences.append(
                    f"{row.name} does not follow from row {last_good}: it, its hash or a link was changed."
                )
            n, previous, last_good = row.n, row.hash, row.n
        stated.append(Head(n, previous))


def _bytes(digits: str | None) -> bytes | None:
    return None if digits is None else bytes.fromhex(digits)
