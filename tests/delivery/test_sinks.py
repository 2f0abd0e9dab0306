"""The plug-ins but for the webhook's HTTP, which has tests of its own."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
import rich.pretty
import structlog
from structlog.testing import capture_logs

from gateway.adapters.clock import SystemClock
from gateway.adapters.sinks import SINKS, SinkSettings, open_sink, plan_of
from gateway.errors import GatewayError, LinkDown, PublishRefused, PublishUnknown
from gateway.names import LOG_EVENTS
from gateway.ports import Delivered, Retry, SinkPlan
from tests.delivery.memory import message_of

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class FakeLink:
    """Takes everything, or raises ``error``, or hangs."""

    connected = True

    def __init__(self, error: GatewayError | None = None, *, hangs: bool = False) -> None:
        self.error = error
        self.hangs = hangs
        self.published: list[tuple[str, bytes, int]] = []

    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False, expiry_s: int | None = None
    ) -> None:
        if self.hangs:
            await asyncio.sleep(1_000)
        if self.error:
            raise self.error
        self.published.append((topic, payload, qos))

    def post(self, topic: str, payload: bytes, **_more: Any) -> bool:
        raise AssertionError("a sink waits for the broker's word")


def settings_of(**given: Any) -> SinkSettings:
    settings: SinkSettings = msgspec.convert({"name": "soc", **given}, SinkSettings)
    return settings


def opened(link: FakeLink | None = None, logger: Any = None, **given: Any) -> Any:
    return open_sink(settings_of(**given), clock=SystemClock(), link=link or FakeLink(), logger=logger)


@pytest.mark.parametrize("kind", SINKS)
def test_each_type_is_chosen_by_its_name(kind: str) -> None:
    required = {
        "webhook": {"url": "http://127.0.0.1/"},
        "sia-dc09": {"url": "tcp://127.0.0.1:9", "account": "A1B2"},
    }
    given = required.get(kind, {})
    settings = settings_of(type=kind, role="standby", soc="b", heartbeat=True, **given)
    assert type(settings) is SINKS[kind].settings
    assert (plan_of(settings), settings.heartbeat) == (SinkPlan("soc", "b", "standby"), True)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"type": "pigeon"}, r"Invalid value 'pigeon' - at `\$.type`"),
        ({"type": "log", "colour": "red"}, "unknown field `colour`"),
        ({"type": "webhook"}, "missing required field `url`"),
        ({"type": "webhook", "url": "ftp://soc"}, "url must begin with http"),
        ({"type": "webhook", "url": "http://user:pw@soc/"}, "without user name"),
        ({"type": "webhook", "url": "http://soc/a\r\nX: y"}, "plain ASCII"),
        ({"type": "webhook", "url": "http://soc:99999/"}, "Port out of range"),
        ({"type": "webhook", "url": "http://soc/", "secret": "hunter2"}, "whsec_ followed by base64"),
        ({"type": "webhook", "url": "http://soc/", "secret": "whsec_!!"}, "whsec_ followed by base64"),
        ({"type": "webhook", "url": "http://soc/", "timeout_s": 0.5}, ">= 1"),
        ({"type": "mqtt", "soc": "a/b"}, "matching regex"),
    ],
)
def test_a_mistake_is_named(given: dict[str, Any], says: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=says) as caught:
        settings_of(**given)
    assert "hunter2" not in str(caught.value)


def test_a_secret_is_never_shown() -> None:
    settings = settings_of(type="webhook", url="http://soc/", secret=SECRET)
    for text in (repr(settings), str(settings), rich.pretty.pretty_repr(settings)):
        assert "whsec" not in text
        assert "***" in text


async def test_mqtt_publishes_the_message_on_its_socs_topic() -> None:
    link = FakeLink()
    message = message_of("A", 1, soc="elsewhere")
    assert await opened(link, type="mqtt", soc="b").deliver("feed", message) == Delivered()
    assert link.published == [("v1/soc/b/alarms", message.body, 1)]


@pytest.mark.parametrize(
    "error", [LinkDown("no broker"), PublishUnknown("no PUBACK"), PublishRefused("t", 135, "not authorised")]
)
async def test_mqtt_tries_again_what_the_broker_has_not_taken(error: GatewayError) -> None:
    outcome = await opened(FakeLink(error), type="mqtt").deliver("feed", message_of("A", 1))
    assert outcome == Retry(f"{type(error).__name__}: {error}")


@pytest.mark.looptime
async def test_mqtt_ends_within_its_time_limit() -> None:
    outcome = await opened(FakeLink(hangs=True), type="mqtt").deliver("feed", message_of("A", 1))
    assert outcome == Retry("no PUBACK within 5 s")


async def test_log_writes_one_known_line_without_a_position() -> None:
    body = b'{"data":{"vin":"V","cause":"tilt","severity":"major","state":"open","position":{"latitude":1}}}'
    message = msgspec.structs.replace(message_of("V", 3), body=body)
    with capture_logs() as lines:
        assert await opened(logger=structlog.get_logger(), type="log").deliver("feed", message) == Delivered()
    expected = {"vin": "V", "cause": "tilt", "severity": "major", "state": "open", "sequence": 3}
    assert len(lines) == 1
    assert expected.items() <= lines[0].items()
    assert lines[0]["event"] in LOG_EVENTS
    assert "position" not in lines[0]
