"""What the page calls things, in one language: its own labels, and the words and sentences of the console."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

from gateway.texts import DEFAULT, TEXTS

LANGUAGES = tuple(TEXTS)
OTHERS = tuple(language for language in LANGUAGES if language != DEFAULT)
SETS = {
    "cause": "cause",
    "zone": "zone",
    "mode": "mode",
    "unit": "unit",
    "disposition": "disposition",
    "state": "doing",
}
"""Values in sentences that have words (also in ``words.js``)."""
DETAILS = {"cause": "cause", "disposition": "disposition", "state": "state", "why": "why"}
"""The same of details in a timeline; the others are plain values."""


class Words:
    """All of one language."""

    def __init__(self, language: str) -> None:
        self._labels: dict[str, str] = TEXTS[language]["words"]["evidence"]
        self._words = _read("words", language)
        # The gateway's own sentences are English.
        own = language == DEFAULT
        self._sentences = {} if own else _read("evidence", language)
        self._rules = {} if own else _read("rules", language)

    def label(self, name: str) -> str:
        """A word of the page's own."""
        return self._labels[name]

    def word(self, kind: str, name: str) -> str:
        """What a name of ours is called."""
        return self._words.get(f"{kind}.{name}", str(name).replace("_", " "))

    def rule(self, cause: str, meaning: str) -> str:
        """What a cause means, in a sentence."""
        return self._rules.get(cause, meaning)

    def why(self, evidence: dict[str, Any]) -> str:
        """A sentence of evidence; without a template as it was written."""
        parts = evidence["said"]
        if not parts or any(one["code"] not in self._sentences for one in parts):
            return str(evidence["text"])
        return " ".join(self._filled(self._sentences[one["code"]], one["values"]) for one in parts)

    def _filled(self, template: str, values: dict[str, str]) -> str:
        def value(hole: re.Match[str]) -> str:
            name = hole[1]
            if name not in values:
                return hole[0]
            return self.word(SETS[name], values[name]) if name in SETS else values[name]

        return re.sub(r"\{(\w+)\}", value, template)

    def details(self, values: dict[str, Any]) -> str:
        """What was said with a line of the timeline."""
        told = (f"{self.word('detail', name)}: {self._detail(name, one)}" for name, one in values.items())
        return "; ".join(told)

    def _detail(self, name: str, value: Any) -> str:
        if name in DETAILS and value is not None:
            return self.word(DETAILS[name], value)
        if not isinstance(value, str):
            return json.dumps(value, ensure_ascii=False)
        return self._words.get(f"value.{value}", value)


@cache
def _read(folder: str, language: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(
        (files("gateway.console") / folder / f"{language}.json").read_text(encoding="utf-8")
    )
    return found
