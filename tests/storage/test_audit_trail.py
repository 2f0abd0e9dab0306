"""The audit trail in a real file: whatever is changed by one hand, ``verify`` names the row."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from gateway.adapters.storage.sqlite import chain
from gateway.adapters.storage.sqlite.schema import migrate
from gateway.adapters.storage.sqlite.verify import holes
from gateway.cli import app
from gateway.domain.audit_trail import GENESIS, Head, canonical, digest, link, parse_head
from gateway.ports import AuditEntry

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
ROWS = 9
COLUMNS = ("at", "actor", "action", "subject", "details", "hash", "salt", "digest")
INSERT = "INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
VALUES = st.one_of(st.none(), st.integers(-5, 5), st.text(max_size=5), st.binary(max_size=33), st.floats())


@cache
def template(rows: int) -> bytes:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    for n in range(rows):
        chain.append(connection, [entry(n)])
    # Whoever opens the file with another program is stopped by no constraint.
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute("UPDATE sqlite_schema SET sql = replace(sql, 'NOT NULL', '') WHERE name = 'audit'")
    connection.execute("PRAGMA writable_schema = RESET")
    return connection.serialize()


def trail(path: Path, rows: int = ROWS) -> sqlite3.Connection:
    path.write_bytes(template(rows))
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    return connection


def entry(n: int) -> AuditEntry:
    return AuditEntry(NOW + timedelta(seconds=n), f"anna {n}", "alarm.raised", f"a{n}", {"sequence": n})


def found(connection: sqlite3.Connection, *written_down: Head) -> list[str]:
    connection.commit()
    sentences = list(holes(connection, written_down))
    connection.commit()
    return sentences


def named(sentences: list[str]) -> set[int]:
    return {int(n) for one in sentences for n in re.findall(r"(?<![\d:.-])\d+(?![\d:.-]*\d)", one)}


def rows_of(connection: sqlite3.Connection) -> list[tuple[object, ...]]:
    return connection.execute("SELECT * FROM audit ORDER BY n").fetchall()


def put(connection: sqlite3.Connection, rows: list[tuple[object, ...]]) -> None:
    """Write the rows with the numbers that their order gives them."""
    connection.execute("DELETE FROM audit")
    numbered = [(n, *row[1:]) for n, row in enumerate(rows, 1)]
    connection.executemany(INSERT, numbered)


def rehashed(connection: sqlite3.Connection, n: int) -> None:
    """Change a row and write the hash that it then has."""
    salt = bytes(16)
    before = connection.execute("SELECT hash FROM audit WHERE n = ?", (n - 1,)).fetchone()
    content = ("2026-11-22T09:30:00+00:00", "nobody", "did", "nothing", "{}")
    basis = digest(salt, content)
    values = (*content, link(GENESIS if before is None else before[0], basis), salt, basis)
    connection.execute("DELETE FROM audit WHERE n = ?", (n,))
    connection.execute(INSERT, (n, *values))


@given(n=st.integers(1, ROWS), column=st.sampled_from(COLUMNS), value=VALUES)
def test_a_changed_row_is_named(
    tmp_path_factory: pytest.TempPathFactory, n: int, column: str, value: object
) -> None:
    connection = trail(tmp_path_factory.getbasetemp() / "changed.db")
    rows = rows_of(connection)
    place = 1 + COLUMNS.index(column)
    was = rows[n - 1][place]
    rows[n - 1] = (*rows[n - 1][:place], value, *rows[n - 1][place + 1 :])
    put(connection, rows)
    is_ = rows_of(connection)[n - 1][place]
    sentences = found(connection)
    connection.close()
    if (type(was), was) == (type(is_), is_):
        assert sentences == []
    else:
        assert len(sentences) == 1
        assert f"row {n} " in sentences[0]


@pytest.mark.parametrize("n", range(1, ROWS + 1))
def test_a_row_that_was_taken_out_is_named(tmp_path: Path, n: int) -> None:
    connection = trail(tmp_path / "audit.db")
    connection.execute("DELETE FROM audit WHERE n = ?", (n,))
    where = "before 2" if n == 1 else "at the end" if n == ROWS else f"between {n - 1} and {n + 1}"
    assert found(connection) == [f"Audit rows are missing {where}: {n}."]


@pytest.mark.parametrize("n", range(1, ROWS + 1))
def test_a_row_written_anew_with_its_hash_is_named(tmp_path: Path, n: int) -> None:
    connection = trail(tmp_path / "audit.db")
    rehashed(connection, n)
    sentences = found(connection)
    assert len(sentences) == 1
    assert sentences[0].startswith(
        f"Audit row {n} (2026-11-22T09:30:00+00:00, did) was written anew with its hash"
    )


@given(places=st.tuples(st.integers(1, ROWS), st.integers(1, ROWS)))
def test_rows_in_each_others_place_are_named(
    tmp_path_factory: pytest.TempPathFactory, places: tuple[int, int]
) -> None:
    connection = trail(tmp_path_factory.getbasetemp() / "swapped.db")
    first, second = sorted(places)
    rows = rows_of(connection)
    rows[first - 1], rows[second - 1] = rows[second - 1], rows[first - 1]
    put(connection, rows)
    sentences = found(connection)
    connection.close()
    if first == second:
        assert sentences == []
    else:
        assert any(f"row {first} " in one and f"row {second} " in one for one in sentences)
        assert len([one for one in sentences if "each other" in one]) == 1


@given(source=st.integers(1, ROWS), target=st.integers(1, ROWS + 1), renumber=st.booleans())
def test_a_row_put_in_is_named(
    tmp_path_factory: pytest.TempPathFactory, source: int, target: int, renumber: bool
) -> None:
    connection = trail(tmp_path_factory.getbasetemp() / "inserted.db")
    rows = rows_of(connection)
    if renumber:
        put(connection, [*rows[: target - 1], rows[source - 1], *rows[target - 1 :]])
    else:
        put(connection, [*rows, rows[source - 1]])
        target = ROWS + 1
    sentences = found(connection)
    connection.close()
    # A copy next to its original can't be told from it.
    same = {target, source, source + 1} if target in {source, source + 1} else {target}
    assert any(f"row {n} " in one for n in same for one in sentences)


@pytest.mark.parametrize("n", range(1, ROWS + 1))
@pytest.mark.parametrize("to", [0, -7, 40])
def test_a_row_with_another_number_is_named(tmp_path: Path, n: int, to: int) -> None:
    connection = trail(tmp_path / "audit.db")
    connection.execute("UPDATE audit SET n = ? WHERE n = ?", (to, n))
    sentences = found(connection)
    assert any(f"row {to} " in one or f"row {to}." in one for one in sentences)
    assert any(re.search(rf"\b{n}\b", one) for one in sentences)


@pytest.mark.parametrize("renumber", [2, 5, ROWS])
def test_rows_that_were_renumbered_over_a_hole_are_named(tmp_path: Path, renumber: int) -> None:
    connection = trail(tmp_path / "audit.db")
    rows = rows_of(connection)
    put(connection, [*rows[: renumber - 2], *rows[renumber - 1 :]])
    assert any(f"row {renumber - 1} " in one or f"between {renumber - 2}" in one for one in found(connection))


def test_an_end_that_was_cut_off_stays_visible(tmp_path: Path) -> None:
    """The gateway goes on from the head that it noted: what was cut off stays a hole."""
    connection = trail(tmp_path / "audit.db")
    connection.execute("DELETE FROM audit WHERE n > 6")
    assert found(connection) == ["Audit rows are missing at the end: 7 to 9."]
    chain.append(connection, [entry(10)])
    assert found(connection) == ["Audit rows are missing between 6 and 10: 7 to 9."]


def test_a_head_that_was_taken_away_stays_visible(tmp_path: Path) -> None:
    connection = trail(tmp_path / "audit.db")
    connection.execute("DELETE FROM audit WHERE n > 6")
    connection.execute("DELETE FROM meta WHERE key = 'audit_head'")
    assert found(connection) == ["The store does not hold the head of its audit trail."]
    chain.append(connection, [entry(7)])
    [sentence] = found(connection)
    assert sentence.startswith("Audit row 8 (")
    assert "follows row 6" in sentence


@pytest.mark.parametrize("n", [ROWS + 1, 2**62, 2**63 - 1])
def test_a_row_that_somebody_added_stops_no_writing(tmp_path: Path, n: int) -> None:
    connection = trail(tmp_path / "audit.db")
    row = rows_of(connection)[3]
    connection.execute(INSERT, (n, *row[1:]))
    for number in range(3):
        chain.append(connection, [entry(number)])
    sentences = found(connection)
    assert len(sentences) == 1
    assert f"row {n} " in sentences[0]


def test_a_head_that_was_written_down_shows_a_trail_that_was_made_anew(tmp_path: Path) -> None:
    connection = trail(tmp_path / "audit.db")
    noted = chain.head(connection)
    assert noted is not None
    assert found(connection, parse_head(str(noted))) == []
    connection.close()
    other = trail(tmp_path / "other.db", ROWS + 1)
    assert "it has not the hash that was written down" in found(other, noted)[0]
    shorter = trail(tmp_path / "shorter.db", ROWS - 1)
    assert found(shorter, noted) == [
        "Audit row 9, whose hash was written down, is missing: the trail ends at row 8."
    ]


def test_rows_of_before_there_were_digests_hold_as_well(tmp_path: Path) -> None:
    connection = trail(tmp_path / "audit.db", 0)
    previous = GENESIS
    for n in range(1, 4):
        content = ("2026-11-22T09:30:00.000000+00:00", "anna", "did", f"é {n}", "{}")
        previous = link(previous, canonical(content))
        values = (n, *content, previous)
        connection.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL)", values)
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('audit_head', ?)", (previous.hex(),))
    chain.append(connection, [entry(4), entry(5)])
    assert found(connection) == []
    connection.execute("UPDATE audit SET actor = 'bert' WHERE n = 2")
    assert "row 2 " in found(connection)[0]


@pytest.mark.drill
def test_a_long_trail_is_walked_in_little_memory(tmp_path: Path) -> None:
    peaks_kib = []
    for rows in (1_000, 100_000):
        (folder := tmp_path / str(rows)).mkdir()
        connection = trail(folder / "gateway.db", 0)
        connection.execute("BEGIN")
        chain.append(connection, [entry(n) for n in range(rows)])
        connection.execute("COMMIT")
        connection.close()
        (folder / "gateway.toml").write_text('[store]\nurl = "sqlite:///gateway.db"\n')
        peaks_kib.append(peak_of_verify(folder / "gateway.toml"))
    assert peaks_kib[1] - peaks_kib[0] < 30_000


def peak_of_verify(config: Path) -> int:
    script = (
        "import sys; from gateway.cli import app; sys.argv[1:] = ['verify', '--config', sys.argv[1]]\n"
        "try: app()\n"
        "except SystemExit as end:\n"
        "    lines = open('/proc/self/status').read().splitlines()\n"
        "    print(end.code, *[one.split()[1] for one in lines if one.startswith('VmHWM')])"
    )
    run = subprocess.run(  # our own command
        [sys.executable, "-c", script, str(config)], capture_output=True, text=True, check=True
    )
    code, peak_kib = run.stdout.splitlines()[-1].split()
    assert code == "0", run.stdout
    return int(peak_kib)


def test_the_command_says_whether_the_trail_holds(tmp_path: Path) -> None:
    connection = trail(tmp_path / "gateway.db")
    config = tmp_path / "gateway.toml"
    config.write_text('[store]\nurl = "sqlite:///gateway.db"\n')

    def verify(*words: str) -> tuple[int, str]:
        run = CliRunner().invoke(app, ["verify", "--config", str(config), *words])
        return run.exit_code, run.output

    code, said = verify()
    assert code == 0
    head = said.split()[-1]
    assert head == str(chain.head(connection))
    assert verify("--head", head)[0] == 0
    assert verify("--head", f"9:{bytes(32).hex()}")[0] == 1
    assert verify("--head", "9:zz") == (1, "--head: a head is SEQ:HASH, with 64 hexadecimal digits\n")
    connection.execute("UPDATE audit SET actor = 'bert' WHERE n = 4")
    code, said = verify()
    assert code == 1
    row = "Audit row 4 (2026-11-22T09:30:03.000000+00:00, alarm.raised)"
    assert said == f"{row}: its content does not match its hash.\n"
