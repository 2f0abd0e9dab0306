"""
Makes the reference pages from the code's own registries.

    python docs/generate.py           write them
    python docs/generate.py --check   exit 1 if one is not what the code says
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any, get_args

import msgspec
import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from gateway import wire  # noqa: E402  # the checkout's own package, wherever this is run from
from gateway.adapters.sinks.sia_dc09.codes import CODES, HELD_BACK, STATUS, TEST  # noqa: E402
from gateway.domain.alarms import DISPOSITIONS, LIFE  # noqa: E402
from gateway.domain.cases import ENTRIES, INSTRUCTIONS, LEASE, TWO_PERSONS, CaseAct  # noqa: E402
from gateway.domain.cases import LIFE as CASE_LIFE  # noqa: E402
from gateway.domain.causes import CAUSES  # noqa: E402
from gateway.domain.notices import NOTICES  # noqa: E402
from gateway.domain.reasons import SENTENCES, SEVERITIES  # noqa: E402
from gateway.domain.remote_access.actions import ACTIONS  # noqa: E402
from gateway.domain.remote_access.authorise import Reason  # noqa: E402
from gateway.domain.remote_access.challenge import PURPOSES  # noqa: E402
from gateway.domain.remote_access.state import LIFE as COMMAND_LIFE  # noqa: E402
from gateway.domain.rules import RULES  # noqa: E402
from gateway.domain.services.special_modes import KINDS, MODES  # noqa: E402
from gateway.domain.suppression import SUPPRESSED_BY  # noqa: E402
from gateway.domain.thresholds import Escalation  # noqa: E402
from gateway.names import LOG_EVENTS, METRICS  # noqa: E402
from gateway.pipeline.case_rows import TOLD_AT_MOST  # noqa: E402
from gateway.pipeline.messages import CloudEvent, FeedData  # noqa: E402
from gateway.texts import DEFAULT, TEXTS  # noqa: E402
from gateway.wire import (  # noqa: E402
    command,
    command_request,
    command_response,
    connection,
    notification,
    package,
    receipt,
    self_test,
    status,
    telemetry,
)
from vehicle_emulator.scenario import Scenario  # noqa: E402
from vehicle_emulator.scenarios import FLEET_WIDE, SCENARIOS  # noqa: E402

DOCS = ROOT / "docs"
MADE = "Made by `docs/generate.py` from the code; change the code, not this page."

SHOWN = {None: "", "anywhere": "yes", "inside": "inside its place"}

Page = dict[str, Any]


def alarms() -> str:
    """Every cause, and the life of an alarm."""
    lines = ["# Alarms", "", MADE, "", "## Causes", ""]
    lines += ["| cause | class | severity | stated by | rule | meaning |", "|---|---|---|---|---|---|"]
    by_rule = {rule.CAUSE: Path(str(getattr(rule, "__file__", ""))).name for rule in RULES}
    for cause in CAUSES:
        stated = "vehicle" if cause.stated_by_vehicle else "gateway"
        if cause.name == "unknown":
            stated = "vehicle (any other text)"
        rule = f"`rules/{by_rule[cause.name]}`" if cause.name in by_rule else ""
        row = (f"`{cause.name}`", cause.cause_class, cause.severity, stated, rule, cause.meaning)
        lines.append(f"| {' | '.join(row)} |")
    lines += ["", "Theft alarms are silent: nothing but receipts goes to the car.", "", "## Life", ""]
    lines += ["```mermaid", "stateDiagram-v2", "    [*] --> open: raised"]
    lines += [f"    {before} --> {after}: {act}" for (before, act), after in LIFE.items()]
    lines += [
        "    closed --> [*]",
        "```",
        "",
        "A pair that is not drawn answers 409 `illegal_transition`.",
        "",
    ]
    lines += ["## Held back by special modes", ""]
    lines += [
        "| cause | workshop | transport | deactivation | a running installation |",
        "|---|---|---|---|---|",
    ]
    for name, modes in SUPPRESSED_BY.items():
        cells = [SHOWN[modes.get(mode)] for mode in KINDS]
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    lines += ["", "Every other cause, and the `tamper` of a forged repeat, is never held back.", ""]
    lines += ["| mode | default | longest by the main user | by an operator |", "|---|---|---|---|"]
    for name, limits in MODES.items():
        hours = (limits.default, limits.main_user, limits.operator)
        lines.append(f"| `{name}` | {' | '.join(f'{one.total_seconds() / 3600:g} h' for one in hours)} |")
    lines.append("")
    lines += ["## Dispositions", "", ", ".join(f"`{one}`" for one in DISPOSITIONS), ""]
    return "\n".join(lines)


def cases() -> str:
    """Return the life of a case, who may do what, and what happens when nobody acts."""
    return "\n".join(["# Cases", "", MADE, "", *_case_life(), *_case_acts(), *_handling(), *_escalation()])


def _case_life() -> list[str]:
    moves = [(before, what, after) for (before, what), after in CASE_LIFE.items() if before != after]
    return [
        *("## Life", "", "```mermaid", "stateDiagram-v2", "    [*] --> new: the first theft alarm"),
        *(f"    {before} --> {after}: {what}" for before, what, after in moves),
        *("    closed --> [*]", "```", ""),
        "`alarm` is a theft alarm that is raised anew in the case; `lease_over` and `alarms_closed` come by",
        "themselves.",
        "",
    ]


def _case_acts() -> list[str]:
    lines = ["## Acts", "", "| act | possible in | |", "|---|---|---|"]
    notes = {"confirm": "the vehicle is *stolen*", **dict.fromkeys(TWO_PERSONS, "two persons; ends *stolen*")}
    for act in get_args(CaseAct):
        states = [before for before, what in CASE_LIFE if what == act] or sorted(ENTRIES[act])
        lines.append(f"| `{act}` | {', '.join(states)} | {notes.get(act, '')} |")
    return [
        *lines,
        "",
        "Any other act answers 409 `illegal_transition`.",
        f"A claim holds for {LEASE.total_seconds() / 60:g} minutes, and each act of its holder renews it.",
        "Another operator's act on it answers 409 `case_claimed` with `by`; a supervisor may act and",
        "take over; a note binds nobody. A critical case that nobody was called about (in a hold-up: nor",
        "the police) is closed by a supervisor: an operator's call answers 202 until then.",
        "",
    ]


def _handling() -> list[str]:
    lines = ["## Handling", ""]
    for handling, sentences in INSTRUCTIONS.items():
        lines += [f"- `{handling}`:", *(f"  {sentence}" for sentence in sentences)]
    return [*lines, ""]


def _escalation() -> list[str]:
    limits = Escalation()
    rows = (
        (
            "1",
            "a critical alarm that nobody has acknowledged or claimed",
            f"critical_s` = {limits.critical_s:g}",
        ),
        ("1", "another theft alarm, or a major one", f"other_s` = {limits.other_s:g}"),
        ("2", "a critical theft alarm, seen, and nobody called", f"contact_s` = {limits.contact_s:g}"),
    )
    return [
        *("## Escalation", "", "| level | when | key of `[soc.escalation]` |", "|---|---|---|"),
        *(f"| {level} | {when} | `{key} |" for level, when, key in rows),
        "",
        "Each level comes once for an alarm. The standby sinks of its SOC get its first and newest message",
        "at once; `GET /cases?escalated=1` lists its case; the feed says it by an `alarm.updated` with the",
        f"note `escalated:1` and no event ids: one for a vehicle at a time, and at most {TOLD_AT_MOST} a",
        "minute and SOC. What is not told there is recorded all the same.",
        "",
    ]


def sia_dc09() -> str:
    """What each message of the feed is to an alarm receiver."""
    lines = ["# Codes of the sia-dc09 sink", "", MADE, ""]
    lines += ["How to set it up: [SIA DC-09](../sia-dc09.md).", "", "## Causes", ""]
    lines += ["| cause | zone | SIA-DCS alarm | SIA-DCS restore | ADM-CID (1 alarm, 3 restore) |"]
    lines += ["|---|---|---|---|---|"]
    for code in CODES:
        row = (f"`{code.cause}`", f"{code.zone}", code.event, code.restore, f"{code.contact_id}")
        lines.append(f"| {' | '.join(row)} |")
    held, freed, contact_id = HELD_BACK
    lines += ["", "A cause that is not listed is told as `unknown`; its name stands in the text.", ""]
    lines += ["## Messages", "", "| message | SIA-DCS | ADM-CID |", "|---|---|---|"]
    lines += ["| `alarm.raised`, `alarm.updated`, `alarm.unrecorded` | the cause's alarm | 1 and its code |"]
    lines += [f"| `alarm.suppressed` | {held} | 1{contact_id} |"]
    lines += [f"| `alarm.updated` with `note` = `mode_ended` | {freed} | 3{contact_id} |"]
    lines += [f"| `alarm.acknowledged` | {STATUS} | 6 and its code |"]
    lines += ["| `alarm.closed` | the cause's restore | 3 and its code |"]
    lines += ["| `gateway.heartbeat` | a `NULL` frame | a `NULL` frame |"]
    lines += [f"| a test alarm | {TEST[0]} | 1{TEST[1]} |", ""]
    return "\n".join(lines)


def notices() -> str:
    """What people are told, and why the SOC sees a car as not protected."""
    lines = [
        "# Notifications",
        "",
        MADE,
        "",
        "Every sentence stands in each language of `gateway/texts`.",
        "",
    ]
    lines += ["| kind | code | in English |", "|---|---|---|"]
    for kind, codes in NOTICES.items():
        lines += [f"| `{kind}` | `{code}` | {TEXTS[DEFAULT][kind][code]['text']} |" for code in codes]
    lines += ["", "# Not protected", "", "Reasons of `GET /api/v1/unprotected`, worst first.", ""]
    lines += ["| reason | severity | meaning |", "|---|---|---|"]
    lines += [f"| `{code}` | {severity} | {SENTENCES[code]} |" for code, severity in SEVERITIES.items()]
    return "\n".join([*lines, ""])


def names() -> str:
    """Every log event and metric."""
    lines = [
        "# Log events and metrics",
        "",
        MADE,
        "",
        "## Log events",
        "",
        "| event | meaning |",
        "|---|---|",
    ]
    lines += [f"| `{name}` | {meaning} |" for name, meaning in LOG_EVENTS.items()]
    lines += ["", "## Metrics", "", "| metric | meaning |", "|---|---|"]
    lines += [f"| `{name}` | {meaning} |" for name, meaning in METRICS.items()]
    return "\n".join([*lines, ""])


def asyncapi() -> str:
    """Every topic that the gateway reads or writes, as AsyncAPI 3.0."""
    channels: Page = {}
    operations: Page = {}
    payloads = {topic.kind: topic.codec.Payload for topic in wire.TOPICS}  # type: ignore[attr-defined]
    meanings = {topic.kind: topic.meaning for topic in wire.TOPICS}
    _add(
        channels,
        operations,
        "telemetry",
        "v1/vehicles/{vin}/telemetry",
        "receive",
        "Signals (QoS 0).",
        telemetry.Payload,
    )
    _add(
        channels,
        operations,
        "remote-access/request",
        "v1/users/{user}/vehicles/{vin}/remote-access/request",
        "receive",
        _asking(),
        command_request.Payload,
    )
    for kind, payload in payloads.items():
        address, qos = f"v1/vehicles/{{vin}}/{kind}", "QoS 1, retained, also last will"
        text = f"{meanings[kind]} ({qos if kind == connection.KIND else 'QoS 1'}.)"
        _add(channels, operations, kind, address, "receive", text, payload)
    for name, address, text, payload in (
        (
            "receipt",
            "v1/vehicles/{vin}/receipt",
            "These events are durably recorded (QoS 1).",
            receipt.Payload,
        ),
        (
            "remote-access/command",
            "v1/vehicles/{vin}/remote-access/command",
            "Do this before it expires, once (QoS 1, message expiry, never retained).",
            command.Payload,
        ),
        (
            package.KIND,
            f"v1/vehicles/{{vin}}/{package.KIND}",
            "A booked package to download (QoS 1). Nothing can be booked yet: it is not sent.",
            package.Payload,
        ),
        (
            "remote-access/response",
            "v1/users/{user}/vehicles/{vin}/remote-access/response",
            _answering(),
            command_response.Payload,
        ),
        (
            "notifications",
            "v1/users/{user}/notifications",
            f"What the owner is told (QoS 1). Kinds and codes: {_notices()}.",
            notification.Payload,
        ),
        ("alarms", "v1/soc/{soc}/alarms", "The alarm feed, by an mqtt sink (QoS 1).", CloudEvent[FeedData]),
        (
            "status",
            "v1/gateway/{instance}/status",
            "How the gateway is (QoS 1, retained, last will).",
            status.Payload,
        ),
        (
            self_test.KIND,
            f"v1/gateway/{{instance}}/{self_test.KIND}",
            "A gateway to itself at its start: proof that it acknowledges by hand (QoS 1).",
            self_test.Payload,
        ),
    ):
        _add(channels, operations, name, address, "send", text, payload)
    document = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Vehicle Gateway",
            "version": "1",
            "description": "Topics of contract version 1. Receivers ignore what they do not know.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"schemas": _schemas()},
    }
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)
    short = re.sub(r"gateway[._]wire[._](\w+?)[._]Payload", r"\1", text)  # their modules name them
    return f"# {MADE}\n{short}"


def commands() -> str:
    """Every action, the life of a command, and why a request is refused."""
    lines = ["# Commands to vehicles", "", MADE, "", "## Actions", ""]
    lines += ["| action | lives | who | needs | stopped by |", "|---|---|---|---|---|"]
    for action in ACTIONS.values():
        needs = (["the security code"] if action.needs_code else []) + (
            ["a second person"] if action.second_person else []
        )
        stops = (["`vehicle_moving`, `state_unknown`"] if action.standing_only else []) + (
            ["`door_open`"] if action.doors_closed else []
        )
        who = "operator, supervisor" if action.is_soc else "main user, secondary users"
        row = (
            f"`{action.name}`",
            f"{action.life.total_seconds():g} s",
            who,
            ", ".join(needs),
            ", ".join(stops),
        )
        lines.append(f"| {' | '.join(row)} |")
    lines += ["", "`challenge` with `params.purpose` asks for a challenge; it never reaches the vehicle.", ""]
    lines += ["## Life", "", "```mermaid", "stateDiagram-v2", "    [*] --> accepted"]
    lines += [f"    {before} --> {after}: {what}" for (before, what), after in COMMAND_LIFE.items()]
    lines += ["```", "", "## Why a request is refused", ""]
    lines += ["The first that applies:", "", ", ".join(f"`{reason}`" for reason in get_args(Reason)), ""]
    return "\n".join(lines)


def _asking() -> str:
    actions = ", ".join(
        f"{one.name} ({one.life.total_seconds():g} s)" for one in ACTIONS.values() if not one.is_soc
    )
    return (
        "A person asks for a command (QoS 1, never retained). Actions and how long a request lives:"
        f" {actions}; challenge (params.purpose: {', '.join(PURPOSES)}). A request_id makes one command."
    )


def _answering() -> str:
    reasons = ", ".join(get_args(Reason))
    return (
        "The answer to a request, and again at each change (QoS 1); to the action challenge, a challenge."
        f" Reasons of a refusal, first that applies: {reasons};"
        " too_many_requests beyond one request a second."
    )


def _notices() -> str:
    return "; ".join(f"{kind}: {', '.join(codes)}" for kind, codes in NOTICES.items())


def _add(  # noqa: PLR0917  # rows of a table
    channels: Page, operations: Page, name: str, address: str, action: str, text: str, payload: Any
) -> None:
    key = name.replace("/", "-")
    parameters = {part[1:-1]: {} for part in address.split("/") if part.startswith("{")}
    if "vin" in parameters:
        parameters["vin"] = {"description": "17 characters of A-HJ-NPR-Z0-9; the vehicle's MQTT user name."}
    if "user" in parameters:
        text_of_user = "1-64 characters of A-Za-z0-9_.@-, no VIN; the person's MQTT user name."
        parameters["user"] = {"description": text_of_user}
    told = {key: payload}
    if payload is command_response.Payload:
        told["challenge"] = command_response.Challenge
    channels[key] = {
        "address": address,
        "description": text,
        "parameters": parameters,
        "messages": {
            name: {"payload": {"$ref": f"#/components/schemas/{_name(one)}"}} for name, one in told.items()
        },
    }
    operations[f"{action}-{key}"] = {"action": action, "channel": {"$ref": f"#/channels/{key}"}}


def _schemas() -> Page:
    _, found = msgspec.json.schema_components(_ALL, ref_template="#/components/schemas/{name}")
    return {name: _portable(schema) for name, schema in sorted(found.items())}


def _portable(schema: Any) -> Any:
    r"""Python's ``\Z`` is no part of JSON Schema's regular expressions."""
    if isinstance(schema, dict):
        return {key: _portable(value) for key, value in schema.items()}
    if isinstance(schema, list):
        return [_portable(value) for value in schema]
    return schema.replace("\\Z", "$") if isinstance(schema, str) else schema


def _name(struct: Any) -> str:
    """The name that msgspec gives it: long where a short one would stand for several."""
    return _NAMES[struct]


_ALL = [
    *(topic.codec.Payload for topic in wire.TOPICS),  # type: ignore[attr-defined]
    telemetry.Payload,
    command_request.Payload,
    command.Payload,
    command_response.Payload,
    command_response.Challenge,
    receipt.Payload,
    notification.Payload,
    status.Payload,
    self_test.Payload,
    package.Payload,
    CloudEvent[FeedData],
]
_REFERENCES, _ = msgspec.json.schema_components(_ALL, ref_template="{name}")
_NAMES = {struct: reference["$ref"] for struct, reference in zip(_ALL, _REFERENCES, strict=True)}


def emulated() -> str:
    """Every scenario of the emulated fleet with its label."""
    head = ["| name | what happens | must alarm | must not |", "|---|---|---|---|"]
    lines = ["# Emulated scenarios", "", MADE, "", "Times count from what causes the alarm.", ""]
    lines += ["## One vehicle", "", *head, *(_labelled(one.name, one) for one in SCENARIOS), ""]
    lines += ["## Many vehicles at once", "", *head]
    for wide in FLEET_WIDE:
        within = f" within {wide.within_s / 60:g} min" if wide.within_s else ""
        lines.append(
            _labelled(f"{wide.scenario.name} ({wide.share:.0%} of the fleet{within})", wide.scenario)
        )
    return "\n".join([*lines, ""])


def _labelled(name: str, played: Scenario) -> str:
    must = "; ".join(one.sentence() for one in played.label.must) or "nothing"
    return f"| {name} | {played.played} | {must} | {played.label.forbidden()} |"


PAGES = {
    DOCS / "asyncapi.yaml": asyncapi,
    DOCS / "reference" / "alarms.md": alarms,
    DOCS / "reference" / "cases.md": cases,
    DOCS / "reference" / "commands.md": commands,
    DOCS / "reference" / "names.md": names,
    DOCS / "reference" / "notifications.md": notices,
    DOCS / "reference" / "scenarios.md": emulated,
    DOCS / "reference" / "sia-dc09.md": sia_dc09,
}


def main() -> int:
    """Write or check every page."""
    stale = [
        path
        for path, make in PAGES.items()
        if not path.exists() or path.read_text(encoding="utf-8") != make()
    ]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is not what the code says: run python docs/generate.py")
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(PAGES[path](), encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
