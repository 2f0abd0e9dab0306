"""Vehicles take turns; each one's own order is kept, nothing is lost, and acknowledgements keep theirs."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.pipeline.acks import InOrder
from gateway.pipeline.decider import MAX_BATCH, MAX_SHARE
from gateway.pipeline.inbox import MAX_DERIVED_OF_ONE, TURN, Inbox, Item
from tests.pipeline.conftest import Rig

AT = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
FLOODER = "XVGZZZ99ZTS999999"

Moves = st.lists(
    st.one_of(
        st.tuples(st.integers(0, 12), st.integers(1, 40)),  # so many items of this vehicle come
        st.just(None),  # a batch is taken
    ),
    max_size=60,
)


def _item(subject: str, number: int) -> Item:
    return Item(subject=subject, kind="tilt", received_at=AT, event_id=str(number))


@given(moves=Moves, most=st.integers(1, 30), share=st.integers(1, 30))
def test_each_vehicles_order_is_kept_and_nothing_is_lost(
    moves: list[tuple[int, int] | None], most: int, share: int
) -> None:
    inbox, put, taken = Inbox(), dict[str, list[str | None]](), dict[str, list[str | None]]()
    for move in [*moves, *[None] * (40 * 60)]:
        if move is None:
            batch = inbox.take(most, share)
            assert len(batch) <= most
            for item in batch:
                taken.setdefault(item.subject, []).append(item.event_id)
            assert all(sum(one.subject == subject for one in batch) <= share for subject in put)
            if not len(inbox) and not batch:
                break
            continue
        for _ in range(move[1]):
            line = put.setdefault(str(move[0]), [])
            line.append(str(len(line)))
            assert inbox.put(_item(str(move[0]), len(line) - 1))
    for _ in range(40 * 60):
        for item in inbox.take(most, share):
            taken.setdefault(item.subject, []).append(item.event_id)
    assert (taken, len(inbox)) == (put, 0)


@given(
    lines=st.lists(st.integers(0, 50), min_size=1, max_size=40),
    most=st.integers(1, 64),
    place=st.integers(0, 20),
)
def test_what_stands_in_a_short_line_leaves_soon_however_long_the_others_are(
    lines: list[int], most: int, place: int
) -> None:
    """With so many vehicles waiting, the n-th item of one is taken with the n-th turn of all, or before."""
    inbox, share = Inbox(), 2 * TURN
    for number, count in enumerate(lines):
        for one in range(count):
            inbox.put(_item(f"other{number}", one))
    for one in range(place + 1):
        inbox.put(_item("short", one))
    bound = math.ceil((place + 1) * TURN * (len(lines) + 1) / most) + 1
    taken = [
        item.event_id for _ in range(bound) for item in inbox.take(most, share) if item.subject == "short"
    ]
    assert str(place) in taken


@given(order=st.permutations(range(12)), again=st.lists(st.integers(0, 11)))
def test_acknowledgements_leave_in_the_order_of_arrival_as_soon_as_they_can(
    order: list[int], again: list[int]
) -> None:
    acks, left = InOrder(), list[int]()
    asks = [acks.place(lambda number=number: left.append(number)) for number in range(12)]  # type: ignore[misc]
    asked: set[int] = set()
    for number in order:
        asks[number]()
        asked.add(number)
        for one in set(again) & asked:
            asks[one]()
        first = next((one for one in range(12) if one not in asked), 12)
        assert left == list(range(first))
    assert len(acks) == 0


def test_what_can_be_derived_again_fills_no_room_of_others() -> None:
    inbox = Inbox()
    assert all(inbox.offer(_item(FLOODER, number)) for number in range(MAX_DERIVED_OF_ONE))
    assert not inbox.offer(_item(FLOODER, 0))
    assert inbox.offer(_item("other", 0))
    assert inbox.put(_item(FLOODER, 0))


@pytest.mark.parametrize("kind", ["theft-sensor", "driver-card"])
async def test_a_flood_delays_nobody_else(rig: Rig, kind: str) -> None:
    """Every vehicle's alarm is in the very next batch; the flood itself is recorded and receipted in full."""
    count, others = 1_000, [f"XVGZZZ99ZTS{number:06}" for number in range(20)]
    rng = random.Random(5)
    for number in range(count):
        if kind == "theft-sensor":
            rig.trigger("tilt", f"f{number}", vin=FLOODER)
        else:
            at = datetime.fromtimestamp(rig.clock.now().timestamp() - number / 10, UTC)
            card = {"event_id": f"f{number}", "occurred_at": at, "present": rng.random() < 0.5}
            rig.send("driver-card", {**card, "card_id": "DC-1"}, vin=FLOODER)
    for vin in others:
        rig.trigger("hold_up", "e1", vin=vin)
    await rig.decider._turn(rig.inbox.take(MAX_BATCH, MAX_SHARE))
    assert {one["vin"] for one in rig.data() if one["cause"] == "hold_up"} == set(others)
    assert len(rig.receipts) == len(others) + 1
    assert rig.acks == list(range(1, MAX_SHARE + 1)), "those behind wait for the ones before them"
    await rig.settle()
    assert sum(len(one["event_ids"]) for one in rig.receipts) == count + len(others)
    assert rig.acks == list(range(1, count + len(others) + 1))
    told = [one for one in rig.data() if one["vin"] == FLOODER and one["cause"] == "tilt"]
    assert kind == "driver-card" or len(told) < count / 10, "gathered, not told one by one"
