"""The page's words: the same in each language, and one for everything that the gateway may say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import pytest

from gateway.api.alarm_bodies import Disposition
from gateway.domain.arming import ArmingState
from gateway.domain.cases import TWO_PERSONS
from gateway.domain.causes import CAUSES
from gateway.domain.escalation import WHY
from gateway.domain.offline import WhyOffline
from gateway.domain.reasons import SEVERITIES
from gateway.domain.remote_access.actions import ACTIONS
from gateway.domain.said import SENTENCES
from gateway.domain.services.data_bundle import BundleState
from gateway.domain.services.entitlements import SERVICES
from gateway.domain.services.entitlements import Cause as ServiceCause
from gateway.domain.theft_report import CAUSE
from gateway.texts import placeholders

CONSOLE = Path(__file__).parent.parent.parent / "gateway" / "console"
WORDS = {one.stem: json.loads(one.read_text()) for one in (CONSOLE / "words").glob("*.json")}
SCRIPTS = "\n".join(one.read_text() for one in (CONSOLE / "js").glob("*.js"))
PAGES = "\n".join(one.read_text() for one in CONSOLE.glob("*.html"))


def test_every_sentence_of_evidence_is_translated_with_its_values() -> None:
    translated = json.loads((CONSOLE / "evidence" / "nl.json").read_text())
    assert translated.keys() == SENTENCES.keys()
    for code, text in translated.items():
        missing = placeholders(SENTENCES[code]) - placeholders(text)
        assert missing <= {"expected"}, code  # the reason why so much silence is expected is English only
        assert placeholders(text) <= placeholders(SENTENCES[code]), code


def test_every_rule_is_translated() -> None:
    translated = json.loads((CONSOLE / "rules" / "nl.json").read_text())
    assert translated.keys() == {cause.name for cause in CAUSES}


def test_every_refusal_that_is_translated_is_one_and_needs_no_more_than_who() -> None:
    sources = "\n".join(one.read_text() for one in CONSOLE.parent.rglob("*.py"))
    for code, text in json.loads((CONSOLE / "problems" / "nl.json").read_text()).items():
        assert f'"{code}"' in sources, code
        assert set(re.findall(r"\{(\w+)\}", text)) <= {"by"}, code


@pytest.mark.parametrize("language", ["en", "nl"])
def test_every_language_has_every_word_with_the_same_values(language: str) -> None:
    words, english = WORDS[language], WORDS["en"]
    assert words.keys() == english.keys()
    for key, text in words.items():
        assert text.strip(), key
        assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", english[key])), key


def test_every_word_that_the_page_asks_for_is_there() -> None:
    asked = set(re.findall(r"""\bt\("([\w.]+)\"""", SCRIPTS)) | set(
        re.findall(r"\{\{(\w+\.[\w.]+)\}\}", PAGES)
    )
    assert asked - WORDS["en"].keys() == set()


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("cause", [cause.name for cause in CAUSES]),
        ("severity", ["critical", "major", "minor"]),
        ("disposition", list(get_args(Disposition))),
        ("offline", list(get_args(WhyOffline))),
        ("unprotected_for", list(SEVERITIES)),
        ("services", list(SERVICES)),
        ("unavailable", list(get_args(ServiceCause))),
        ("bundle", list(get_args(BundleState))),
        ("arming", list(get_args(ArmingState))),
        ("why", list(WHY.values())),
        (
            "approval",
            [
                *(f"case.{act}" for act in (*TWO_PERSONS, "close")),
                CAUSE,
                *(one.name for one in ACTIONS.values() if one.second_person),
            ],
        ),
    ],
)
def test_everything_that_the_gateway_names_has_a_word(kind: str, names: list[str]) -> None:
    assert [name for name in names if f"{kind}.{name}" not in WORDS["en"]] == []
    if kind == "disposition":
        assert [name for name in names if f'"{name}"' not in SCRIPTS] == []
