"""Events wait for their receipt."""

from __future__ import annotations

import itertools

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from vehicle_emulator.dice import Dice
from vehicle_emulator.messages import Message
from vehicle_emulator.outbox import Outbox


def event(event_id: str, kind: str = "theft-sensor") -> Message:
    return Message(kind, b"{}", event_id)


def sent(outbox: Outbox, now_ms: float, room: int = 100) -> list[str]:
    return [entry.message.event_id for entry in outbox.due(now_ms, room)]


def test_an_event_is_due_at_once_and_only_once() -> None:
    outbox = Outbox(Dice(1))
    outbox.put(event("a"), 1_000.0)
    assert (sent(outbox, 1_000.0), sent(outbox, 1_900.0)) == (["a"], [])


def test_resends_follow_1_2_4_up_to_60_seconds_and_a_quarter_on_top() -> None:
    outbox = Outbox(Dice(1))
    outbox.put(event("a"), 0.0)
    moments = [now_ms for now_ms in range(0, 400_000, 10) if outbox.due(float(now_ms), 1)]
    gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
    for gap, expected_s in zip(gaps, (1, 2, 4, 8, 16, 32, 60, 60), strict=False):
        assert expected_s * 1_000 <= gap <= expected_s * 1_250 + 10


def test_a_resend_has_the_same_bytes() -> None:
    outbox = Outbox(Dice(1))
    outbox.put(event("a"), 0.0)
    first, again = outbox.due(0.0, 1), outbox.due(2_000.0, 1)
    assert first[0].message is again[0].message


def test_a_settled_event_is_never_sent_again() -> None:
    outbox = Outbox(Dice(1))
    outbox.put(event("a"), 0.0)
    outbox.due(0.0, 1)
    assert outbox.settle("a") is not None
    assert outbox.settle("a") is None
    assert sent(outbox, 1e9) == []


def test_a_new_connection_makes_everything_due_in_order() -> None:
    outbox = Outbox(Dice(1))
    for name in "abc":
        outbox.put(event(name), 0.0)
    sent(outbox, 0.0)
    outbox.settle("b")
    outbox.reconnected(10.0)
    assert sent(outbox, 10.0) == ["a", "c"]


def test_a_full_window_keeps_the_rest_for_later() -> None:
    outbox = Outbox(Dice(1))
    for name in "abc":
        outbox.put(event(name), 0.0)
    assert (sent(outbox, 0.0, 2), sent(outbox, 0.0, 0), sent(outbox, 0.0, 2)) == (["a", "b"], [], ["c"])


def test_a_full_outbox_gives_up_the_oldest_that_is_no_theft() -> None:
    outbox = Outbox(Dice(1), limit=3)
    outbox.put(event("theft-1"), 0.0)
    outbox.put(event("card", "driver-card"), 0.0)
    outbox.put(event("theft-2"), 0.0)
    gave_way = [outbox.put(event(f"theft-{number}"), 0.0) for number in (3, 4)]
    assert [entry.message.event_id for entry in gave_way if entry] == ["card", "theft-1"]
    assert [entry.message.event_id for entry in outbox.waiting()] == ["theft-2", "theft-3", "theft-4"]


class OutboxModel(RuleBasedStateMachine):
    """Against a plain list: nothing vanishes, order holds, no event rests longer than its backoff."""

    def __init__(self) -> None:
        super().__init__()
        self.outbox = Outbox(Dice(7), limit=1_000)
        self.open: list[str] = []
        self.last_ms: dict[str, float] = {}
        self.made = 0
        self.now_ms = 0.0

    @rule()
    def make(self) -> None:
        self.made += 1
        self.open.append(f"e{self.made}")
        assert self.outbox.put(event(self.open[-1]), self.now_ms) is None

    @rule(elapsed_ms=st.integers(0, 70_000), room=st.integers(0, 5))
    def send(self, elapsed_ms: int, room: int) -> None:
        self.now_ms += elapsed_ms
        names = sent(self.outbox, self.now_ms, room)
        assert len(names) <= room
        assert names == [name for name in self.open if name in names]
        for name in names:
            assert self.now_ms - self.last_ms.get(name, -1e9) >= 1_000
            self.last_ms[name] = self.now_ms

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(self.open))
        self.open.remove(name)
        assert self.outbox.settle(name) is not None

    @rule()
    def reconnect(self) -> None:
        self.outbox.reconnected(self.now_ms)
        self.last_ms.clear()

    @rule()
    def wait_long_enough(self) -> None:
        self.now_ms += 75_000
        assert sent(self.outbox, self.now_ms, 10_000) == self.open
        self.last_ms = dict.fromkeys(self.open, self.now_ms)

    @invariant()
    def holds_exactly_what_is_open(self) -> None:
        assert [entry.message.event_id for entry in self.outbox.waiting()] == self.open


TestOutboxModel = OutboxModel.TestCase
TestOutboxModel.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
