"""
The page to print: everything that the JSON says, for people, and the JSON itself, hidden in it.

Made of the document alone, so that whoever checks the page can make it again and compare. Made with other
sources it would be another page: ``VERSION`` says so. Without a script, and without anything to load.
Everything that is shown is escaped: much of it was written by vehicles.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha256
from html import escape
from importlib.resources import files
from typing import Any

import msgspec

from gateway.api.evidence.words import LANGUAGES, OTHERS, Words

STYLE = (
    "body{font:10pt/1.45 sans-serif;margin:2em auto;max-width:60em;color:#000;background:#fff}"
    "h1{font-size:18pt;border-bottom:2px solid}h2{font-size:13pt;margin-top:2em;break-after:avoid}"
    "h3{font-size:11pt;break-after:avoid}table{border-collapse:collapse;width:100%}"
    "th,td{text-align:left;vertical-align:top;padding:.2em .8em .2em 0;border-bottom:1px solid #bbb;"
    "overflow-wrap:break-word}.long{overflow-wrap:anywhere;min-width:9em}tr{break-inside:avoid}thead{display:table-header-group}code{font-size:8pt}"
    "@page{margin:15mm}@media print{body{margin:0;max-width:none}}"
)
POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; style-src 'sha256-"
    f"{b64encode(sha256(STYLE.encode()).digest()).decode()}'"
)
VERSION = sha256(
    b"".join(
        (files("gateway") / name).read_bytes()
        for name in (
            "api/evidence/page.py",
            "api/evidence/words.py",
            *(f"texts/{language}.toml" for language in LANGUAGES),
            *(f"console/words/{language}.json" for language in LANGUAGES),
            *(f"console/{folder}/{language}.json" for folder in ("evidence", "rules") for language in OTHERS),
        )
    )
).hexdigest()[:12]
"""Of everything that the page is made with: the same version makes the same page of the same document."""
EMBEDDED = '<pre id="export" hidden>(.*?)</pre>'

TURNS = {
    mark: f"\\u{mark:04x}" for mark in (0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
}
"""Marks that turn the direction of the letters after them: shown, or one text would look like another."""

Cells = Iterable[Any]


def page(made: dict[str, Any], language: str) -> str:
    """
    The whole page. The same document and language give the same bytes.

    Errors:  LookupError, TypeError and AttributeError for what is no document of ours.
    """
    show = _Page(language)
    content, proof = made["content"], made["proof"]
    title = f"{show.label('title')} {content['case']['case_id']}"
    body = "".join(
        [
            show.head(content),
            show.alarms(content["alarms"]),
            show.timeline(content["timeline"]),
            show.contacts(content["contacts"]),
            show.operators(content["operators"]),
            show.deliveries(content["timeline"]),
            show.modes(content["modes"], content["held_back"]),
            show.track(content["track"]),
            show.trail(proof),
        ]
    )
    data = escape(msgspec.json.encode(made).decode(), quote=False)
    return (
        f'<!doctype html>\n<html lang="{language}"><head><meta charset="utf-8">'
        f'<meta name="generator" content="vehicle-gateway, page {VERSION}"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head><body><h1>{escape(title)}</h1>{body}"
        f'<pre id="export" hidden>{data}</pre></body></html>\n'
    )


class _Page(Words):
    """The sections, in one language."""

    def head(self, content: dict[str, Any]) -> str:
        """The case at a glance."""
        case, made, vehicle = content["case"], content["export"], content["vehicle"]
        causes = ", ".join(self.word("cause", one) for one in case["causes"])
        disposition = case["disposition"]
        pairs = [
            ("vin", case["vin"]),
            ("model", vehicle.get("model")),
            ("state", self.word("case", case["state"])),
            ("causes", causes),
            ("opened_at", case["opened_at"]),
            ("closed_at", case["closed_at"]),
            ("disposition", disposition and self.word("disposition", disposition)),
            ("police_reference", case["police_reference"]),
            ("exported", f"{made['at']}, {made['by']} ({made['role']}), {made['instance']}"),
        ]
        rows = [(self.label(name), value) for name, value in pairs if value]
        return (
            f"<p>{escape(self.label('statement'))}</p>{_table((), rows)}{self._left_out(content['left_out'])}"
        )

    def _left_out(self, left_out: Sequence[dict[str, Any]]) -> str:
        """What a reader must not think to have."""
        rows = [
            (self.label(f"left_{one['what']}"), one["alarm_id"], one["kept"], one["of"] or "?")
            for one in left_out
        ]
        told = f"<p><strong>{escape(self.label('left_out'))}</strong></p>"
        return told + self._table(("what", "alarm", "kept", "there"), rows) if rows else ""

    def alarms(self, alarms: Sequence[dict[str, Any]]) -> str:
        """Each alarm: its rule, its times, what it rests on."""
        return self._section("alarms", "".join(self._alarm(one) for one in alarms), empty=not alarms)

    def _alarm(self, one: dict[str, Any]) -> str:
        position = one["position"]
        pairs = [
            ("rule", self.rule(one["cause"], one["meaning"])),
            ("state", self.word("state", one["state"])),
            ("vehicle_time", one["occurred_at"]),
            ("arrival", one["received_at"]),
            ("corrected", one["corrected_at"]),
            ("raised_at", one["raised_at"]),
            ("triggers", one["count"]),
            ("position", position and _place(position, position["at"])),
            ("acknowledged_by", one["acknowledged_by"]),
            ("disposition", one["disposition"] and self.word("disposition", one["disposition"])),
        ]
        rows = [(self.label(name), value) for name, value in pairs if value is not None and value != ""]
        evidence = [
            (found["at"], _Long(self.why(found)), _Long(found["event_id"] or "")) for found in one["evidence"]
        ]
        facts = [
            (
                *(fact["received_at"], fact["kind"], _Long(fact["event_id"] or ""), fact["verdict"]),
                _said(fact["body"]),
            )
            for fact in one["facts"]
        ]
        cause = escape(self.word("cause", one["cause"]))
        return (
            f"<h3>{cause} <code>{escape(one['alarm_id'])}</code></h3>{_table((), rows)}"
            + self._table(("at", "evidence", "event"), evidence)
            + self._table(("arrival", "kind", "event", "verdict", "stated"), facts)
        )

    def timeline(self, entries: Sequence[dict[str, Any]]) -> str:
        """What happened, and who did what."""
        rows = [
            (one["at"], one["actor"], self._what(one), _Long(self.details(one["details"]))) for one in entries
        ]
        return self._section("timeline", self._table(("at", "who", "what", "details"), rows), empty=not rows)

    def _what(self, entry: dict[str, Any]) -> str:
        what = str(entry["what"])
        cause = entry["details"].get("cause")
        if what == "alarm.raised":
            return f"{self.label('alarm')}: {self.word('cause', cause or '')}"
        kind, _, name = what.rpartition(".")
        said = self.word("alarm_entry" if kind == "alarm" else "entry", name)
        return f"{said}: {self.word('cause', cause)}" if cause else said

    def contacts(self, contacts: Sequence[dict[str, Any]]) -> str:
        """Whom the owner has named."""
        rows = [(one["place"], one["name"], one["phone"], one["attempts"]) for one in contacts]
        table = self._table(("place", "name", "phone", "attempts"), rows)
        return self._section("contacts", table, empty=not rows)

    def operators(self, operators: Sequence[dict[str, Any]]) -> str:
        """Who worked on it."""
        rows = [(one["person"], one["role"], one["acts"]) for one in operators]
        return self._section("operators", self._table(("who", "role", "acts"), rows), empty=not rows)

    def deliveries(self, entries: Sequence[dict[str, Any]]) -> str:
        """What was sent where, and whether it was confirmed."""
        rows = [
            [
                *(way["made_at"], way["sequence"], way["sink"], self.word("delivery", way["state"])),
                *(way["attempts"], _Long(way["last_error"] or "")),
            ]
            for one in entries
            for way in one["deliveries"]
        ]
        columns = ("at", "sequence", "sink", "state", "attempts", "error")
        return self._section("deliveries", self._table(columns, rows), empty=not rows)

    def modes(self, modes: Sequence[dict[str, Any]], held_back: Sequence[dict[str, Any]]) -> str:
        """Special modes in force, and what they held back."""
        rows = [
            [
                *(self.word("mode", one["mode"]), one["starts_at"], one["ended_at"] or one["ends_at"]),
                *(one["set_by"], _Long(one["reason"])),
            ]
            for one in modes
        ]
        held = [
            (one["raised_at"], self.word("cause", one["cause"]), one["count"], one["suppressed_by"])
            for one in held_back
        ]
        tables = self._table(("mode", "from", "until", "who", "reason"), rows)
        more = self._table(("at", "held_back", "triggers", "mode"), held)
        return self._section("modes", tables + more, empty=not rows and not held)

    def track(self, track: dict[str, Any]) -> str:
        """Where the vehicle was, or why that is not told."""
        rows = [(one["at"], _place(one, None)) for one in track["points"]]
        told = self.label(f"track_{track['state']}")
        until = f" {self.label('erase_at')}: {track['erase_at']}." if track["erase_at"] else ""
        return self._section("track", f"<p>{escape(told + until)}</p>{self._table(('at', 'position'), rows)}")

    def trail(self, proof: dict[str, Any]) -> str:
        """The audit rows with what proves them."""
        rows = [
            (*(one["n"], one["at"], one["actor"], one["action"]), _Code(one["details"]), _Code(one["hash"]))
            for segment in proof["segments"]
            for one in segment["links"]
            if isinstance(one, dict)
        ]
        head = f"{escape(self.label('head'))}: <code>{escape(proof['head'])}</code>"
        told = f"<p>{escape(self.label('check'))}</p><p>{head}</p>"
        return self._section("trail", told + self._table(("n", "at", "who", "what", "details", "hash"), rows))

    def _section(self, name: str, body: str, *, empty: bool = False) -> str:
        nothing = f"<p>{escape(self.label('none'))}</p>"
        return f"<h2>{escape(self.label(name))}</h2>{nothing if empty else body}"

    def _table(self, columns: Sequence[str], rows: Sequence[Cells]) -> str:
        return _table([self.label(one) for one in columns], rows) if rows else ""


class _Long(str):
    """May be long, and without a space: it is broken anywhere, and squeezes nothing else."""

    __slots__ = ()


class _Code(_Long):
    """Shown in small letters of one width."""

    __slots__ = ()


def _table(columns: Sequence[str], rows: Iterable[Cells]) -> str:
    head = "".join(f"<th>{escape(one)}</th>" for one in columns)
    body = "".join(f"<tr>{''.join(_cell(one) for one in row)}</tr>" for row in rows)
    return f"<table>{f'<thead><tr>{head}</tr></thead>' if head else ''}<tbody>{body}</tbody></table>"


def _cell(value: Any) -> str:
    text = escape("" if value is None else str(value).translate(TURNS))
    if isinstance(value, _Code):
        text = f"<code>{text}</code>"
    return f'<td class="long">{text}</td>' if isinstance(value, _Long) else f"<td>{text}</td>"


def _said(values: dict[str, Any]) -> _Long:
    told = (f"{name.replace('_', ' ')}: {_value(value)}" for name, value in values.items())
    return _Long("; ".join(told))


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _place(position: dict[str, Any], at: str | None) -> str:
    accuracy = position["accuracy_m"]
    around = "" if accuracy is None else f" ±{accuracy} m"
    return f"{position['latitude']}, {position['longitude']}{around}{f' ({at})' if at else ''}"
