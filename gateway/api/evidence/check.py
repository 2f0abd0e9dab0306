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

from gateway.api.evidence.document import FORMAT, digests
from gateway.api.evidence.page import EMBEDDED, page
from gateway.domain.audit_proof import AuditedRow, Proof, proven
from gateway.domain.audit_trail import Head

MAX_BYTES = 128 * 1024 * 1024
MAX_TOLD = 200
EXPORTED = "case.exported"

HashOf = Callable[[int], bytes | None]
"""Hash of a row of the store; None if there is none."""


def check(file: bytes, written_down: Sequence[Head] = (), hash_of: HashOf | None = None) -> list[str]:
    """
    A sentence for each thing in an export that does not fit; nothing if it is what the gateway wrote.

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
    sentences, hashes = proven(proof, written_down)
    sentences += _sections(stated.get("content"), proof)
    if shown is not None and _made_again(stated, shown) != file.decode():
        sentences.append("The page does not show what its data says.")
    if hash_of is not None:
        sentences += _against(proof, hashes, hash_of)
    return sentences


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


def _sections(content: Any, proof: Proof) -> list[str]:
    """The newest export in the trail is this one: it says what each section was."""
    exported = [row for row in proof.rows() if row.action == EXPORTED]
    if not exported or not isinstance(content, dict):
        return ["The trail has no row of this export."]
    said = _sha256(exported[-1])
    have = digests(content)
    changed = [name for name in sorted({*said, *have}) if said.get(name) != have.get(name)]
    row = exported[-1].n
    return [f"The section {name!r} is not what audit row {row} says was exported." for name in changed]


def _sha256(row: AuditedRow) -> dict[str, Any]:
    try:
        details = _json(row.details)
    except ValueError:
        return {}
    said = details.get("sha256") if isinstance(details, dict) else None
    return said if isinstance(said, dict) else {}


def _against(proof: Proof, stated: Sequence[Head], hash_of: HashOf) -> list[str]:
    """Each row, in full or as a digest, that the store does not have like that."""
    names = {row.n: row.row().name for row in proof.rows()}
    wrong = [one.n for one in stated if one.n and hash_of(one.n) != one.hash]
    told = [f"{names.get(n, f'Audit row {n}')} is not what the store has." for n in wrong[:MAX_TOLD]]
    more = len(wrong) - len(told)
    return [*told, *([f"{more} more rows are not what the store has."] if more else [])]
