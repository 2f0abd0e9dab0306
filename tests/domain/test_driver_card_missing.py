"""The vehicle moves and no counting Driver Card has been present for 15 s or more."""

from __future__ import annotations

import pytest

from gateway.domain.facts import AnyFact
from gateway.domain.thresholds import Thresholds
from tests.domain.cars import Car, at, card, ignition, moves, registered, sensor, stands

HERE = card("c-0", True, -100)
GONE = card("c-1", False, 0)
DRIVES = [moves(second) for second in range(-40, 100, 20)]


def driving(*facts: AnyFact, after_s: float = 100) -> list[AnyFact]:
    """Facts among a drive that is stated every 20 s."""
    return sorted([*facts, *DRIVES[: int((after_s + 60) // 20)]], key=lambda fact: fact.received_at)


@pytest.mark.parametrize(
    ("facts", "raised_s"),
    [
        pytest.param([HERE, *driving(GONE)], 15, id="gone for 15 s by the timer"),
        pytest.param([HERE, moves(-1), GONE], 15, id="no fact after the card has gone"),
        pytest.param([HERE, moves(-44.9), GONE], 15, id="while the last statement of movement still holds"),
        pytest.param([GONE, moves(100)], 100, id="drives off long after the card has gone"),
        pytest.param([GONE, moves(3)], 15, id="drives off just after the card has gone"),
        pytest.param(
            [HERE, moves(0), card("c-1", False, 0, 20), moves(16, 21)], 21, id="vehicle clock, both late"
        ),
        pytest.param(
            [HERE, moves(0), card("c-1", False, 0, 5), moves(16, 17)], 17, id="vehicle clock before the timer"
        ),
        pytest.param([HERE, moves(0), card("c-1", False, 0, 5), moves(15, 16)], 16, id="exactly 15 s"),
        pytest.param([HERE, moves(0), card("c-1", False, 0, 5), moves(14.9, 16)], 20, id="just under 15 s"),
        pytest.param(
            [card("a", True, -9, card_id="A"), HERE, GONE, card("b", False, 8, card_id="A"), moves(9)],
            23,
            id="the last of two",
        ),
        pytest.param(
            [registered(-200, "DC-1"), card("a", True, -9, card_id="X"), HERE, GONE, moves(1)],
            15,
            id="an unlisted card does not count",
        ),
        pytest.param([registered(-200, "DC-1"), moves(0)], 15, id="a listed card that was never stated"),
        pytest.param(
            [HERE, *driving(GONE), card("c-2", True, 100)], 15, id="a card that returns closes nothing"
        ),
        pytest.param(
            [HERE, *driving(card("c-1", False, 0, battery="low"))], 15, id="a weak cell excuses nothing"
        ),
        pytest.param([HERE, ignition(False, -1), *driving(GONE)], 15, id="whatever the ignition says"),
    ],
)
def test_raised_after(facts: list[AnyFact], raised_s: float) -> None:
    """One alarm, at the earlier of both clocks."""
    car = Car().live(facts)
    raised = [cause for cause in car.raised if cause != "unauthorised_movement"]  # a rule of its own
    assert (raised, car.raised_after_s("driver_card_missing")) == (["driver_card_missing"], raised_s)
    assert car.announced[0].alarm.count == 1


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param([HERE, *driving(GONE, card("c-2", True, 2))], id="gone for 2 s"),
        pytest.param([HERE, *driving(GONE, card("c-2", True, 14.9))], id="gone for 14.9 s"),
        pytest.param([HERE, *driving(card("a", True, -9, card_id="A"), GONE)], id="another card is there"),
        pytest.param([HERE, GONE], id="parked: never moved"),
        pytest.param([HERE, moves(-5), stands(-1), GONE], id="stopped before"),
        pytest.param([HERE, moves(-5), GONE, stands(5)], id="stopped in time"),
        pytest.param([HERE, moves(-50), GONE], id="a statement of movement holds for 60 s only"),
        pytest.param([HERE, moves(-45), GONE], id="and no longer than that: parked out of coverage"),
        pytest.param([registered(-200), *driving()], id="no card fitted"),
        pytest.param(driving(), id="no card fitted, not registered"),
        pytest.param(
            [registered(-200, "DC-1", "DC-2"), *driving(card("a", True, -40, card_id="DC-2"))],
            id="a listed one",
        ),
    ],
)
def test_not_raised(facts: list[AnyFact]) -> None:
    assert Car().live(facts).announced == []


def test_a_flapping_card_raises_nothing_while_each_gap_is_short() -> None:
    flaps = [card(f"c-{second}", second % 20 != 0, second) for second in range(0, 100, 10)]
    assert Car().live([HERE, *driving(*flaps)]).announced == []


def test_the_grace_time_is_configurable() -> None:
    car = Car(Thresholds(driver_card_grace_s=40)).live([HERE, *driving(GONE)])
    assert car.raised_after_s("driver_card_missing") == 40


def test_a_movement_stated_after_the_hold_begins_a_new_one() -> None:
    car = Car().live([HERE, moves(-50), GONE, moves(61)])
    assert car.raised_after_s("driver_card_missing") == 61


def test_a_registry_that_begins_to_list_cards_decides_anew() -> None:
    """The card in the car stops counting, and the next wake finds it."""
    car = Car().live([HERE, moves(0), registered(1, "DC-9")])
    assert car.raised == ["driver_card_missing"]


def test_a_card_is_missing_once_per_drive() -> None:
    """A drive of an hour without card, stated every 20 s, is one trigger."""
    car = Car().live([GONE, *[moves(second) for second in range(20, 3600, 20)]])
    assert [(one.type, one.alarm.count) for one in car.announced] == [("alarm.raised", 1)]


def test_a_further_drive_adds_to_the_alarm() -> None:
    car = Car().live([GONE, moves(20), stands(30), moves(30 + 700)])
    assert [(one.type, one.alarm.count) for one in car.announced] == [
        ("alarm.raised", 1),
        ("alarm.updated", 2),
    ]


def test_the_evidence_names_both_reasons() -> None:
    car = Car().live([HERE, moves(-1), GONE])
    assert [(one.text, one.at) for one in car.announced[0].alarm.evidence] == [
        ("No Driver Card has been in the car for 15 seconds or more.", at(0)),
        ("The car is moving. A card in the car would clear this.", at(-1)),
    ]


def test_a_late_tick_loses_nothing() -> None:
    """The timer is overdue when the car stops: it was fulfilled before."""
    car = Car()
    for fact in (HERE, moves(-1), GONE, stands(16)):
        car.take(fact)
    assert car.raised == ["driver_card_missing"]


def test_a_late_tick_loses_nothing_without_a_clock() -> None:
    """The same where the vehicle has no clock: the arrivals prove it."""
    car = Car()
    for fact in (
        card("c-0", True, None, -100),
        moves(None, -1),
        card("c-1", False, None, 0),
        stands(None, 16),
    ):
        car.take(fact)
    assert car.raised == ["driver_card_missing"]


def test_facts_that_waited_while_the_store_failed_are_heard_in_their_order() -> None:
    """A card that was gone for 2 s is no theft because the gateway decides it a minute later."""
    car = Car()
    for fact in (HERE, moves(-1), GONE, card("c-2", True, 2)):
        car.take(fact, at(60))
    car.wait(None)
    assert car.announced == []


def test_an_overdue_timer_waits_for_no_further_fact() -> None:
    """Decided a minute late and nothing to the contrary: the wake comes at once."""
    car = Car()
    for fact in (HERE, moves(-1), GONE):
        car.take(fact, at(60))
    assert car.vehicle.wake_at is not None
    assert (car.vehicle.wake_at - at(60)).total_seconds() < 0.001
    car.wait(None)
    assert car.raised == ["driver_card_missing"]


# -- what a thief may try -----------------------------------------------------------------------------------


def test_a_card_that_leaves_after_the_clock_was_set_back_has_left() -> None:
    """Five minutes back between two statements of one boot: the vehicle's own order decides."""
    car = Car().live(
        [
            card("c-0", True, 0, boot_id="b", seq=1),
            moves(1),
            card("c-1", False, -290, 10, boot_id="b", seq=2),
        ]
    )
    assert car.raised == ["driver_card_missing"]


def test_two_changes_at_one_instant_keep_the_vehicles_order() -> None:
    """``b-10`` is younger than ``b-9`` though it sorts before it."""
    facts: list[AnyFact] = [
        moves(0),
        card("b-9", True, 0, boot_id="b", seq=9),
        card("b-10", False, 0, boot_id="b", seq=10),
    ]
    assert Car().live(facts).raised == ["driver_card_missing"]
    back: list[AnyFact] = [
        moves(0),
        card("b-9", False, 0, boot_id="b", seq=9),
        card("b-10", True, 0, boot_id="b", seq=10),
    ]
    assert Car().live(back).raised == []


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_changes_at_one_instant_without_an_order_are_in_doubt(order: tuple[int, int]) -> None:
    both = [card("z", True, 0), card("a", False, 0)]
    assert Car().live([moves(0), *[both[index] for index in order]]).raised == ["driver_card_missing"]


def test_a_late_presence_never_overwrites_a_newer_absence() -> None:
    """Gone at 0 and again at 1,000; what was true at 500 comes last."""
    car = Car().live([GONE, card("c-9", False, 1000), card("c-5", True, 500, 1700), ignition(True, 1701)])
    car.live([moves(1710)])
    assert car.raised == ["driver_card_missing"]


def test_a_statement_that_comes_late_never_restarts_the_timer() -> None:
    """Every 10 s the car says again that its card has gone, each time a little earlier."""
    facts: list[AnyFact] = [moves(0), card("c-0", False, 0)]
    facts += [card(f"c-{number}", False, -number / 1000, number * 10) for number in range(1, 10)]
    assert Car().live(facts).raised_after_s("driver_card_missing") == 15


@pytest.mark.parametrize("listed", [(), ("DC-1",)])
@pytest.mark.parametrize("present", [False, True])
def test_a_crowd_of_cards_hides_no_departure(listed: tuple[str, ...], present: bool) -> None:
    """Forty other cards are stated before and after; then all are gone."""
    crowd = [card(f"x-{number}", present, number, card_id=f"X{number}") for number in range(40)]
    gone = [card(f"y-{number}", False, 60 + number, card_id=f"X{number}") for number in range(40)]
    car = Car().live(
        [
            registered(-200, *listed),
            *crowd[:20],
            card("c-0", True, 19.5),
            *crowd[20:],
            card("c-1", False, 50),
            *gone,
        ]
    )
    car.live([moves(200)])
    assert car.raised == ["driver_card_missing"]


def test_a_crowd_of_absent_cards_hides_no_present_one() -> None:
    crowd = [card(f"x-{number}", False, number, card_id=f"X{number}") for number in range(40)]
    car = Car().live([*crowd, card("c-0", True, 50), moves(100), moves(120)])
    assert car.announced == []


def test_no_future_stamp_hides_a_departure() -> None:
    """Present, stamped ten years ahead; then gone by a right clock."""
    ahead = 10 * 365 * 86400.0
    car = Car().live([card("c-0", True, ahead, -5), moves(ahead, -4), GONE])
    assert car.raised_after_s("driver_card_missing") == 15


def test_other_alarms_do_not_disturb_it() -> None:
    car = Car().live([HERE, moves(-1), GONE, sensor("t-1", 1), sensor("t-2", 2, state="restored")])
    assert car.raised == ["intrusion", "driver_card_missing"]
    assert car.announced[0].alarm.case_id == car.announced[1].alarm.case_id is not None
