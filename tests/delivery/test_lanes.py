"""Who is served next, and what memory may hold."""

from __future__ import annotations

import random
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway.pipeline.lanes import MAX_PROBES, PARALLEL, PROBE_EVERY_S, Job, Lanes, Pulse
from tests.delivery.memory import message_of

steps = st.lists(
    st.tuples(
        st.sampled_from("ABCDEFGH"), st.booleans(), st.sampled_from(["add", "serve", "wait", "due", "offer"])
    ),
    max_size=80,
)


def lanes_that_know_all(**bounds: int) -> Lanes:
    lanes = Lanes(**bounds)
    lanes.complete = True
    return lanes


def test_critical_vehicles_come_first_then_the_oldest() -> None:
    lanes = lanes_that_know_all()
    for number, (subject, critical) in enumerate([("old", False), ("late", True), ("new", False)], 1):
        lanes.add(message_of(subject, number, critical=critical))
    lanes.offer("stored", critical=False, rank=5)
    taken = [lane.subject for _ in range(4) if (lane := lanes.take())]
    assert taken == ["late", "stored", "old", "new"]
    assert lanes.take() is None


def test_a_critical_message_moves_its_vehicle_forward_behind_its_own_earlier_ones() -> None:
    lanes = lanes_that_know_all()
    lanes.add(message_of("first", 1))
    lanes.add(message_of("second", 2))
    lanes.add(message_of("second", 3, critical=True))
    lane = lanes.take()
    assert lane is not None
    assert [job.message.sequence for job in lane.fresh] == [2, 3]


def test_nothing_is_kept_fresh_behind_what_is_only_in_the_store() -> None:
    lanes = Lanes()
    lanes.add(message_of("A", 7))
    lane = lanes.take()
    assert lane is not None
    assert (lane.fresh, lane.more, lane.stale) == ([], True, True)


@given(steps, st.integers(1, 4), st.integers(0, 200))
def test_memory_stays_within_its_bounds(todo: list[tuple[str, bool, str]], most: int, room: int) -> None:
    """Whatever happens: lanes and fresh bytes are bounded, and the bytes counted are the bytes held."""
    lanes = lanes_that_know_all(max_lanes=most, max_fresh_bytes=room)
    for number, (subject, critical, what) in enumerate(todo, 1):
        if what == "add":
            lanes.add(message_of(subject, number, critical=critical))
        elif what == "offer":
            lanes.offer(subject, critical=critical, rank=number)
        elif what == "due":
            lanes.due(number)
        elif (lane := lanes.take()) is not None and what == "wait":
            lanes.wait(lane, number + 5)
        elif lane is not None:
            while lane.fresh:
                lanes.sent(lane)
            lanes.finish(lane)
        assert len(lanes) <= most
        assert 0 <= lanes.fresh_bytes <= room
        assert lanes.busy == 0
        assert lanes.fresh_bytes == sum(
            len(job.message.body) for lane in lanes._lanes.values() for job in lane.fresh
        )


@given(steps)
def test_every_vehicle_is_served_in_order_or_left_to_the_store(todo: list[tuple[str, bool, str]]) -> None:
    """What a lane holds fresh is a rising run; if something is missing behind it, the lane knows."""
    lanes = lanes_that_know_all(max_fresh_bytes=300)
    given_to: dict[str, list[int]] = {}
    for number, (subject, critical, _) in enumerate(todo, 1):
        lanes.add(message_of(subject, number, critical=critical))
        given_to.setdefault(subject, []).append(number)
    while (lane := lanes.take()) is not None:
        held = [job.message.sequence for job in lane.fresh]
        expected = given_to.pop(lane.subject)
        assert held == expected[: len(held)]
        assert lane.more == (len(held) < len(expected))
        lanes.finish(lane)
    assert given_to == {}


def test_when_full_an_ordinary_vehicle_gives_way_to_a_critical_one() -> None:
    lanes = lanes_that_know_all(max_lanes=2)
    for number, critical in enumerate([False, False, True, False], 1):
        lanes.add(message_of(f"V{number}", number, critical=critical))
    assert {lane.subject for _ in range(3) if (lane := lanes.take())} == {"V1", "V3"}
    assert (lanes.complete, lanes.spilled) == (False, True)


def test_a_waiting_vehicle_returns_its_messages_when_memory_is_short() -> None:
    body = len(message_of("A", 1).body)
    lanes = lanes_that_know_all(max_fresh_bytes=body)
    lanes.add(message_of("A", 1))
    lane = lanes.take()
    assert lane is not None
    lanes.wait(lane, 1.0)
    assert (lane.fresh, lane.more, lanes.fresh_bytes) == ([], True, 0)
    assert lanes.take() is None
    lanes.due(1.0)
    assert lanes.take() is lane
    lanes.fill(lane, [Job(message_of("A", 1), 3)])
    assert lane.fresh[0].attempts == 3


def test_released_vehicles_wait_only_shortly() -> None:
    lanes = lanes_that_know_all()
    for number in range(50):
        lanes.add(message_of(f"V{number}", number + 1))
    while (lane := lanes.take()) is not None:
        lanes.wait(lane, 1_000.0)
    lanes.release(10.0, 0.5, random.Random(1))
    lanes.due(10.5)
    assert sum(1 for _ in iter(lanes.take, None)) == 50


def test_a_well_sink_is_tried_in_parallel_up_to_a_limit() -> None:
    pulse = Pulse(random.Random(1))
    while pulse.may_start(0.0, untried=True, busy=pulse.in_flight):
        pulse.begin(0.0)
    assert pulse.in_flight == PARALLEL


def test_a_failing_sink_is_only_probed() -> None:
    """Refused at once, for a minute: probes come at most 4 s apart and never in a storm."""
    pulse = Pulse(random.Random(1))
    starts = []
    for tick in range(600):
        now = tick / 10
        if pulse.may_start(now, untried=False, busy=0):
            pulse.failed(pulse.begin(now), now)
            starts.append(now)
    gaps = [later - before for before, later in pairwise(starts[5:])]
    assert max(gaps) <= PROBE_EVERY_S[1] + 0.1
    assert min(gaps) >= PROBE_EVERY_S[0] - 0.1
    assert pulse.failing_for_s(60.0) == 60.0


def test_a_sink_that_has_gone_quiet_is_probed_before_its_time_limit() -> None:
    pulse = Pulse(random.Random(1))
    for _ in range(PARALLEL):
        pulse.begin(0.0)
    assert not pulse.may_start(1.9, untried=True, busy=40)
    assert pulse.may_start(2.0, untried=True, busy=40)
    starts = [
        t / 10
        for t in range(20, 400)
        if pulse.may_start(t / 10, untried=True, busy=40) and pulse.begin(t / 10)
    ]
    assert len(starts) == MAX_PROBES


def test_the_first_confirmation_heals_and_older_failures_do_not_count() -> None:
    pulse = Pulse(random.Random(1))
    hung = pulse.begin(0.0)
    for n in range(5):
        pulse.failed(pulse.begin(n), n)
    assert pulse.is_failing(4.0)
    assert pulse.lived(pulse.begin(5.0), 5.1)
    pulse.failed(hung, 5.2)
    assert (pulse.is_failing(5.2), pulse.failing_for_s(5.2)) == (False, 0.0)


def test_a_sink_that_asks_to_be_left_alone_is() -> None:
    pulse = Pulse(random.Random(1))
    for n in range(5):
        pulse.failed(pulse.begin(float(n)), float(n), 20.0)
    assert not pulse.may_start(23.9, untried=True, busy=40)
    assert pulse.may_start(24.0, untried=True, busy=40)
