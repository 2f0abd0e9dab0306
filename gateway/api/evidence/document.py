"""
What the file says, and how it is held against the audit trail.

Rules of this file:

1. ``content`` is made first; the audit row of the export then states the SHA-256 of each section of it;
   ``proof`` is read last, with that row in it. So nothing of the content can be changed without breaking it.
2. The positions of a closed case are sealed: without a stated reason they are left out wherever they stand.
3. What is not in the file is counted in ``left_out``, so that nobody takes a part for the whole.
4. A section's digest is of its JSON with sorted keys and without spaces, in UTF-8: any language can make it.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Struct

from gateway.api import alarms, cases, modes
from gateway.api.case_bodies import line
from gateway.api.grants import Grant
from gateway.domain.audit_proof import Proof
from gateway.domain.causes import BY_NAME
from gateway.domain.services.special_modes import MAX_PAST, SpecialMode
from gateway.ports import KEEP_TRACK, CaseEvidence, LeftOut, StoredAlarm, StoredEntry

FORMAT = "vehicle-gateway/case-evidence/1"
Content = dict[str, Any]


class Export(Struct, frozen=True):
    """Who takes it out, when and where. ``sealed``: the case is closed, and no reason was stated."""

    at: datetime
    by: str
    role: str
    instance: str
    sealed: bool


def digests(content: Content) -> dict[str, str]:
    """SHA-256 of each section."""
    return {name: sha256(canonical(section)).hexdigest() for name, section in content.items()}


def canonical(value: Any) -> bytes:
    """JSON that is the same whoever writes it."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def document(content: Content, proof: Proof) -> dict[str, Any]:
    """The whole file."""
    return {"format": FORMAT, "content": content, "proof": msgspec.to_builtins(proof)}


def content_of(
    found: CaseEvidence, granted: Grant, held_back: list[StoredAlarm], made: Export, audited: LeftOut
) -> Content:
    """Every section."""
    stored = found.file.stored
    running = _in_force(granted, stored.case.opened_at, stored.case.closed_at or made.at)
    views = [alarms.view(one) for one in found.file.alarms]
    sections = {
        "export": made,
        "case": line(stored),
        "vehicle": _vehicle(granted, stored.vin),
        "operators": _operators(found.file.entries),
        "contacts": _contacts(granted, stored.case.tried),
        "alarms": [_alarm(found, msgspec.to_builtins(one)) for one in views],
        "modes": [modes.view(one, granted) for one in running],
        "held_back": [alarms.view(one) for one in held_back],
        "timeline": [_entry(one) for one in found.file.entries],
        "track": _track(found),
    }
    plain: Content = msgspec.to_builtins(sections)
    left_out = [*found.left_out, *_modes_forgotten(granted, running), audited]
    if made.sealed:
        sealed = _seal(plain)
        left_out.append(LeftOut("positions", 0, sealed))
        if plain["track"]["state"] != "erased":
            plain["track"] |= {"state": "sealed", "points": []}
    plain["left_out"] = [msgspec.to_builtins(one) for one in left_out if one.kept != one.of]
    return plain


def mode_ids(granted: Grant, begin: datetime, end: datetime) -> frozenset[str]:
    """Special modes that may have held something back meanwhile."""
    return frozenset(one.mode_id for one in _in_force(granted, begin, end))


def _modes_forgotten(granted: Grant, running: list[SpecialMode]) -> list[LeftOut]:
    """A vehicle's state keeps its newest past modes only."""
    past = granted.vehicle.modes.past
    full = len(past) == MAX_PAST and past[0] in running
    return [LeftOut("modes", len(running), None)] if full else []


def _seal(value: Any) -> int:
    """Take every position out of something; how many there were."""
    sealed = 0
    for name, one in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(one, dict) and {"latitude", "longitude"} <= one.keys():
            value[name] = None
            sealed += 1
        elif isinstance(one, dict | list):
            sealed += _seal(one)
    return sealed


def _in_force(granted: Grant, begin: datetime, end: datetime) -> list[SpecialMode]:
    """Modes that counted at some time of the case, or shortly before its first alarm."""
    every = (*granted.vehicle.modes.past, *granted.vehicle.modes.running)
    return [one for one in every if one.starts_at <= end and (one.ended_at is None or one.ended_at >= begin)]


def _vehicle(granted: Grant, vin: str) -> dict[str, Any]:
    entry = granted.registration
    if entry is None:
        return {"vin": vin, "registered": False}
    return {"vin": vin, "registered": True, "model": entry.model, "country": entry.country}


def _operators(entries: tuple[StoredEntry, ...]) -> list[dict[str, Any]]:
    """Who acted, in which role, how often."""
    acts = Counter((one.entry.actor, one.entry.details.get("role")) for one in entries)
    people = [{"person": actor, "role": role, "acts": count} for (actor, role), count in acts.items() if role]
    return sorted(people, key=lambda one: str(one["person"]))


def _contacts(granted: Grant, tried: dict[str, int]) -> list[dict[str, Any]]:
    entry = granted.registration
    listed = () if entry is None else entry.contacts
    return [
        {"place": place, "name": name, "phone": one.get("phone"), "attempts": tried.get(name, 0)}
        for place, one in enumerate(listed, 1)
        for name in [str(one.get("name", ""))]
    ]


def _alarm(found: CaseEvidence, view: dict[str, Any]) -> dict[str, Any]:
    """An alarm with its rule in a sentence, its time as it was ordered, and the facts that it rests on."""
    cause = BY_NAME.get(view["cause"])
    late = view["clock_suspect"] or view["occurred_at"] > view["received_at"]
    facts = [msgspec.to_builtins(one) for one in found.facts if one.alarm_id == view["alarm_id"]]
    corrected = view["received_at" if late else "occurred_at"]
    return view | {"meaning": cause.meaning if cause else "", "corrected_at": corrected, "facts": facts}


def _entry(stored: StoredEntry) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(cases.entry(stored))
    return shown | {"deliveries": _ways(stored)}


def _ways(entry: StoredEntry) -> list[dict[str, Any]]:
    """Each way of a message out: ``done`` says that the sink has confirmed it."""
    return [
        {"sink": one.sink, "sequence": one.sequence, "state": one.state, "attempts": one.attempts}
        | {"last_error": one.last_error, "made_at": one.created_at}
        for one in entry.deliveries
    ]


def _track(found: CaseEvidence) -> dict[str, Any]:
    closed_at = found.file.stored.case.closed_at
    erase_at = None if closed_at is None else closed_at + KEEP_TRACK
    points = [
        {"at": one.at, "latitude": one.latitude, "longitude": one.longitude, "accuracy_m": one.accuracy_m}
        for one in found.track
    ]
    erased = closed_at is not None and found.left_at is None
    state = "kept" if points else "erased" if erased else "none"
    return {"state": state, "erase_at": erase_at, "points": points}
