"""
What evidence says: a template for each sentence, so that a reader can be told it in another language.

The English sentence is what every receiver gets; code and values go along with it. A vehicle's state keeps
only code and values: it is written with each of its events.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Final

from msgspec import Struct, field

MAX_EVIDENCE_TEXT: Final = 1000
SENTENCES: Final[dict[str, str]] = {
    "states": "The car states '{cause}'.",
    "states_in": "The car states '{cause}' ({zone}).",
    "states_unknown": "The car states '{cause}', which this gateway does not know.",
    "active_for": "Active for {seconds} s.",
    "adds": "It adds: {detail}",
    "left_out": "Left out: {note}.",
    "at_rest": "The sensor went back to rest. This closes nothing.",
    "forged": "The event {event_id} ({kind}) came again with other content.",
    "unreadable": "A theft-sensor message can't be read: {reason} (SHA-256 {sha256}…).",
    "siren": "A message of the car states enough seconds of siren.",
    "siren_for": "The siren has been active for {seconds} seconds and was not restored.",
    "siren_end_unknown": "When this siren ended can't be told: in doubt it counts.",
    "no_card": "No Driver Card has been in the car for {seconds} seconds or more.",
    "moves_without_card": "The car is moving. A card in the car would clear this.",
    "card_weak": "The battery of Driver Card {card} is low.",
    "card_back": "Driver Card {card} is back. This closes nothing.",
    "moves": "The car states that it moves. The ignition being on would clear this.",
    "moves_card": (
        "The car states that it moves. A Driver Card in the car, or the ignition being on, would clear this."
    ),
    "armed_since": "The ignition is off since then, and the car is armed.",
    "ignition_on": (
        "The ignition was switched on after {seconds} s off without a Driver Card in the car: it was armed."
    ),
    "ignition_on_clears": "A Driver Card seen before or with the ignition would clear this.",
    "towed": (
        "With the ignition off the car is about {far} m (more than {limit} m) from where it was parked."
    ),
    "towed_parked": "It was parked then. The ignition being on would clear this.",
    "towed_left_out": "{count} position(s) that can't be true were left out (sensor note).",
    "silent": (
        "Nothing has been heard for {count} {unit}, twice the longest that is expected ({state})."
        " {expected} Any message would have cleared this."
    ),
    "heard_again": "The vehicle is heard again, after {count} {unit} of silence. This closes nothing.",
    "silent_jammed": (
        "The armed car stated {cause}, and then nothing was heard for {seconds} seconds."
        " Any message, or a Driver Card in the car, would have cleared this."
    ),
    "silent_held": (
        "A special mode held {cause} back, and then nothing was heard for {seconds} seconds."
        " Any message would have cleared this."
    ),
    "stated_then": "The car stated {cause} then; the gateway itself could hear all the time.",
    "code_wrong": "The security code was answered wrongly {count} times within a day.",
    "told_call_soc": "User {user} asked for '{action}' and was told to call the SOC.",
    "held": "Held back: {mode} mode set by {who}.",
    "held_inside": "Held back: {mode} mode set by {who} inside its place.",
    "held_total": "The mode has ended. It held {count} of these back.",
    "held_present": "Held back by {mode} mode and still present when it ended.",
    "left_place": "Two positions lie outside the place of its workshop mode.",
    "left_unseen": (
        "Without a position, the car was faster than 30 km/h or went more than 1 km in workshop mode."
    ),
    "left_clears": "A position inside the place would have cleared this.",
    "mode_overdue": ("The {mode} mode set by {who} runs longer than the main user could have set it."),
    "reported": "Reported by {who}.",
    "they_add": "They add: {note}",
    "closed": "Closed by {who} as {disposition}.",
    "unheard_ever": "Nothing has ever been heard of this vehicle.",
    "unheard_jammed": "Nothing has been heard since {since}; shortly before, it stated {cause}.",
    "unheard_cut": "Nothing has been heard since {since}; at {at} it stated {cause}.",
    "unheard_weak": "Nothing has been heard since {since}; its last word was {cause}.",
    "unheard_here": (
        "Nothing has been heard since {since}; it fell silent here {count} time(s) before and came back."
    ),
    "unheard_long": (
        "Nothing has been heard since {since}, far longer than a car that was {state} may be silent."
    ),
    "unheard_private": "Nothing has been heard since {since}; private mode is on.",
    "unheard_edge": "Nothing has been heard since {since}; it was on EDGE, where data drops during a call.",
    "unheard_driving": (
        "Nothing has been heard since {since}; its ignition was on and it signed off in no order."
    ),
    "unheard_charging": "Nothing has been heard since {since}; it was charging.",
    "unheard_asleep": "Nothing has been heard since {since}; its ignition was not on.",
}


class Said(Struct, frozen=True, omit_defaults=True):
    """One sentence of ``SENTENCES`` with its values."""

    code: str
    values: dict[str, str] = {}


class Evidence(Struct, frozen=True, omit_defaults=True):
    """Why, as one or a few sentences, with the event and the time that it rests on."""

    written: str = field(default="", name="text")
    """What stands here instead of ``said``: words of the gateway's own, and what was stored before codes."""
    event_id: str | None = None
    at: datetime | None = None
    said: tuple[Said, ...] = ()

    @property
    def text(self) -> str:
        """In English, at most ``MAX_EVIDENCE_TEXT`` characters."""
        return self.written or " ".join(map(told, self.said))[:MAX_EVIDENCE_TEXT]


def told(one: Said) -> str:
    """The sentence in English."""
    sentence = SENTENCES.get(one.code, one.code)
    try:
        return sentence.format_map(one.values)
    except KeyError:
        # Another version may have stored it: a code or value that is missing here must not cost the alarm.
        return sentence.format_map(defaultdict(lambda: "?", one.values))


def say(code: str, **values: object) -> Said:
    """One sentence; long values are cut."""
    return Said(code, {name: str(value)[:MAX_EVIDENCE_TEXT] for name, value in values.items()})


def evidence(at: datetime | None, *said: Said, event_id: str | None = None) -> Evidence:
    """Sentences that rest on one event or time."""
    return Evidence("", event_id, at, said)
