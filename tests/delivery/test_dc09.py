"""The sia-dc09 sink on real sockets: against a receiver of another author, and against ill ones."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog
from structlog.testing import capture_logs

from gateway.adapters.clock import SystemClock
from gateway.adapters.sinks.sia_dc09 import Dc09Settings, Dc09Sink
from gateway.adapters.sinks.sia_dc09.accounts import account_of
from gateway.adapters.sinks.sia_dc09.frame import Address, Frame, encode
from gateway.errors import SettingsError
from gateway.names import LOG_EVENTS
from gateway.ports import Delivered, Message, Outcome, Park, Retry
from gateway.settings import load
from tests.delivery.memory import message_of

pytest.importorskip("pysiaalarm", reason="the receiver that these tests speak to")

from tests.support.dc09 import Heard, Receiver, answer, framed, peer  # it needs that package

VIN = "XVGVK86B4TR000002"
ACCOUNT = "A1B2"
REFUSED = "primary: NAK (account not known there, or its clock?)"
KEYS = ("0123456789abcdef", "0123456789abcdef01234567", "0123456789abcdef0123456789abcdef")

HEARTBEAT = msgspec.structs.replace(
    message_of("", 0, type="gateway.heartbeat"), alarm_id="", body=b'{"subject":"gw-1","data":{}}'
)


def alarm(sequence: int = 42, kind: str = "alarm.raised", **data: Any) -> Message:
    told = {
        "vin": VIN,
        "alarm_id": "a-1",
        "cause": "driver_card_missing",
        "state": "open",
        "occurred_at": "2026-11-22T09:30:00.125+01:00",
        "position": {"latitude": 52.1, "longitude": -4.30004, "accuracy_m": 8},
        "evidence": [{"text": "No Driver Card: 15 s [or more] | Zürich", "at": None}],
        **data,
    }
    body = msgspec.json.encode({"subject": VIN, "type": kind, "data": told})
    return msgspec.structs.replace(message_of(VIN, sequence, type=kind), body=body)


def sink_to(port: int, *, backup: int | None = None, scheme: str = "tcp", **more: Any) -> Dc09Sink:
    given = {
        "name": "arc",
        "url": f"{scheme}://127.0.0.1:{port}",
        "backup_url": None if backup is None else f"tcp://127.0.0.1:{backup}",
        "account": ACCOUNT,
        "timeout_s": 30,
        **more,
    }
    settings = msgspec.convert(given, Dc09Settings)
    return Dc09Sink(settings, SystemClock(), structlog.get_logger())


async def delivered(to: Receiver, *messages: Message, **more: Any) -> list[Outcome]:
    sink = sink_to(to.port, **more)
    try:
        return [await sink.deliver("feed", message) for message in messages]
    finally:
        await sink.close()


# -- against pysiaalarm ----------------------------------------------------------------------------------


@pytest.mark.parametrize("udp", [False, True], ids=["tcp", "udp"])
@pytest.mark.parametrize("key", [None, *KEYS], ids=["plain", "aes-128", "aes-192", "aes-256"])
async def test_another_authors_receiver_reads_and_acknowledges(key: str | None, udp: bool) -> None:
    secret = None if key is None else key.encode().hex()
    async with peer(ACCOUNT, key=key, udp=udp) as receiver:
        sink = sink_to(receiver.port, scheme="udp" if udp else "tcp", secret=secret)
        outcomes = [
            await sink.deliver("feed", one) for one in (HEARTBEAT, alarm(), alarm(43, "alarm.closed"))
        ]
        await sink.close()
        async with asyncio.timeout(20):
            while len(receiver.events) < 3:  # noqa: ASYNC110  # another author's list
                await asyncio.sleep(0.01)
    assert outcomes == [Delivered(), Delivered(), Delivered()]
    test, raised, closed = receiver.events
    assert (raised.sequence, raised.account, raised.code, raised.encrypted) == (
        "0042",
        ACCOUNT,
        "BA",
        bool(key),
    )
    assert raised.message == f"0001^{VIN} driver_card_missing^"
    assert {one.identifier: one.value for one in raised.extended_data or ()} == {
        "H": "08:30:00,11-22-2026",
        "I": f"{VIN} driver_card_missing raised alarm a-1 no 42 No Driver Card: 15 s (or more) - Zurich",
        "X": "004W18.002",
        "Y": "52N06.000",
    }
    assert str(test.message_type).endswith("NULL")
    assert (closed.sequence, closed.code) == ("0043", "BR")


async def test_contact_id_is_read_as_well() -> None:
    async with peer(ACCOUNT) as receiver:
        sink = sink_to(receiver.port, protocol="ADM-CID", extended_data=["I"])
        assert await sink.deliver("feed", alarm(cause="tamper")) == Delivered()
        assert await sink.deliver("feed", alarm(43, "alarm.closed", cause="tamper")) == Delivered()
        await sink.close()
    read = [(one.event_qualifier, one.event_type, one.partition, one.ri) for one in receiver.events]
    assert read == [("1", "137", "00", "008"), ("3", "137", "00", "008")]


async def test_a_wrong_key_is_never_taken_for_delivery() -> None:
    async with peer(ACCOUNT, key=KEYS[0]) as receiver:
        sink = sink_to(receiver.port, secret="00" * 16)
        outcome = await sink.deliver("feed", alarm())
        await sink.close()
    assert isinstance(outcome, Retry)
    assert receiver.events == []


async def test_an_account_that_the_receiver_does_not_know_is_tried_again() -> None:
    async with peer("BEEF") as receiver:
        sink = sink_to(receiver.port)
        assert await sink.deliver("feed", alarm()) == Retry(REFUSED)
        await sink.close()
    assert receiver.events == []


# -- what each answer means --------------------------------------------------------------------------------


async def test_duh_parks_at_once() -> None:
    async with Receiver(lambda heard: answer("DUH", heard)) as receiver:
        outcomes = await delivered(receiver, alarm())
    assert outcomes == [Park("primary: DUH, the receiver can't take this message")]
    assert len(receiver.heard) == 1


async def test_nak_corrects_the_time_and_sends_the_same_number_again() -> None:
    theirs = datetime(2031, 1, 2, 3, 4, 5, tzinfo=UTC)

    def says(heard: Heard) -> bytes:
        if abs(heard.at - theirs) < timedelta(seconds=60):
            return answer("ACK", heard)
        return framed(f'"NAK"0000R0L0A0[]_{theirs:%H:%M:%S,%m-%d-%Y}')

    with capture_logs() as lines:
        async with Receiver(says) as receiver:
            outcomes = await delivered(receiver, alarm(7), alarm(8))
    assert outcomes == [Delivered(), Delivered()]
    assert receiver.numbers == [7, 7, 8]  # the receiver's time is kept for the next one
    assert [line["event"] for line in lines] == ["delivery.clock_corrected"]


@pytest.mark.parametrize("at", [None, datetime(2026, 11, 22, 9, tzinfo=UTC)], ids=["no time", "time"])
async def test_nak_after_nak_is_tried_again_later(at: datetime | None) -> None:
    async with Receiver(lambda heard: answer("NAK", heard, number=0, at=at)) as receiver:
        outcomes = await delivered(receiver, alarm())
    assert [type(one) for one in outcomes] == [Retry]
    assert len(receiver.heard) == (1 if at is None else 2)


async def test_a_late_ack_is_not_taken_for_the_next_message() -> None:
    late = iter([5, 6, 9999])

    def says(heard: Heard) -> bytes:
        return b"".join(answer("ACK", heard, number=one) for one in late) + answer("DUH", heard)

    async with Receiver(says) as receiver:
        assert [type(one) for one in await delivered(receiver, alarm(7))] == [Park]


async def test_an_ack_for_another_account_counts_for_nothing() -> None:
    async with Receiver(lambda heard: framed(f'"ACK"{heard.number:04d}L0#BAD[]')) as receiver:
        outcome = (await delivered(receiver, alarm(), timeout_s=1))[0]
    assert isinstance(outcome, Retry)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"", "primary: connection closed without an answer"),
        (b'"ACK"', "primary: unreadable answer: no frame"),
        (b"\n\r", "primary: unreadable answer: no frame"),
        (b'\n00000016"ACK"0042L0#A1B2[]\r', "primary: unreadable answer: wrong CRC or length"),
        (b"x" * 10_000, "primary: the answer is too long"),
        (framed('"HELLO"'), "primary: unreadable answer: no message"),
    ],
)
async def test_anything_else_is_no_confirmation(said: bytes, reason: str) -> None:
    async with Receiver(lambda _: said) as receiver:
        assert await delivered(receiver, alarm()) == [Retry(reason)]


async def test_a_plain_ack_to_an_encrypted_message_counts_for_nothing() -> None:
    async with Receiver() as receiver:
        outcomes = await delivered(receiver, alarm(), secret="00" * 32)
    assert outcomes == [Retry("primary: plain ACK to an encrypted message")]


@pytest.mark.parametrize(("age_s", "expected"), [(60, Delivered), (600, Retry)])
async def test_an_encrypted_ack_that_is_played_back_counts_for_nothing(age_s: int, expected: type) -> None:
    key = bytes(range(32))
    at = datetime.now(UTC) - timedelta(seconds=age_s)
    said = encode(Frame("ACK", 42, Address(ACCOUNT)), at, key)
    async with Receiver(lambda _: said) as receiver:
        assert [type(one) for one in await delivered(receiver, alarm(), secret=key.hex())] == [expected]


async def test_an_answer_that_drips_ends_within_the_time_limit() -> None:
    async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while not writer.is_closing():
                writer.write(b"0")
                await asyncio.sleep(0.05)
        finally:
            writer.close()
            ended.set()

    ended = asyncio.Event()
    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    async with asyncio.timeout(20):
        sink = sink_to(server.sockets[0].getsockname()[1], timeout_s=1)
        assert isinstance(await sink.deliver("feed", alarm()), Retry)
        await sink.close()
        await ended.wait()
    server.close()


@pytest.mark.parametrize("scheme", ["tcp", "udp"])
async def test_silence_ends_within_the_time_limit(scheme: str) -> None:
    async with Receiver(lambda _: None) as receiver, asyncio.timeout(20):
        sink = sink_to(receiver.port, scheme=scheme, timeout_s=1)
        outcomes = [await sink.deliver("feed", one) for one in (alarm(), HEARTBEAT)]
        await sink.close()
    assert [type(one) for one in outcomes] == [Retry, Retry]


async def test_many_at_once_use_few_connections_and_each_gets_its_own_answer() -> None:
    async with Receiver() as receiver:
        sink = sink_to(receiver.port, connections=3)
        outcomes = await asyncio.gather(*(sink.deliver("feed", alarm(n)) for n in range(1, 201)))
        await sink.close()
    assert set(outcomes) == {Delivered()}
    assert sorted(receiver.numbers) == list(range(1, 201))
    assert receiver.most_at_once <= 3
    assert receiver.accepted <= 3


async def test_a_kept_connection_that_the_receiver_has_closed_costs_no_failure() -> None:
    async with Receiver() as receiver:
        sink = sink_to(receiver.port)
        for sequence in (9999, 10_000, 10_001):
            assert await sink.deliver("feed", alarm(sequence)) == Delivered()
            receiver.cut()
        await sink.close()
    assert receiver.numbers == [9999, 1, 2]


async def test_what_can_not_be_read_is_parked() -> None:
    async with Receiver() as receiver:
        strange = msgspec.structs.replace(alarm(), body=b"\xff")
        assert [type(one) for one in await delivered(receiver, strange)] == [Park]


# -- two addresses, and supervision ------------------------------------------------------------------------


async def test_the_backup_takes_over_and_the_primary_comes_back() -> None:
    async with Receiver() as primary, Receiver() as backup:
        sink = sink_to(primary.port, backup=backup.port)
        assert await sink.deliver("feed", alarm(1)) == Delivered()
        await primary.down()
        with capture_logs() as lines:
            assert await sink.deliver("feed", alarm(2)) == Delivered()
            assert await sink.deliver("feed", alarm(3)) == Delivered()
            assert await sink.deliver("feed", HEARTBEAT) == Delivered()
            await primary.up()
            assert await sink.deliver("feed", HEARTBEAT) == Delivered()
            assert await sink.deliver("feed", alarm(4)) == Delivered()
        await sink.close()
    assert [one.number for one in primary.heard if one.identity != "NULL"] == [1, 4]
    assert [one.number for one in backup.heard if one.identity != "NULL"] == [2, 3]
    events = [(line["event"], line["path"], line["sink"]) for line in lines]
    assert events == [
        ("delivery.path_failed", "primary", "arc"),
        ("delivery.path_recovered", "primary", "arc"),
    ]
    assert {line["event"] for line in lines} <= LOG_EVENTS.keys()


async def test_a_silent_primary_leaves_time_for_the_backup() -> None:
    async with Receiver(lambda _: None) as primary, Receiver() as backup:
        sink = sink_to(primary.port, backup=backup.port, timeout_s=5)
        outcomes = [await sink.deliver("feed", alarm(n)) for n in (1, 2)]
        await sink.close()
    assert outcomes == [Delivered(), Delivered()]
    assert (primary.numbers, backup.numbers) == ([1], [1, 2])  # the failing one is not asked each time


async def test_with_both_gone_the_reasons_of_both_are_told() -> None:
    async with Receiver() as primary, Receiver() as backup:
        await primary.down()
        await backup.down()
        sink = sink_to(primary.port, backup=backup.port)
        outcomes = [await sink.deliver("feed", one) for one in (alarm(), HEARTBEAT)]
        await sink.close()
    for outcome in outcomes:
        assert isinstance(outcome, Retry)
        assert "primary: " in outcome.reason
        assert "backup: " in outcome.reason


async def test_supervision_tests_both_paths_and_an_acknowledged_alarm_stands_for_it() -> None:
    async with Receiver() as primary, Receiver() as backup:
        sink = sink_to(primary.port, backup=backup.port, supervision_s=600)
        for message in (alarm(1), HEARTBEAT, HEARTBEAT):
            assert await sink.deliver("feed", message) == Delivered()
        await sink.close()
    assert [one.identity for one in primary.heard] == ["SIA-DCS"]
    assert [(one.identity, one.address, one.number) for one in backup.heard] == [("NULL", "L0#A1B2", 1)]


async def test_a_link_test_that_is_refused_is_a_failure() -> None:
    async with Receiver(lambda heard: answer("DUH", heard)) as receiver:
        assert await delivered(receiver, HEARTBEAT) == [Retry("primary: DUH to a link test")]


# -- settings -----------------------------------------------------------------------------------------------

CONFIG = """
[[soc.sinks]]
name = "arc"
type = "sia-dc09"
url = "tcp://127.0.0.1:1"
account = "A1B2"
"""


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ('backup_url = "http://soc"', "backup_url must be tcp://host:port"),
        ('backup_url = "tcp://soc:70000"', "port out of range"),
        ('backup_url = "tcp://u:p@soc:1"', "nothing but host and port"),
        ('secret = "00112233445566778899aabbccddee"', "32, 48 or 64 hex digits"),
        ('secret = "hunter2hunter2hunter2hunter2hunt"', "32, 48 or 64 hex digits"),
        ('vehicle_accounts = "cell"', "vehicle_accounts: invalid enum value"),
        ('extended_data = ["Q"]', "extended_data"),
        ("connections = 33", "<= 32"),
        ('receiver = "12345678"', "receiver"),
        ('accounts_file = "none.csv"', "No such file"),
        ('accounts_file = "bad.csv"', "line 3: an account is 3 to 16 hex digits"),
        ('accounts_file = "twice.csv"', f"line 2: {VIN} is there twice"),
        ('accounts_file = "area.csv"\nprotocol = "ADM-CID"', "an area is a number up to 99"),
        ('accounts_file = "latin.csv"', "can't decode"),
    ],
)
def test_check_config_names_the_mistake(tmp_path: Path, more: str, says: str) -> None:
    (tmp_path / "bad.csv").write_text(f"# fleet\n\n{VIN},12345678901234567\n")
    (tmp_path / "twice.csv").write_text(f"{VIN},ABC\n{VIN},ABC,2\n")
    (tmp_path / "area.csv").write_text(f"{VIN},ABC,100\n")
    (tmp_path / "latin.csv").write_bytes(b"\xfc,ABC\n")
    file = tmp_path / "gateway.toml"
    file.write_text(CONFIG + more)
    with pytest.raises(SettingsError) as caught:
        load(file, {})
    assert says in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("account", ["", "AB", "12345678901234567", "XYZ1", "ABC\n"])
def test_an_account_is_3_to_16_hex_digits(account: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        sink_to(1, account=account)


def test_a_key_comes_from_a_file_and_is_never_shown(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("0f" * 32)
    file = tmp_path / "gateway.toml"
    file.write_text(CONFIG + 'secret_file = "key"')
    settings = load(file, {}).sinks[0]
    assert isinstance(settings, Dc09Settings)
    assert settings.secret == "0f" * 32
    assert "0f" not in repr(settings)


async def test_each_vehicle_has_the_account_and_area_of_its_line_or_rule(tmp_path: Path) -> None:
    file = tmp_path / "accounts.csv"
    file.write_text(f"# VIN, account, area\n{VIN}, abc123, 17\n")
    other = "XVG6PGMRVZH000003"
    assert account_of(other) == "434E6D6652CB1E9D"
    messages = alarm(1), alarm(2, vin=other), alarm(3, vin=None, cause="gateway_blind")
    async with Receiver() as receiver:
        await delivered(
            receiver, *messages, accounts_file=str(file), vehicle_accounts="vin", receiver="12", line="3"
        )
    assert [(one.address, one.content.split("]")[0]) for one in receiver.heard] == [
        ("R12L3#ABC123", f"#ABC123|Nri17/BA0001^{VIN} driver_card_missing^"),
        ("R12L3#434E6D6652CB1E9D", f"#434E6D6652CB1E9D|NBA0001^{other} driver_card_missing^"),
        ("R12L3#A1B2", f"#A1B2|NYS0026^{VIN} gateway_blind^"),
    ]
