"""
The sentences that people are told, one file a language; the domain gives kind, code and data only.

Shape:   ``[kind.code]`` has ``text``, and may have ``if_NAME``: added where ``data`` has a true ``NAME``.
         ``{name}`` stands for a value of ``data``, or for its word in ``[words.name]``.
Errors:  none: an unknown code gets a plain sentence, an unknown language English, a missing value a hyphen.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from string import Formatter
from typing import Any

DEFAULT = "en"
LANGUAGES = (DEFAULT, "nl")
MAX_VALUE = 100
"""So much of a value that somebody else has written."""

SPOKEN = {"NL": "nl", "BE-NL": "nl", "SR": "nl"}
"""Language of a country where it is not the default."""


def _load(language: str) -> dict[str, Any]:
    return tomllib.loads((files("gateway") / "texts" / f"{language}.toml").read_text(encoding="utf-8"))


TEXTS: dict[str, dict[str, Any]] = {language: _load(language) for language in LANGUAGES}


def language_of(language: str | None, country: str | None) -> str:
    """The language to tell somebody something in: as stated, else as the country speaks."""
    wanted = (language or "").partition("-")[0].lower()
    if wanted in TEXTS:
        return wanted
    return SPOKEN.get((country or "").upper().replace("_", "-"), DEFAULT)


def render(kind: str, code: str, language: str, data: Mapping[str, Any]) -> str:
    """The sentence for a notification."""
    texts = TEXTS.get(language, TEXTS[DEFAULT])
    entry = texts.get(kind, {}).get(code)
    if not isinstance(entry, dict):
        entry, data = texts["other"]["other"], {"kind": kind, "code": code}
    template = str(entry["text"])
    for name, more in entry.items():
        if name.startswith("if_") and data.get(name.removeprefix("if_")):
            template += f" {more}"
    values = {name: _shown(texts, name, data.get(name)) for name in placeholders(template)}
    return template.format_map(values)


def placeholders(template: str) -> set[str]:
    """Names of the values that a sentence needs."""
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}


def _shown(texts: Mapping[str, Any], name: str, value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if isinstance(value, float):
        return f"{value:g}"
    text = str(texts.get("words", {}).get(name, {}).get(value, value))
    return "".join(one for one in text[:MAX_VALUE] if one.isprintable())
