"""A case's evidence: who gets it, what is in it, and that no byte of it can be changed unseen."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from gateway.api.evidence.check import check
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
    assert check(file, hash_of=hash_of(desk)) == []
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
    assert check(file, [parse_head(head)]) == []
    other = parse_head(f"{n}:{bytes(32).hex()}")
    assert check(file, [other]) == [f"Audit row {n} has not the hash that was written down."]
    rows = [one["n"] for one in segment["links"] if isinstance(one, dict)]
    await store_does(desk, "UPDATE audit SET hash = zeroblob(32) WHERE n IN (4, ?)", rows[-2])
    digest, row = check(file, hash_of=hash_of(desk))
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
        assert check(answer.content, hash_of=hash_of(desk)) == []
        forged = page.replace("PL-7", "PL-8", 1).encode()
        assert check(forged) == ["The page does not show what its data says."]


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
    assert check(sample) == []
    for path in leaves(json.loads(sample)):
        document = json.loads(sample)
        changed(document, path)
        try:
            sentences = check(json.dumps(document).encode())
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
            assert check(json.dumps(document).encode()), (place, act)


@given(st.binary(max_size=60))
def test_what_is_no_export_is_said_to_be_none(file: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # whatever is wrong, the command says it
        check(file)
