"""What a vehicle is doing: each statement alone, and what an older one may still change."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.domain import situation
from gateway.domain.signals import Movement
from gateway.domain.situation import (
    MAX_SIREN_EVENTS,
    Card,
    Moment,
    Siren,
    Situation,
    SituationFact,
    apply,
    dated,
    moment_of,
)
from tests.domain.cars import at, card, ignition, moves, quiet, siren, stands


def after(*facts: SituationFact) -> Situation:
    known = Situation()
    for fact in facts:
        known = apply(known, fact)
    return known


def moment(seconds: float, received_s: float | None = None) -> Moment:
    return Moment(at(seconds), at(seconds if received_s is None else received_s))


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        pytest.param([stands(10)], moves(9, 20), id="stopped"),
        pytest.param([moves(10)], stands(9, 20), id="moved"),
        pytest.param([ignition(True, 10)], ignition(False, 9, 20), id="ignition"),
        pytest.param(
            [ignition(True, 0), ignition(True, 10)], ignition(False, 9, 20), id="ignition said again"
        ),
        pytest.param([card("c", True, 10)], card("d", False, 9, 20), id="card"),
        pytest.param(
            [card("c", True, 0), card("d", True, 10)], card("e", False, 9, 20), id="card said again"
        ),
        pytest.param([siren("a", 10)], quiet("r", 9, 20), id="siren"),
        pytest.param([siren("a", 0), siren("b", 10)], quiet("r", 9, 20), id="siren said again"),
        pytest.param([siren("a", 0), quiet("r", 10)], siren("b", 9, 20), id="siren that ended"),
    ],
)
def test_an_older_statement_changes_nothing(newer: list[SituationFact], older: SituationFact) -> None:
    """And the same statement a moment after the newest does."""
    known = after(*newer)
    assert apply(known, older) == known
    assert apply(known, replace(older, occurred_at=at(10.5))) != known


def test_movement_that_is_stated_with_older_stamps_is_still_heard() -> None:
    """A clock that is set back by 20 s while the car moves: by arrival it moves on."""
    situation = after(moves(50), moves(40, 60))
    assert (situation.moving_since, situation.moving_stated) == (moment(50), moment(50, 60))
    assert after(moves(40, 60), moves(50)).moving_stated == moment(50, 60)


def test_a_drive_outlasts_short_stops() -> None:
    situation = after(moves(0), stands(10), moves(600))
    assert (situation.drive_since, situation.moving_since) == (moment(0), moment(600))
    assert after(moves(0), stands(10), moves(601)).drive_since == moment(601)


def test_a_siren_keeps_its_first_triggers() -> None:
    """The first names the episode, so it must not change while it lasts."""
    situation = after(*[siren(f"e{index}", index) for index in range(MAX_SIREN_EVENTS + 2)])
    assert situation.siren == Siren(
        moment(0), at(MAX_SIREN_EVENTS + 1), tuple(f"e{index}" for index in range(MAX_SIREN_EVENTS))
    )


def test_a_card_keeps_since_when_and_what_said_so_last() -> None:
    situation = after(card("c", False, 5, 6), card("d", False, 8, 9, boot_id="b", seq=4))
    assert situation.cards == {"DC-1": Card(False, moment(5, 6), at(8), "b", 4)}


@pytest.mark.parametrize(("seq", "present"), [(3, False), (5, True)])
def test_within_one_boot_its_own_order_counts(seq: int, present: bool) -> None:
    known = after(card("c", False, 100, boot_id="b", seq=4))
    assert apply(known, card("d", True, 50, 101, boot_id="b", seq=seq)).cards["DC-1"].present is present


def test_between_boots_the_clock_counts() -> None:
    known = after(card("c", False, 100, boot_id="b", seq=4))
    assert apply(known, card("d", True, 50, 101, boot_id="c", seq=5)) == known


@pytest.mark.parametrize(
    ("boot_id", "seq", "seconds", "suspect"),
    [
        ("b", 5, 50, True),
        ("b", 5, 100, False),
        ("b", 3, 50, False),
        ("c", 5, 50, False),
        (None, None, 50, False),
    ],
)
def test_a_card_with_a_later_number_and_an_earlier_time_counts_as_of_its_arrival(
    boot_id: str | None, seq: int | None, seconds: float, suspect: bool
) -> None:
    """The clock was set back in between; which of two cards it was makes no difference."""
    known = after(card("c", True, 100, boot_id="b", seq=4))
    fact = card("d", False, seconds, 110, boot_id=boot_id, seq=seq, card_id="DC-2")
    assert dated(known, fact).at == at(110 if suspect else seconds)


TOLD = st.builds(
    Movement,
    moving=st.sampled_from((True, True, True, False)),
    after_gap=st.booleans(),
    occurred_at=st.sampled_from([None, *map(at, (0, 5, 30, 60, 61, 90, 700))]),
    received_at=st.sampled_from([*map(at, (700, 705, 730, 760))]),
)


@settings(max_examples=500, deadline=None)
@given(told=st.lists(TOLD, max_size=12))
def test_that_a_drive_goes_on_is_what_any_movement_says(told: list[Movement]) -> None:
    """The short way of a drive gives what all others take."""
    known = Situation()
    for fact in told:
        then = apply(known, fact)
        if fact.moving:
            assert then == situation._moved(known, fact, moment_of(fact))
        known = then
