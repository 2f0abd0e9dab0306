"""Evidence is kept as codes and values; its sentence is made when it is told."""

from __future__ import annotations

import msgspec
import pytest

from gateway.domain import said
from gateway.domain.said import Evidence, Said


@pytest.mark.parametrize(
    ("stored", "text"),
    [
        (b'{"text":"As it was.","event_id":"e1","at":null}', "As it was."),
        (b'{"text":"Both.","said":[{"code":"card_back","values":{"card":"DC-1"}}]}', "Both."),
        (
            b'{"said":[{"code":"of_tomorrow"},{"code":"card_weak"}]}',
            "of_tomorrow The battery of Driver Card ? is low.",
        ),
    ],
    ids=["before codes", "with codes beside it", "by another version"],
)
def test_what_another_version_stored_is_told(stored: bytes, text: str) -> None:
    assert msgspec.json.decode(stored, type=Evidence).text == text


def test_the_sentence_is_not_stored() -> None:
    made = said.evidence(None, Said("adds", {"detail": "x" * 2000}))
    assert len(made.text) == said.MAX_EVIDENCE_TEXT
    assert b"It adds" not in msgspec.json.encode(made)
