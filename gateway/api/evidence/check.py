"""
Holds an export against itself.

Its sections against the trail, the trail against its hashes, and the page against both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from html import unescape
from typing import Any

import msgspec
from msgspec import Struct

from gateway.api.evidence.document import FORMAT, digests
from gateway.api.evidence.page import EMBEDDED, VERSION, page
from gateway.domain.audit_proof import AuditedRow, Proof, proven
from gateway.domain.audit_trail import Head
from gateway.ports import LeftOut

MAX_BYTES = 128 * 1024 * 1024
MAX_TOLD = 200
EXPORTED = "case.exported"
NO_ROW = "The trail has no row of this export."
OF_ANOTHER_VERSION = "was made by another version of the program: what it shows can't be compared here"
LEFT_OUT = {
    "entries": "lines of the timeline",
    "alarms": "alarms, the oldest",
    "facts": "facts of alarm {alarm_id}, the newest",
    "modes": "special modes",
    "audit": "audit rows, what was only looked at first",
    "positions": "positions: the case is closed, and no reason was given",
}

HashOf = Callable[[int], bytes | None]
"""Hash of a row of the store; None if there is none."""


class Checked(Struct, frozen=True):
    """``wrong``: a sentence for each thing that does not fit. ``told``: what else is to be known of it."""

    wrong: list[str]
    told: list[str]


def check(file: bytes, written_down: Sequence[Head] = (), hash_of: HashOf | None = None) -> Checked:
    """
    What does not fit in an export; nothing if it is what the gateway wrote.

    Errors:  ValueError for what is no export.
    """
    if len(file) > MAX_BYTES:
        raise ValueError("it is too big for an export")
    text, shown = _data(file)
    stated = _json(text)
    if not isinstance(stated, dict) or stated.get("format") != FORMAT:
        raise ValueError(f"it is no export of the format {FORMAT}")
    try:
        proof = msgspec.convert(stated.get("proof"), Proof)
    except msgspec.ValidationError as error:
        raise ValueError(f"its proof is none: {error}") from error
    wrong, hashes = proven(proof, written_down)
    exported = [row for row in proof.rows() if row.action == EXPORTED]
    # The newest export in the trail is this one.
    said = _details(exported[-1]) if exported else {}
    wrong += _sections(stated.get("content"), exported[-1].n, said) if exported else [NO_ROW]
    if hash_of is not None:
        wrong += _against(proof, hashes, hash_of)
    told = _left_out(stated.get("content"))
    if shown is not None and said.get("format") != "html":
        wrong.append("The trail says that no page was exported.")
    elif shown is not None and said.get("page") != VERSION:
        told.append(f"The page {OF_ANOTHER_VERSION}; its data is {'not whole' if wrong else 'whole'}.")
        return Checked(wrong, told)
    elif shown is not None and _made_again(stated, shown) != file.decode():
        wrong.append("The page does not show what its data says.")
    return Checked(wrong, told if wrong else [*told, "The export is what the gateway wrote."])


def _data(file: bytes) -> tuple[str, str | None]:
    """The JSON of an export, and the language if it is a page."""
    text = file.decode()
    if not text.startswith("<!doctype html>"):
        return text, None
    language, found = re.search(r'<html lang="([a-z]{2})">', text), re.search(EMBEDDED, text, re.DOTALL)
    if language is None or found is None:
        raise ValueError("it is no page of an export")
    return unescape(found[1]), language[1]


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is too deep for an export") from error


def _made_again(stated: dict[str, Any], language: str) -> str | None:
    try:
        return page(stated, language)
    except (AttributeError, LookupError, TypeError):
        return None


def _sections(content: Any, row: int, said: dict[str, Any]) -> list[str]:
    """The row of the export says what each section was."""
    stated, have = said.get("sha256"), digests(content) if isinstance(content, dict) else {}
    stated = stated if isinstance(stated, dict) else {}
    changed = [name for name in sorted({*stated, *have}) if stated.get(name) != have.get(name)]
    return [f"The section {name!r} is not what audit row {row} says was exported." for name in changed]


def _details(row: AuditedRow) -> dict[str, Any]:
    try:
        details = _json(row.details)
    except ValueError:
        return {}
    return details if isinstance(details, dict) else {}


def _left_out(content: Any) -> list[str]:
    """A sentence for each thing that the export does not hold."""
    listed = content.get("left_out") if isinstance(content, dict) else None
    try:
        left_out = msgspec.convert(listed or [], list[LeftOut])
    except msgspec.ValidationError:
        return []
    return [_sentence(one) for one in left_out]


def _sentence(one: LeftOut) -> str:
    name = LEFT_OUT[one.what].format(alarm_id=one.alarm_id)
    if one.of is None:
        return f"Left out: older {name} than the {one.kept} that stand in it."
    return f"Left out: {one.of - one.kept} of {one.of} {name}."


def _against(proof: Proof, stated: Sequence[Head], hash_of: HashOf) -> list[str]:
    """Each row, in full or as a digest, that the store does not have like that."""
    names = {row.n: row.row().name for row in proof.rows()}
    wrong = [one.n for one in stated if one.n and hash_of(one.n) != one.hash]
    told = [f"{names.get(n, f'Audit row {n}')} is not what the store has." for n in wrong[:MAX_TOLD]]
    more = len(wrong) - len(told)
    return [*told, *([f"{more} more rows are not what the store has."] if more else [])]
