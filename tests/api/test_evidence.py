"""A case's evidence: who gets it, what is in it, and that no byte of it can be changed unseen."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from gateway.adapters.storage.sqlite import evidence as storage
from gateway.api.evidence import routes
from gateway.api.evidence.check import Checked, check
from gateway.api.evidence.page import page
from gateway.cli import app
from gateway.domain.audit_trail import parse_head
from gateway.domain.signals import SetMode
from gateway.ports import AuditEntry
from tests.api.test_cases import Desk, desk
from tests.pipeline.conftest import VIN

__all__ = ["desk"]

EVIL = "<script>alert(1)</script>\u2028&amp;\u202egnp.exe"


async def worked_on(desk: Desk) -> str:
    """A case with a bit of everything, between the audit rows of others."""
    await desk.rig.store.audit(
        [AuditEntry(desk.rig.clock.now(), "somebody", "else", f"x{n}") for n in range(5)]
    )
    case_id = await desk.alarm("tamper")
    await desk.do("claim")
    await desk.do("contact", outcome="reached", note=EVIL)
    await desk.rig.store.audit(
        [AuditEntry(desk.rig.clock.now(), "somebody", "else", f"y{n}") for n in range(5)]
    )
    await desk.do("police", reference="PL-7")
    return case_id


async def export(desk: Desk, case_id: str, by: str = "Ada", **query: str) -> tuple[int, bytes]:
    path = f"/cases/{case_id}/export"
    headers = desk.headers(by) | {"Accept-Language": query.pop("language", "en")}
    answer = await desk.client.get(path, headers=headers, params=query)
    return answer.status_code, answer.content


async def store_does(desk: Desk, statement: str, *values: str | int) -> None:
    await desk.rig.store._writer.run(lambda on: on.execute(statement, values))


def whole(checked: Checked) -> bool:
    return checked == Checked([], ["The export is what the gateway wrote."])


def hash_of(desk: Desk) -> Any:
    return lambda n: dict(desk.rows("SELECT n, hash FROM audit")).get(n)


async def test_an_export_says_what_happened_and_proves_it(desk: Desk) -> None:
    now = desk.rig.clock.now()
    fact = SetMode(received_at=now, mode="transport", by="Bo", role="operator", reason=EVIL, duration_s=3600)
    await desk.act(VIN, fact)
    desk.rig.trigger("tilt", "held-1")
    await desk.rig.settle()
    case_id = await worked_on(desk)
    status, file = await export(desk, case_id)
    assert status == 200
    assert whole(check(file, hash_of=hash_of(desk)))
    content = json.loads(file)["content"]
    assert content["case"]["police_reference"] == "PL-7"
    assert [one["what"] for one in content["timeline"]][-2:] == ["case.contact", "case.police"]
    assert content["timeline"][-2]["details"]["note"] == EVIL
    assert [one["person"] for one in content["operators"]] == ["Ada"]
    assert [(one["name"], one["attempts"]) for one in content["contacts"]] == [("Eva", 1), ("Max", 0)]
    [alarm] = content["alarms"]
    assert alarm["meaning"] == "The security unit or its messages are being manipulated."
    assert alarm["facts"][0]["event_id"] == alarm["event_ids"][0]
    assert alarm["corrected_at"] == alarm["occurred_at"]
    ways = {way["sink"]: way["state"] for one in content["timeline"] for way in one["deliveries"]}
    assert ways == {"soc": "pending"}
    assert [one["reason"] for one in content["modes"]] == [EVIL]
    assert [(one["cause"], one["count"]) for one in content["held_back"]] == [("tilt", 1)]
    assert content["track"] == {"state": "none", "erase_at": None, "points": []}
    assert b"somebody" not in file, "others' rows stand in it as digests only"
    [segment] = json.loads(file)["proof"]["segments"]
    assert sum(isinstance(one, str) for one in segment["links"]) == 10
    actions = [one["action"] for one in segment["links"] if isinstance(one, dict)]
    assert actions[:2] == ["alarm.suppressed", "alarm.raised"]
    assert actions[-1] == "case.exported"
    head = json.loads(file)["proof"]["head"]
    n = head.partition(":")[0]
    assert whole(check(file, [parse_head(head)]))
    other = parse_head(f"{n}:{bytes(32).hex()}")
    assert check(file, [other]).wrong == [f"Audit row {n} has not the hash that was written down."]
    rows = [one["n"] for one in segment["links"] if isinstance(one, dict)]
    await store_does(desk, "UPDATE audit SET hash = zeroblob(32) WHERE n IN (4, ?)", rows[-2])
    digest, row = check(file, hash_of=hash_of(desk)).wrong
    assert digest == "Audit row 4 is not what the store has."
    assert row.startswith(f"Audit row {rows[-2]} (")


async def test_the_page_shows_it_and_is_inert(desk: Desk) -> None:
    case_id = await worked_on(desk)
    for language, title in (("en", "Evidence of case"), ("nl", "Bewijs van zaak")):
        headers = desk.headers("Ada") | {"Accept-Language": language}
        answer = await desk.client.get(f"/cases/{case_id}/export?format=html", headers=headers)
        page = answer.text
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert f"<h1>{title} {case_id}</h1>" in page
        assert "PL-7" in page
        assert "<script" not in page
        assert "\u202e" not in page.partition('<pre id="export"')[0]
        assert re.findall(r"(?:src|href|url)\s*[=(]", page) == []
        assert whole(check(answer.content, hash_of=hash_of(desk)))
        forged = page.replace("PL-7", "PL-8", 1).encode()
        assert check(forged).wrong == ["The page does not show what its data says."]


async def test_what_is_left_out_is_counted_in_the_file_on_the_page_and_by_verify(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = desk.rig.clock.now()
    fact = SetMode(received_at=now, mode="transport", by="Bo", role="operator", reason="ferry", duration_s=60)
    await desk.act(VIN, fact)
    for cause in ("tilt", "unauthorised_movement"):
        desk.rig.trigger(cause, f"held-{cause}")
        await desk.rig.settle()
    case_id = await worked_on(desk)
    for n in range(3):
        desk.rig.trigger("tamper", f"again-{n}")
        await desk.rig.settle()
    await desk.alarm("intrusion")
    for name, limit in (("MAX_FACTS", 2), ("MAX_ENTRIES", 4), ("MAX_ALARMS", 1), ("MAX_ROWS", 3)):
        monkeypatch.setattr(storage, name, limit)
    monkeypatch.setattr(routes, "AT_ONCE", 1)
    _, file = await export(desk, case_id, by="Cy")
    content = json.loads(file)["content"]
    assert {one["cause"] for one in content["held_back"]} == {"tilt", "unauthorised_movement"}
    [[entries]] = desk.rows("SELECT COUNT(*) FROM case_entries")
    [alarm] = content["alarms"]
    assert (alarm["cause"], len(alarm["facts"])) == ("intrusion", 1)
    left_out = {one["what"]: (one["kept"], one["of"]) for one in content["left_out"]}
    audited = left_out.pop("audit")
    assert left_out == {"entries": (4, entries), "alarms": (1, 2)}
    assert len(content["timeline"]) == 4
    links = [link for one in json.loads(file)["proof"]["segments"] for link in one["links"]]
    assert [audited[0] + 1, True] == [sum(isinstance(one, dict) for one in links), audited[1] > 3]
    monkeypatch.setattr(storage, "MAX_ALARMS", 2)
    monkeypatch.setattr(storage, "MAX_FACTS", 4)
    _, file = await export(desk, case_id, by="Cy", format="html", language="nl")
    assert "Dit bestand bevat niet alles" in file.decode()
    (tmp_path / "case.html").write_bytes(file)
    done = CliRunner().invoke(app, ["verify", "--export", str(tmp_path / "case.html")])
    *told, end = done.output.splitlines()
    assert (done.exit_code, end) == (0, "The export is what the gateway wrote.")
    assert told[0] == f"Left out: {entries - 4} of {entries} lines of the timeline."
    assert told[1].startswith("Left out: 2 of 4 facts of alarm "), told
    assert re.fullmatch(r"Left out: \d+ of \d+ audit rows, what was only looked at first\.", told[2]), told


async def test_a_page_of_another_version_is_told_as_one_and_its_data_is_checked(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    case_id = await worked_on(desk)
    _, file = await export(desk, case_id, format="html")
    of_data = await export(desk, case_id)
    monkeypatch.setattr("gateway.api.evidence.check.VERSION", "another")
    [told] = check(file, hash_of=hash_of(desk)).told
    assert re.search(r"another version of the program.*; its data is whole\.$", told)
    forged = file.replace(b"PL-7", b"PL-8")
    assert check(forged).wrong[0].startswith("The section 'case' is not what audit row")
    assert check(forged).told[0].endswith("; its data is not whole.")
    made_up = page(json.loads(of_data[1]), "en").encode()
    assert check(made_up).wrong == ["The trail says that no page was exported."]


async def test_the_page_is_in_the_readers_language(desk: Desk) -> None:
    case_id = await desk.alarm("tamper")
    await desk.do("claim")
    await desk.do("contact", outcome="no_answer")
    dutch = (
        "De auto meldt \u2018beveiligingskast gemanipuleerd\u2019.",
        "Er wordt geknoeid met de beveiligingskast",
        "resultaat: geen antwoord",
    )
    english = (
        "The car states &#x27;tamper&#x27;.",
        "The security unit or its messages",
        "outcome: No answer",
    )
    for query, theirs, others in (
        ({"language": "nl"}, dutch, english),
        ({"language": "en"}, english, dutch),
    ):
        _, file = await export(desk, case_id, format="html", **query)
        shown = unescape(file.decode().partition('<pre id="export"')[0])
        for one in theirs:
            assert unescape(one).lower() in shown.lower(), one
        for one in others:
            assert unescape(one).lower() not in shown.lower(), one
    headers = desk.headers("Ada") | {"Accept-Language": "en"}
    answer = await desk.client.get(f"/cases/{case_id}/export?format=html&language=nl", headers=headers)
    assert '<html lang="nl">' in answer.text
    answer = await desk.client.get(f"/cases/{case_id}/export?language=tlh", headers=headers)
    assert answer.status_code == 422


async def test_a_closed_cases_positions_are_sealed_wherever_they_stand(desk: Desk) -> None:
    where = {"latitude": 52.123, "longitude": 4.321, "accuracy_m": 8}
    desk.rig.trigger("tamper", "with-position", position=where)
    await desk.rig.settle()
    case_id = await desk.alarm("intrusion")
    await desk.do("claim")
    for form in ("json", "html"):
        assert b"52.123" in (await export(desk, case_id, format=form))[1]
    await desk.do("contact", outcome="reached")
    await desk.do("dismiss", disposition="test")
    await desk.do("close")
    for form in ("json", "html"):
        _, file = await export(desk, case_id, by="Cy", format=form)
        assert b"52.123" not in file
        assert b"4.321" not in file
        assert any("positions: the case is closed" in one for one in check(file).told)
        assert check(file).wrong == []
        _, file = await export(desk, case_id, by="Cy", format=form, reason="the court asks")
        assert b"52.123" in file
        assert whole(check(file))


async def test_only_its_holder_and_a_supervisor_get_it_and_each_try_is_audited(desk: Desk) -> None:
    case_id = await worked_on(desk)
    assert [(await export(desk, case_id, by))[0] for by in ("Ada", "Bo", "Cy", "Di")] == [200, 403, 200, 403]
    assert (await export(desk, "none"))[0] == 404
    said = desk.rows("SELECT action, actor FROM audit WHERE action LIKE 'case.export%' ORDER BY n")
    assert said == [("case.exported", "Ada"), ("case.export_refused", "Bo"), ("case.exported", "Cy")]


async def test_a_closed_cases_track_needs_a_reason_until_it_is_erased(desk: Desk) -> None:
    case_id = await worked_on(desk)
    insert = "INSERT INTO tracks VALUES (NULL, ?, ?, ?, 52.1, 4.3, 8)"
    on = desk.rig.clock.now().isoformat(timespec="microseconds")
    await store_does(desk, insert, VIN, case_id, on)

    async def track(by: str = "Cy", **query: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((await export(desk, case_id, by, **query))[1])["content"]["track"]
        return found

    [point] = (await track())["points"]
    assert (point["latitude"], point["longitude"], point["accuracy_m"]) == (52.1, 4.3, 8)
    await desk.do("dismiss", disposition="test")
    await desk.do("close")
    assert (await track())["state"] == "sealed"
    assert (await track(reason="the court asks"))["state"] == "kept"
    await desk.rig.store.prune(desk.rig.clock.now() + timedelta(days=31))
    assert (await track(reason="the court asks"))["state"] == "erased"


async def test_it_is_checked_without_our_program_as_the_manual_says(desk: Desk, tmp_path: Path) -> None:
    manual = (Path(__file__).parents[2] / "docs" / "evidence.md").read_text()
    script = manual.partition("```python\n")[2].partition("```")[0]
    _, file = await export(desk, await worked_on(desk))
    (tmp_path / "case.json").write_bytes(file)
    (tmp_path / "forged.json").write_bytes(file.replace(b"PL-7", b"PL-8"))
    for name, code in (("case.json", 0), ("forged.json", 1)):
        run = subprocess.run(  # noqa: ASYNC221  # the manual's own lines
            [sys.executable, "-I", "-c", script, str(tmp_path / name)], capture_output=True, check=False
        )
        assert run.returncode == code, run.stderr
        done = CliRunner().invoke(app, ["verify", "--export", str(tmp_path / name)])
        assert done.exit_code == code, done.output


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [leaf for key, one in value.items() for leaf in leaves(one, (*path, key))]
    if isinstance(value, list):
        return [leaf for place, one in enumerate(value) for leaf in leaves(one, (*path, place))]
    return [path]


def changed(document: Any, path: tuple[Any, ...]) -> None:
    for key in path[:-1]:
        document = document[key]
    was = document[path[-1]]
    if isinstance(was, str):
        document[path[-1]] = was[:-1] + ("0" if was[-1:] != "0" else "1")
    else:
        document[path[-1]] = 7 if was != 7 else 8


async def test_nothing_of_it_can_be_changed_moved_or_taken_out(desk: Desk) -> None:
    _, sample = await export(desk, await worked_on(desk))
    assert whole(check(sample))
    for path in leaves(json.loads(sample)):
        document = json.loads(sample)
        changed(document, path)
        try:
            sentences = check(json.dumps(document).encode()).wrong
        except ValueError:
            continue
        assert sentences, path
        if path[0] == "content":
            assert sentences[0].startswith(f"The section {path[1]!r} is not what audit row")
        if path[0] == "proof" and path[1] == "segments" and len(path) == 6:
            n = json.loads(sample)["proof"]["segments"][path[2]]["links"][path[4]]["n"]
            assert any(re.search(rf"\brow {n}\b", one) for one in sentences), (path, sentences)
    links = len(json.loads(sample)["proof"]["segments"][0]["links"])
    for place in range(links):
        for act in ("out", "double", "swap"):
            document = json.loads(sample)
            stand = document["proof"]["segments"][0]["links"]
            if act == "out":
                del stand[place]
            elif act == "double":
                stand.insert(place, stand[place])
            else:
                stand[place], stand[(place + 1) % links] = stand[(place + 1) % links], stand[place]
            assert check(json.dumps(document).encode()).wrong, (place, act)


@given(st.binary(max_size=60))
def test_what_is_no_export_is_said_to_be_none(file: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # whatever is wrong, the command says it
        check(file)
