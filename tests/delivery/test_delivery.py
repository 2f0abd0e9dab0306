"""The rules of contract 5.3 on sinks, in virtual time."""

from __future__ import annotations

import asyncio
import json
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from gateway.names import LOG_EVENTS, METRICS
from gateway.pipeline import outlet as module
from gateway.pipeline.delivery import Delivery
from gateway.pipeline.lanes import MAX_FRESH_BYTES, PARALLEL, Lanes
from gateway.pipeline.meters import Tally
from gateway.pipeline.outlet import Way
from gateway.ports import Delivered, Message, Outcome, Park, Retry, SinkPlan
from tests.delivery.memory import EPOCH, LoopClock, MemoryStore, ScriptedSink, message_of

pytestmark = pytest.mark.looptime
PRIMARY = SinkPlan("soc", "default", "primary")
STANDBY = SinkPlan("second", "default", "standby")


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[Any]]:
    with capture_logs() as captured:
        yield captured


class Bench:
    """Delivery with its doubles."""

    def __init__(self, *ways: Way, seed: int = 1, store: MemoryStore | None = None) -> None:
        self.clock = LoopClock()
        self.store = store or MemoryStore([way.plan for way in ways])
        self.tally = Tally()
        self.sequence = max((sequence for _, sequence in self.store.messages_by_key), default=0)
        self.delivery = Delivery(
            store=self.store,  # type: ignore[arg-type]  # the delivery part of the port
            ways=ways,
            feed_id="feed",
            clock=self.clock,
            rng=random.Random(seed),
            meters=self.tally,
            log=structlog.get_logger(),
        )

    def alarm(self, subject: str, *, critical: bool = False, soc: str = "default") -> Message:
        self.sequence += 1
        message = message_of(subject, self.sequence, critical=critical, soc=soc, created_at=self.clock.now())
        self.store.commit(message)
        self.delivery.committed([message])
        return message

    async def until(self, done: Callable[[], Any], within_s: float = 60.0) -> None:
        async with asyncio.timeout(within_s):
            while not done():  # noqa: ASYNC110  # virtual time costs nothing
                await asyncio.sleep(0.05)


@asynccontextmanager
async def running(*ways: Way, **more: Any) -> AsyncIterator[Bench]:
    bench = Bench(*ways, **more)
    task = asyncio.create_task(bench.delivery.run())
    await asyncio.sleep(0.1)
    try:
        yield bench
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_fresh_message_leaves_without_reading_the_store() -> None:
    sink = ScriptedSink()
    async with running(Way(PRIMARY, sink)) as bench:
        bench.alarm("A")
        await asyncio.sleep(0)
        await bench.until(lambda: bench.store.in_state("done") == [1])
    assert (sink.sequences(), bench.store.reads) == ([1], 0)
    assert bench.store.rows["soc", "default", 1].attempts == 1


@pytest.mark.parametrize("seed", range(8))
async def test_each_vehicles_messages_arrive_in_order_whatever_fails(seed: int) -> None:
    """Random failures, latencies and a slow store: every message once, per vehicle in sequence order."""
    dice = random.Random(seed)
    sink = ScriptedSink(lambda _: Delivered() if dice.random() < 0.7 else Retry("HTTP 500"), takes_s=0.01)
    async with running(Way(PRIMARY, sink), seed=seed) as bench:
        bench.store.latency_s = dice.choice([0.0, 0.003, 0.02])
        for _ in range(400):
            bench.alarm(f"V{dice.randrange(12)}", critical=dice.random() < 0.3)
            await asyncio.sleep(dice.choice([0, 0, 0.001, 0.05]))
        await bench.until(lambda: len(bench.store.in_state("done")) == 400, within_s=600)
    by_vehicle: dict[str, list[int]] = defaultdict(list)
    for _, message in sink.taken:
        by_vehicle[message.subject].append(message.sequence)
    assert all(sequences == sorted(set(sequences)) for sequences in by_vehicle.values())
    assert sorted(sink.sequences()) == list(range(1, 401))


async def test_after_a_restart_the_backlog_is_sent_critical_vehicles_first() -> None:
    store = MemoryStore([PRIMARY])
    for n in range(1, 101):
        store.commit(message_of(f"V{n % 40}", n, critical=n % 40 == 7))
    sink = ScriptedSink(takes_s=0.1)
    async with running(Way(PRIMARY, sink), store=store) as bench:
        await bench.until(lambda: len(store.in_state("done")) == 100)
    assert {message.subject for _, message in sink.asked[:1]} == {"V7"}
    assert sink.most_in_flight == PARALLEL
    assert sorted(sink.sequences()) == list(range(1, 101))


async def test_a_message_that_the_store_shows_before_it_is_announced_is_sent_once() -> None:
    """Between the commit and ``committed`` a lane may read the message; then it must not be sent again."""
    sink = ScriptedSink()
    async with running(Way(PRIMARY, sink)) as bench:
        early = message_of("A", 1)
        bench.store.commit(early)
        bench.delivery.poke("soc", "A")
        await bench.until(lambda: sink.sequences() == [1])
        bench.delivery.committed([early])
        await asyncio.sleep(5)
    assert sink.sequences() == [1]


async def test_retries_are_jittered_between_half_a_second_and_thirty() -> None:
    sink = ScriptedSink(lambda message: Retry("HTTP 500") if message.subject == "bad" else Delivered())
    async with running(Way(PRIMARY, sink)) as bench:
        bench.alarm("bad")
        for _ in range(300):  # others keep the sink well
            bench.alarm("good")
            await asyncio.sleep(0.1)
        times = [at for at, message in sink.asked if message.subject == "bad"]
        assert bench.store.rows["soc", "default", 1].attempts == len(times)
    gaps = [later - before for before, later in pairwise(times)]
    assert len(gaps) >= 3
    assert all(0.5 <= gap <= 30.3 for gap in gaps)


@pytest.mark.parametrize(("asked_s", "least_s", "most_s"), [(7.0, 7.0, 8.0), (3600.0, 30.0, 31.0)])
async def test_retry_after_is_honoured_up_to_thirty_seconds(
    asked_s: float, least_s: float, most_s: float
) -> None:
    answers: list[Outcome] = [Retry("HTTP 429", asked_s)]
    sink = ScriptedSink(lambda _: answers.pop() if answers else Delivered())
    async with running(Way(PRIMARY, sink)) as bench:
        bench.alarm("A")
        await bench.until(lambda: sink.taken)
    assert least_s <= sink.asked[1][0] - sink.asked[0][0] <= most_s


async def test_a_parked_message_does_not_block_and_goes_to_the_standby_at_once() -> None:
    sink = ScriptedSink(lambda message: Park("HTTP 422") if message.sequence == 1 else Delivered())
    second = ScriptedSink()
    async with running(Way(PRIMARY, sink), Way(STANDBY, second)) as bench:
        bench.alarm("A")
        bench.alarm("A")
        await bench.until(lambda: second.taken, within_s=2)
        assert sink.sequences() == [2]
        assert second.sequences() == [1]
        await bench.until(lambda: bench.store.in_state("parked", "soc") == [1])
        assert bench.store.rows["soc", "default", 1].last_error == "HTTP 422"


async def test_the_standby_gets_what_the_primary_has_not_confirmed_for_fifteen_seconds() -> None:
    second = ScriptedSink()
    async with running(Way(PRIMARY, ScriptedSink(lambda _: Retry("refused"))), Way(STANDBY, second)) as bench:
        for n in range(30):
            bench.alarm(f"V{n}")
        await bench.until(lambda: len(second.taken) == 30)
        assert all(15.0 <= at <= 18.5 for at, _ in second.taken)
        bench.alarm("V1")
        await bench.until(lambda: len(second.taken) == 31)


async def test_a_message_that_fails_for_a_minute_while_others_pass_is_parked() -> None:
    sink = ScriptedSink(lambda message: Retry("HTTP 500") if message.sequence == 1 else Delivered())
    async with running(Way(PRIMARY, sink)) as bench:
        bench.alarm("bad")
        bench.alarm("bad")
        for _ in range(70):
            bench.alarm("good")
            await asyncio.sleep(1)
        assert bench.store.in_state("parked") == [1]
        assert sorted(sink.sequences()) == list(range(2, 73))
    last_try = [at for at, message in sink.asked if message.sequence == 1][-1]
    assert 60.0 <= last_try <= 62.0


async def test_nothing_is_parked_however_long_the_whole_sink_is_down() -> None:
    up = False
    sink = ScriptedSink(lambda _: Delivered() if up else Retry("refused"))
    async with running(Way(PRIMARY, sink)) as bench:
        for n in range(20):
            bench.alarm(f"V{n}")
        await asyncio.sleep(1_200)
        assert bench.delivery.states() == {"soc": "failing"}
        assert bench.delivery.failing_for_s("soc") > 1_190
        asked, up = len(sink.asked), True
        await bench.until(lambda: sink.taken, within_s=5)
        await bench.until(lambda: len(bench.store.in_state("done")) == 20, within_s=3)
        assert bench.delivery.states() == {"soc": "ok"}
        assert bench.store.in_state("parked") == []
    assert asked < 1_200 / 2 + 50  # a dead sink is probed, not hammered


@pytest.mark.parametrize("outage_s", [0.3, 1.9, 3.0, 5.5, 7.1, 30.0])
@pytest.mark.parametrize("how", ["hangs", "refuses"])
async def test_a_healed_sink_gets_its_first_message_within_five_seconds(how: str, outage_s: float) -> None:
    ill = True

    class Soc(ScriptedSink):
        async def deliver(self, feed_id: str, message: Message) -> Outcome:
            if ill:
                await asyncio.sleep(5.0 if how == "hangs" else 0.001)
                return Retry("no answer")
            return await super().deliver(feed_id, message)

    sink = Soc()
    async with running(Way(PRIMARY, sink)) as bench:
        for n in range(100):
            bench.alarm(f"V{n}")
        await asyncio.sleep(outage_s)
        ill, healed_at = False, asyncio.get_running_loop().time()
        await bench.until(lambda: sink.taken)
        assert sink.taken[0][0] - healed_at <= 5.0
        await bench.until(lambda: len(bench.store.in_state("done")) == 100, within_s=8)


async def test_one_vehicles_bad_message_does_not_hold_up_another_vehicle() -> None:
    """Even when it is the only traffic and the sink therefore looks dead."""
    sink = ScriptedSink(lambda message: Retry("HTTP 500") if message.subject == "bad" else Delivered())
    async with running(Way(PRIMARY, sink)) as bench:
        bench.alarm("bad")
        await asyncio.sleep(20)
        sent_at = asyncio.get_running_loop().time()
        bench.alarm("good")
        await bench.until(lambda: sink.taken)
        assert sink.taken[0][0] - sent_at <= 1.0


async def test_a_sink_that_hangs_slows_no_other() -> None:
    sink = ScriptedSink()
    hung = ScriptedSink(lambda _: Retry("timeout"), takes_s=5.0)
    async with running(Way(PRIMARY, sink), Way(SinkPlan("hung", "default", "primary"), hung)) as bench:
        for n in range(200):
            bench.alarm(f"V{n}")
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert len(sink.taken) == 200
        assert bench.delivery.states()["soc"] == "ok"


async def test_ten_minutes_without_the_soc_leave_memory_flat_and_lose_nothing() -> None:
    up = False
    sink = ScriptedSink(lambda _: Delivered() if up else Retry("refused"), takes_s=0.001)
    async with running(Way(PRIMARY, sink)) as bench:
        outlet = bench.delivery._outlets["soc"]
        for second in range(600):
            for n in range(30):
                bench.alarm(f"V{(second * 30 + n) % 3_000}", critical=n == 0)
            await asyncio.sleep(1)
        assert len(outlet.lanes) <= 3_000
        assert outlet.lanes.fresh_bytes <= MAX_FRESH_BYTES
        assert len(sink.asked) < 600
        up = True
        await bench.until(lambda: len(bench.store.in_state("done")) == 18_000, within_s=300)
    assert sorted(sink.sequences()) == list(range(1, 18_001))


async def test_vehicles_beyond_the_bound_are_found_again_in_the_store(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    up = False
    sink = ScriptedSink(lambda _: Delivered() if up else Retry("refused"))
    monkeypatch.setattr(Lanes.__init__, "__kwdefaults__", {"max_lanes": 40, "max_fresh_bytes": 2_000})
    async with running(Way(PRIMARY, sink)) as bench:
        for n in range(300):
            bench.alarm(f"V{n % 150}", critical=n % 10 == 0)
            await asyncio.sleep(0.1)
            assert len(bench.delivery._outlets["soc"].lanes) <= 40
        up = True
        await bench.until(lambda: len(bench.store.in_state("done")) == 300, within_s=120)
    per_vehicle: dict[str, list[int]] = defaultdict(list)
    for _, message in sink.taken:
        per_vehicle[message.subject].append(message.sequence)
    assert all(sequences == sorted(set(sequences)) for sequences in per_vehicle.values())


async def test_while_the_store_fails_what_ended_is_kept_and_not_sent_again() -> None:
    sink = ScriptedSink()
    async with running(Way(PRIMARY, sink)) as bench:
        bench.store.failing = True
        for n in range(50):
            bench.alarm(f"V{n % 5}")
        await asyncio.sleep(60)
        assert bench.store.in_state("done") == []
        bench.store.failing = False
        await bench.until(lambda: len(bench.store.in_state("done")) == 50)
    assert sorted(sink.sequences()) == list(range(1, 51))


async def test_sending_pauses_when_too_much_is_unmarked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.pipeline.marks.MAX_MARKS", 20)
    sink = ScriptedSink()
    async with running(Way(PRIMARY, sink)) as bench:
        bench.store.failing = True
        for n in range(500):
            bench.alarm(f"V{n}")
        await asyncio.sleep(60)
        assert len(sink.taken) <= 20 + PARALLEL
        bench.store.failing = False
        await bench.until(lambda: len(bench.store.in_state("done")) == 500)


async def test_marks_of_what_ended_meanwhile_share_a_transaction() -> None:
    async with running(Way(PRIMARY, ScriptedSink())) as bench:
        bench.store.latency_s = 0.02
        for n in range(300):
            bench.alarm(f"V{n}")
        await bench.until(lambda: len(bench.store.in_state("done")) == 300)
        assert bench.store.transactions < 30


async def test_marks_of_rare_alarms_share_transactions_too() -> None:
    async with running(Way(PRIMARY, ScriptedSink())) as bench:
        for n in range(100):
            bench.alarm(f"V{n}")
            await asyncio.sleep(0.02)
        await bench.until(lambda: len(bench.store.in_state("done")) == 100)
        assert bench.store.transactions <= 21


async def test_the_backlog_of_one_vehicle_does_not_wait_for_marks() -> None:
    store = MemoryStore([PRIMARY])
    store.commit(*(message_of("A", n) for n in range(1, 801)))
    sink = ScriptedSink()
    async with running(Way(PRIMARY, sink), store=store) as bench:
        await bench.until(lambda: len(store.in_state("done")) == 800, within_s=2)
    assert sink.sequences() == list(range(1, 801))


async def test_an_unrecorded_alarm_goes_to_every_sink_of_its_soc() -> None:
    answers: list[Outcome] = [Delivered(), Retry("refused")]
    sink, second = ScriptedSink(lambda _: answers.pop() if answers else Delivered()), ScriptedSink()
    other = ScriptedSink()
    ways = (Way(PRIMARY, sink), Way(STANDBY, second), Way(SinkPlan("other", "b", "primary"), other))
    async with running(*ways) as bench:
        bench.store.failing = True
        bench.delivery.unrecorded(message_of("A", 0, type="alarm.unrecorded"))
        await bench.until(lambda: sink.taken and second.taken)
        assert (len(sink.asked), len(second.asked), len(other.asked)) == (2, 1, 0)


async def test_unrecorded_alarms_are_bounded_and_given_up_after_a_few_tries() -> None:
    sink = ScriptedSink(lambda _: Retry("refused"))
    async with running(Way(PRIMARY, sink)) as bench:
        for n in range(5_000):
            bench.delivery.unrecorded(message_of(f"V{n}", 0))
        await asyncio.sleep(400_000)
        assert len(sink.asked) == module.MAX_TOLD * module.TELL_TRIES


async def test_a_heartbeat_goes_to_the_sinks_that_ask_for_it() -> None:
    asks, silent = ScriptedSink(), ScriptedSink()
    ways = (Way(PRIMARY, asks, heartbeat=True), Way(SinkPlan("other", "default", "primary"), silent))
    async with running(*ways) as bench:
        bench.delivery.heartbeat(b"{}")
        await asyncio.sleep(1)
        assert [message.type for _, message in asks.taken] == ["gateway.heartbeat"]
        assert silent.asked == []


async def test_a_test_alarm_says_what_it_is_and_returns_the_sinks_answer() -> None:
    sink = ScriptedSink(lambda _: Park("HTTP 400"))
    async with running(Way(PRIMARY, sink)) as bench:
        assert bench.delivery.sinks() == ["soc"]
        assert await bench.delivery.test("soc") == Park("HTTP 400")
        assert await bench.delivery.test("none") is None
        assert b'"test":true' in sink.asked[0][1].body


async def test_a_resent_delivery_leaves_at_once() -> None:
    judged = ["HTTP 400"]
    sink = ScriptedSink(lambda _: Park(judged.pop()) if judged else Delivered())
    async with running(Way(PRIMARY, sink)) as bench:
        bench.alarm("A")
        await bench.until(lambda: bench.store.in_state("parked") == [1])
        bench.store.resend("soc", 1)
        bench.delivery.poke("soc", "A")
        bench.delivery.poke("none", "A")
        await bench.until(lambda: bench.store.in_state("done") == [1], within_s=1)


async def test_a_soc_without_a_sink_falls_back_to_default_under_another_feed() -> None:
    """Its sequence numbers begin at 1 as well; the receiver must not take them for repeats."""
    sink = ScriptedSink()
    async with running(Way(PRIMARY, sink)) as bench:
        bench.alarm("A")
        bench.alarm("B", soc="elsewhere")
        await bench.until(lambda: len(sink.taken) == 2)
    assert sorted(sink.feeds) == ["feed", "feed-elsewhere"]


async def test_a_sink_that_raises_is_retried_and_stops_nothing() -> None:
    bugs = [KeyError("oops")]

    def answer(_: Message) -> Outcome:
        if bugs:
            raise bugs.pop()
        return Delivered()

    sink = ScriptedSink(answer)
    async with running(Way(PRIMARY, sink)) as bench:
        bench.alarm("A")
        await bench.until(lambda: bench.store.in_state("done") == [1])
        assert len(sink.asked) == 2


async def test_a_planned_stop_lets_what_is_being_sent_end_and_marks_it() -> None:
    sink = ScriptedSink(takes_s=0.5)
    async with running(Way(PRIMARY, sink)) as bench:
        for n in range(100):
            bench.alarm(f"V{n}")
        await asyncio.sleep(0.1)
        await bench.delivery.rest(3.0)
    assert len(bench.store.in_state("done")) == len(sink.taken) == PARALLEL


async def test_sinks_need_different_names() -> None:
    with pytest.raises(ValueError, match="name of its own"):
        Bench(Way(PRIMARY, ScriptedSink()), Way(PRIMARY, ScriptedSink()))


async def test_every_log_event_and_metric_has_a_known_name(logs: list[Any]) -> None:
    up = False
    sink = ScriptedSink(lambda m: Park("no") if m.sequence == 1 else Delivered() if up else Retry("refused"))
    async with running(Way(PRIMARY, sink), Way(STANDBY, ScriptedSink())) as bench:
        bench.alarm("A")
        bench.alarm("B")
        await asyncio.sleep(20)
        up = True
        await asyncio.sleep(10)
    events = {entry["event"] for entry in logs}
    expected = {"done", "retried", "parked", "failing", "recovered", "stood_by"}
    assert events == {f"delivery.{name}" for name in expected}
    assert events <= LOG_EVENTS.keys()
    assert {name.partition("/")[0] for name in (*bench.tally.totals, *bench.tally.gauges)} <= METRICS.keys()
    assert EPOCH + timedelta(seconds=30) <= bench.clock.now()


async def test_a_vehicles_test_goes_to_every_sink_of_its_soc_and_not_too_often() -> None:
    good, other, bad = ScriptedSink(), ScriptedSink(), ScriptedSink(lambda _: Park("HTTP 400"))
    ways = (Way(PRIMARY, good), Way(STANDBY, bad), Way(SinkPlan("else", "elsewhere", "primary"), other))
    async with running(*ways) as bench:
        tried = await bench.delivery.test_vehicle("V1", "default")
        assert tried is not None
        assert [(one.plan.name, type(one.outcome)) for one in tried] == [("soc", Delivered), ("second", Park)]
        body = json.loads(good.taken[-1][1].body)
        assert (body["subject"], body["data"]["vin"], body["data"]["test"]) == ("V1", "V1", True)
        assert body["data"]["sequence"] is None
        answers = [await bench.delivery.test_vehicle("V1", "default") for _ in range(3)]
        assert [answer is None for answer in answers] == [False, False, True]
        assert await bench.delivery.test_vehicle("V2", "default") is not None
    assert other.asked == []
