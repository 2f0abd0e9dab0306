"""The siren becomes an alarm at 15 s of activity; each trigger has one message or a verdict."""

from __future__ import annotations

import pytest

from gateway.domain.facts import AnyFact
from gateway.domain.signals import ForgedRepeat, TheftSensor
from gateway.domain.situation import MAX_SIREN_EVENTS
from gateway.domain.thresholds import Thresholds
from tests.domain.cars import Car, at, ignition, quiet, sensor, siren


@pytest.mark.parametrize(
    ("facts", "raised_s", "told"),
    [
        pytest.param([siren("a", 0)], 15, ["a"], id="no end"),
        pytest.param([siren("a", 0, active_for_s=15)], 0, ["a"], id="a trigger states 15 s"),
        pytest.param([siren("a", 0, active_for_s=14.9)], 15, ["a"], id="a trigger states less and goes on"),
        pytest.param(
            [siren("a", 0), siren("b", 3, active_for_s=17)], 3, ["a", "b"], id="a second one states enough"
        ),
        pytest.param([quiet("r", 0, active_for_s=15)], 0, [], id="only the end, long enough"),
        pytest.param([siren("a", 0), quiet("r", 5, active_for_s=16)], 5, ["a"], id="the end states enough"),
        pytest.param([siren("a", 0, 10), quiet("r", 16)], 16, ["a"], id="the end proves it before the timer"),
        pytest.param([siren("a", None, 0)], 15, ["a"], id="no clock"),
        pytest.param([siren("a", 1e8, 0), ignition(True, 10)], 15, ["a"], id="a clock far ahead"),
        pytest.param([siren("a", -1e4, 0)], 15, ["a"], id="hours late: the timer runs from arrival"),
        pytest.param([quiet("r", 5), siren("a", 6)], 21, ["a"], id="an end without beginning comes before"),
        pytest.param([siren("a", 0), siren("b", 10)], 15, ["a", "b"], id="two triggers of one episode"),
        pytest.param([siren("a", 0), quiet("r", 5), siren("b", 6)], 21, ["b"], id="the second episode lasts"),
        pytest.param(
            [siren("b", 6), siren("a", 0, 10), quiet("r", 5, 11)], 21, ["b"], id="the same, out of order"
        ),
        pytest.param(
            [siren("a", 0, 14.9), siren("b", 16, 15)], 15, ["a", "b"], id="a later trigger proves it"
        ),
        pytest.param(
            [siren("b", 10, 12), quiet("r", 14, 13), siren("a", -2, 14)],
            14,
            ["a"],
            id="the beginning comes last",
        ),
    ],
)
def test_raised(facts: list[AnyFact], raised_s: float, told: list[str]) -> None:
    """One alarm that tells its triggers once, at the earlier of both clocks."""
    car = Car().live(facts)
    assert (car.raised, car.raised_after_s("car_alarm"), car.told) == (["car_alarm"], raised_s, told)


@pytest.mark.parametrize(
    ("facts", "dismissed"),
    [
        pytest.param([siren("a", 0), quiet("r", 14)], ["a"], id="14 s"),
        pytest.param([siren("a", 0), quiet("r", 14.999, active_for_s=14.999)], ["a"], id="just under"),
        pytest.param([quiet("r", 5, 0.1), siren("a", 0, 0.2)], ["a"], id="the end arrives first"),
        pytest.param([siren("a", 0), siren("b", 5), quiet("r", 14)], ["a", "b"], id="two triggers"),
        pytest.param([siren("a", None, 0), quiet("r", None, 14)], ["a"], id="no clock"),
        pytest.param([quiet("r", 0)], [], id="only the end, no duration"),
        pytest.param([quiet("r", 0, active_for_s=14)], [], id="only the end, too short"),
        pytest.param(
            [siren("a", 0), quiet("r", 10), siren("b", 20), quiet("s", 30)],
            ["a", "b"],
            id="on, off, on for 10 s each",
        ),
    ],
)
def test_below_minimum(facts: list[AnyFact], dismissed: list[str]) -> None:
    car = Car().live(facts)
    assert car.announced == []
    assert car.vehicle.pending == ()
    assert [one for one in car.verdicts if one[1] != "pending"] == [
        (event_id, "below_minimum") for event_id in dismissed
    ]


def test_a_trigger_is_pending_until_its_time_has_come() -> None:
    car = Car()
    car.take(siren("a", 0))
    assert (car.verdicts, car.vehicle.wake_at, car.announced) == ([("a", "pending")], at(15), [])
    car.wait(None)
    assert car.verdicts == [("a", "pending"), ("a", "alarm")]


@pytest.mark.parametrize("minimum_s", [5, 30])
def test_the_minimum_is_configurable(minimum_s: float) -> None:
    car = Car(Thresholds(car_alarm_min_s=minimum_s)).live([siren("a", 0, active_for_s=minimum_s - 1)])
    assert car.raised_after_s("car_alarm") == minimum_s


def test_a_configured_minimum_holds_for_what_is_folded_away() -> None:
    """18 s are nothing where 30 are asked for, also when a late fact folds what is older than the window."""
    facts: list[AnyFact] = [quiet("r", 1, active_for_s=18), ignition(True, 1000), ignition(False, 990, 1001)]
    assert Car(Thresholds(car_alarm_min_s=30)).live(facts).announced == []
    assert Car().live(facts).raised == ["car_alarm"]


def test_further_triggers_of_an_alarmed_episode_count_at_once() -> None:
    car = Car().live([siren("a", 0), siren("b", 60), siren("c", 61.5)])
    assert car.messages == [
        ("alarm.raised", "car_alarm", ("a",)),
        ("alarm.updated", "car_alarm", ("b",)),
        ("alarm.updated", "car_alarm", ("c",)),
    ]


def test_the_times_of_the_alarm_are_those_of_the_first_trigger() -> None:
    alarm = Car().live([siren("a", -1000, 0)]).announced[0].alarm
    assert (alarm.occurred_at, alarm.received_at, alarm.late, alarm.clock_suspect) == (
        at(-1000),
        at(0),
        True,
        False,
    )


# -- what a thief may try -----------------------------------------------------------------------------------


@pytest.mark.parametrize("ended_s", [None, 1e8, 9, 20])
def test_a_late_tick_loses_nothing_without_a_clock(ended_s: float | None) -> None:
    """Twenty seconds of siren by both arrivals, and the timer did not come in time."""
    car = Car()
    car.take(siren("a", None, 0))
    car.take(quiet("r", ended_s, 20))
    assert (car.raised, car.told) == (["car_alarm"], ["a"])


def test_triggers_that_are_stamped_earlier_and_earlier_do_not_restart_the_timer() -> None:
    car = Car().live([siren(f"e{number:02}", -number / 1000, number * 5.0) for number in range(20)])
    assert car.raised_after_s("car_alarm") == 15
    assert sorted(car.told) == [f"e{number:02}" for number in range(20)]


def test_an_end_with_an_old_stamp_ends_nothing() -> None:
    """The clock is set back by ten minutes while the siren sounds."""
    car = Car().live([siren("a", 0), quiet("r", -590, 10)])
    assert car.raised_after_s("car_alarm") == 15


def test_an_end_at_the_instant_of_a_new_trigger_ends_only_what_was_before() -> None:
    """In whole seconds: on at 0, off at 5, on at 5 and on for good."""
    car = Car().live([siren("a", 0), quiet("r", 5), siren("b", 5)])
    assert (car.raised, car.told) == (["car_alarm"], ["b"])


def test_more_triggers_than_can_be_followed_are_raised() -> None:
    """A flood within one short episode: what is beyond the bound counts at once, the rest has a verdict."""
    number = MAX_SIREN_EVENTS + 100
    car = Car().live([*[siren(f"e{index}", index / 100) for index in range(number)], quiet("r", 10)])
    dismissed = {event_id for event_id, verdict in car.verdicts if verdict == "below_minimum"}
    assert len(car.told) == len(set(car.told)) == 100
    assert dismissed | set(car.told) == {f"e{index}" for index in range(number)}


def test_a_flood_of_ends_hides_nothing() -> None:
    """More facts than the window holds push the open episode out of it."""
    ends = [sensor(f"r{index}", index / 100, state="restored", cause="car_alarm") for index in range(600)]
    car = Car().live(
        [*ends, siren("a", 6.5), *[ignition(index % 2 == 0, 7 + index / 100) for index in range(600)]]
    )
    assert (car.raised, car.told) == (["car_alarm"], ["a"])


@pytest.mark.parametrize("late", [siren("x", -3000, 1000), quiet("x", -3000, 1000, active_for_s=16)])
def test_what_is_older_than_all_that_is_remembered_counts_by_itself(late: AnyFact) -> None:
    car = Car().live([siren("a", 0), quiet("r", 2), ignition(True, 900), late])
    assert car.raised == ["car_alarm"]
    assert car.told == (["x"] if late == siren("x", -3000, 1000) else [])


def test_a_late_end_of_what_is_folded_away_ends_no_newer_trigger() -> None:
    """Triggers at 0 and 4 were folded away; an end at 2 comes late and can't speak for the second."""
    flood = [ignition(index % 2 == 0, 5 + index / 100) for index in range(300)]
    car = Car().live([siren("a", 0), siren("b", 4), *flood, quiet("r", 2, 9)])
    assert (car.raised, car.told) == (["car_alarm"], ["a", "b"])


def test_episodes_of_a_long_past_are_not_alarmed_again() -> None:
    """Forty alarmed episodes within the window; a late fact folds them all anew."""
    episodes = [
        fact
        for index in range(40)
        for fact in (siren(f"a{index}", index * 10, active_for_s=16), quiet(f"r{index}", index * 10 + 1))
    ]
    car = Car().live(episodes)
    before = list(car.announced)
    car.live([ignition(True, -1, 500)])
    assert car.announced == before


@pytest.mark.parametrize("other", [siren("a", 5, active_for_s=20), quiet("a", 5, active_for_s=20)])
def test_a_reused_id_swallows_no_siren(other: TheftSensor) -> None:
    """A counter that starts again: the same id with a long siren counts, trigger or end."""
    forged = ForgedRepeat(
        event_id="a", kind="theft-sensor", sensor=other, occurred_at=at(5), received_at=at(5)
    )
    car = Car().live([siren("a", 0), quiet("r", 2), forged])
    assert car.raised == ["tamper", "car_alarm"]
