"""Every notice has its sentence in every language, and none tells what an owner must not read."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.causes import CAUSES
from gateway.domain.notices import NOTICES
from gateway.texts import DEFAULT, LANGUAGES, MAX_VALUE, TEXTS, language_of, placeholders, render

AT = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
NO_NOTICE = {"other", "words"}
EVERY = [(kind, code) for kind, codes in NOTICES.items() for code in codes]
SECRET = {"latitude", "longitude", "position", "place", "cause", "alarm_id", "case_id", "card_id", "phone"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_notice_has_a_sentence_and_no_sentence_is_left_over(language: str) -> None:
    entries = {kind: set(codes) for kind, codes in TEXTS[language].items() if kind not in NO_NOTICE}
    assert entries == {kind: set(codes) for kind, codes in NOTICES.items()}


@pytest.mark.parametrize(("kind", "code"), EVERY)
def test_languages_say_the_same(kind: str, code: str) -> None:
    """The same parts, the same placeholders, and a word for the same values."""
    english = TEXTS[DEFAULT][kind][code]
    for language in LANGUAGES:
        other = TEXTS[language][kind][code]
        assert other.keys() == english.keys()
        for part, template in english.items():
            assert placeholders(other[part]) == placeholders(template)
    words = {language: TEXTS[language]["words"] for language in LANGUAGES}
    for name, known in words[DEFAULT].items():
        assert all(words[language][name].keys() == known.keys() for language in LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("kind", "code"), EVERY)
def test_no_sentence_tells_of_a_place_or_a_silent_alarm(kind: str, code: str, language: str) -> None:
    entry = TEXTS[language][kind][code]
    template = " ".join(entry.values())
    assert not placeholders(template) & SECRET
    for cause in CAUSES:
        assert cause.name not in template
    assert not re.search(r"stolen|theft alarm|gestolen|diefstalalarm", template)


@pytest.mark.parametrize(
    ("language", "country", "spoken"),
    [
        (None, None, "en"),
        (None, "NL", "nl"),
        (None, "BE", "en"),
        (None, "BE-nl", "nl"),
        ("nl-BE", "BE", "nl"),
        ("nl", "DE", "nl"),
        ("en", "NL", "en"),
        ("fr", "NL", "nl"),
        ("", "nl", "nl"),
    ],
)
def test_the_language_is_stated_or_the_countrys(
    language: str | None, country: str | None, spoken: str
) -> None:
    assert language_of(language, country) == spoken


def test_values_are_put_in_and_words_translated() -> None:
    data = {"mode": "workshop", "ends_at": AT, "mode_id": "m"}
    assert render("special_mode", "started", "en", data) == (
        "The workshop mode has started and runs until 2026-11-22 09:30 UTC."
    )
    assert render("special_mode", "started", "nl", data) == (
        "De werkplaatsmodus is gestart en loopt tot 2026-11-22 09:30 UTC."
    )


def test_what_a_lapsed_bundle_means_for_the_hotspot_is_said_where_it_runs() -> None:
    data: dict[str, Any] = {"bundle_id": "B1", "hotspot_limited": True}
    assert "Android" in render("data_bundle", "expired", "en", data)
    assert "Android" in render("data_bundle", "exhausted", "nl", data)
    assert "Android" not in render("data_bundle", "expired", "en", {**data, "hotspot_limited": False})


@given(
    kind=st.sampled_from([*NOTICES, "news"]),
    code=st.one_of(st.sampled_from([code for codes in NOTICES.values() for code in codes]), st.text()),
    language=st.sampled_from([*LANGUAGES, "fr", ""]),
    data=st.dictionaries(
        st.sampled_from(
            ["bundle_id", "used_percent", "ends_at", "until", "mode", "by", "service", "hotspot"]
        ),
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.just(AT)),
    ),
)
def test_whatever_is_told_becomes_one_line(kind: str, code: str, language: str, data: dict[str, Any]) -> None:
    """A missing value, a strange one or an unknown code costs no notification."""
    text = render(kind, code, language, data)
    assert text
    assert all(one.isprintable() for one in text)
    assert len(text) < 1000 + 3 * MAX_VALUE
