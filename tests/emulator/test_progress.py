"""How far something is."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as some
from rich.console import Console

from vehicle_emulator.progress import EVERY_S, Bar, Meter, Pulse

pulses = some.builds(
    Pulse, *[some.integers(0, 99)] * 2, some.none() | some.floats(0.0, 1e4), *[some.integers(0, 99)] * 7
)


@given(pulses, pulses, pulses)
def test_processes_add_up_in_any_order(one: Pulse, two: Pulse, three: Pulse) -> None:
    assert one + two == two + one
    assert (one + two) + three == one + (two + three)
    assert one + Pulse() == one


def test_a_log_has_a_line_every_ten_seconds() -> None:
    told = io.StringIO()
    now_s = 100.0
    bar = Bar(Console(file=io.StringIO()), 60.0, log=Console(file=told), now=lambda: now_s)
    with bar:
        meter = Meter(bar)
        for second in range(25):
            now_s = 100.0 + second
            meter.show(
                Pulse(vehicles=5, up=5, elapsed_s=float(second), receipted=3 * second, lost=second // 20)
            )
    lines = told.getvalue().splitlines()
    assert len(lines) == int(24 / EVERY_S)
    assert lines[-1] == "20 of 60 s: 5 on the air, 3 receipts/s, 0 telemetry/s, 0 waiting, 1 lost"


def test_somebody_who_watches_sees_a_bar_that_leaves_no_trace() -> None:
    told = io.StringIO()
    with Bar(Console(file=told, force_terminal=True, width=120, _environ={"TERM": "xterm"}), 60.0) as bar:
        Meter(bar).show(Pulse(vehicles=5, up=2))
        Meter(bar).show(Pulse(vehicles=5, up=5, elapsed_s=30.0))
    assert "━" in told.getvalue()
    assert "connecting: 2 of 5" in told.getvalue()
    assert "30 of 60 s: 5 on the air" in told.getvalue()
    assert told.getvalue().endswith("\x1b[2K")
